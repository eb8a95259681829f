"""Running other programs and waiting for what they bring about.

Every call of another program that ends goes through `run`, so a failure always
carries the command and its output; every program gets the same `environment`.
`await_condition` is the only loop that polls.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .errors import CommandError, NotReadyError
from .settings import POD_RANGE, SERVICE_RANGE

# Where Go and the system's own tools are, also for a caller with a short PATH.
_MORE_PATH = "/usr/local/go/bin:/usr/local/sbin:/usr/sbin:/sbin"
# A proxy knows nothing of these addresses.
_NEVER_PROXIED = f"127.0.0.1,localhost,{POD_RANGE},{SERVICE_RANGE}"


def environment(added: Mapping[str, str] | None = None) -> dict[str, str]:
    """The caller's environment, made fit for the programs that this package runs."""
    inherited = os.environ.get("NO_PROXY") or os.environ.get("no_proxy")
    unproxied = f"{inherited},{_NEVER_PROXIED}" if inherited else _NEVER_PROXIED
    return {
        **os.environ,
        "PATH": f"{os.environ.get('PATH', os.defpath)}:{_MORE_PATH}",
        "NO_PROXY": unproxied,
        "no_proxy": unproxied,
        **(added or {}),
    }


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
) -> str:
    """Run a program to its end and return what it printed; raise if it failed."""
    arguments = [str(part) for part in command]
    try:
        finished = subprocess.run(
            arguments,
            cwd=cwd,
            env=environment(env),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise CommandError(arguments, 127, f"{error.filename} is not installed") from error
    if finished.returncode != 0:
        raise CommandError(arguments, finished.returncode, finished.stderr or finished.stdout)
    return finished.stdout


def succeeds(command: Sequence[str | Path]) -> bool:
    """Whether a program ends with status 0; for questions, not for deeds."""
    try:
        run(command)
    except CommandError:
        return False
    return True


def await_condition(
    what: str,
    condition: Callable[[], bool],
    *,
    seconds: float = 60.0,
    every: float = 0.1,
    hint: str = "",
) -> None:
    """Return as soon as `condition` holds; raise NotReadyError when it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise NotReadyError(what, seconds, hint)
        time.sleep(every)
