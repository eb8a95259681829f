"""Who logs in to a registry from a person's machine, as the tools that they have remember it.

`docker login`, `oras login` and the clouds' own write a Docker configuration: with the password in
it, or with the name of a helper that keeps it. It is read for the one host that is pushed to, and
never written.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regnant.artifacts.credentials import StoreCredentials, read_login
from regnant.bundling.errors import OutOfReachError

if TYPE_CHECKING:
    from regnant.bundling.order import Order

_TOKEN = "<token>"  # noqa: S105 - how a helper says that it keeps no password
_PATIENCE_SECONDS = 60


def credentials_for(order: Order, host: str) -> StoreCredentials:
    """What is shown to the registry, and which authority is trusted."""
    path = _configuration(order)
    username, password = _by_helper(path, host) or read_login(path, host) or ("", "")
    return StoreCredentials(username, password, order.ca_file)


def _configuration(order: Order) -> Path:
    """The file that was named, or the one that logins write."""
    if order.credentials:
        if not order.credentials.is_file():
            raise OutOfReachError(f"--credentials: {order.credentials}: no such file")
        return order.credentials
    directory = os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker"
    return Path(directory) / "config.json"


def _by_helper(path: Path, host: str) -> tuple[str, str] | None:
    """Ask the program that keeps the password, if one does for this host."""
    name = _helper(path, host)
    if not name:
        return None
    program = f"docker-credential-{name}"
    try:
        ran = subprocess.run(
            [program, "get"],
            input=host,
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OutOfReachError(
            f"{path} leaves the login of {host} to {program}, which cannot be asked ({error}); "
            "install it, or name another Docker configuration with --credentials"
        ) from error
    if ran.returncode:
        return None
    try:
        told = json.loads(ran.stdout)
        username, password = str(told["Username"]), str(told["Secret"])
    except (ValueError, KeyError, TypeError) as error:
        raise OutOfReachError(
            f"{program} answers with no login for {host}; log in again, or name another Docker "
            "configuration with --credentials"
        ) from error
    if username == _TOKEN:
        raise OutOfReachError(
            f"{program} keeps a token for {host}, and no password; name a Docker configuration "
            "with a user name and a password by --credentials"
        )
    return username, password


def _helper(path: Path, host: str) -> str:
    """The helper that the configuration names; one that cannot be read is told by `read_login`."""
    try:
        configuration: Any = json.loads(path.read_bytes())
        found = configuration.get("credHelpers", {}).get(host) or configuration.get("credsStore")
    except (OSError, ValueError, AttributeError):
        return ""
    return found if isinstance(found, str) else ""
