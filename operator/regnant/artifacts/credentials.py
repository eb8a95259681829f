"""Credentials of a store, as a Secret mounts them, or as a login of Docker's wrote them.

A Secret of type kubernetes.io/dockerconfigjson becomes a directory with `.dockerconfigjson`; it may
hold `ca.crt` for a registry with a private authority. No directory, or none of these files, means
anonymous access. Nothing is read here that was not named: not the environment, no home directory.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from regnant.api.mounts import STORE_CREDENTIALS
from regnant.artifacts.errors import StoreForbidden

DIRECTORY: Final = Path(STORE_CREDENTIALS)
DOCKER_CONFIG: Final = ".dockerconfigjson"
CA_FILE: Final = "ca.crt"


@dataclass(frozen=True)
class StoreCredentials:
    """What a client shows to a registry, and which authority it trusts."""

    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: Path | None = None


class _Auth(BaseModel):
    model_config = ConfigDict(extra="ignore")

    auth: str = ""
    username: str = ""
    password: str = ""


class _DockerConfig(BaseModel):
    model_config = ConfigDict(extra="ignore")

    auths: dict[str, _Auth] = {}


def load_credentials(directory: Path, host: str) -> StoreCredentials:
    """Read the mounted credentials that are meant for a host."""
    ca_file = directory / CA_FILE
    trusted = ca_file if ca_file.is_file() else None
    username, password = read_login(directory / DOCKER_CONFIG, host) or ("", "")
    return StoreCredentials(username, password, trusted)


def read_login(config_file: Path, host: str) -> tuple[str, str] | None:
    """Read who logs in to a host, and by what, in a Docker configuration; None if it has nobody."""
    if not config_file.is_file():
        return None
    try:
        config = _DockerConfig.model_validate_json(config_file.read_bytes())
    except ValidationError as error:
        raise StoreForbidden(
            f"{config_file.name}: not a Docker configuration; recreate the Secret with "
            "kubectl create secret docker-registry"
        ) from error
    for name, auth in config.auths.items():
        if _host_of(name) == host:
            return _login(auth, f"{config_file.name}: auths.{host}.auth")
    return None


def _host_of(name: str) -> str:
    """Docker writes hosts bare or as URLs."""
    return name.removeprefix("https://").removeprefix("http://").split("/", 1)[0]


def _login(auth: _Auth, where: str) -> tuple[str, str]:
    if auth.username:
        return auth.username, auth.password
    try:
        username, colon, password = (
            base64.b64decode(auth.auth, validate=True).decode().partition(":")
        )
    except (binascii.Error, UnicodeDecodeError) as error:
        raise StoreForbidden(f"{where} is not base64") from error
    if not colon:
        raise StoreForbidden(f"{where} is not base64 of user:password")
    return username, password
