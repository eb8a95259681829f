"""Running other programs and waiting for what they bring about.

Every call of another program goes through `run`, so a failure always carries
the command and its output. `await_condition` is the only loop that polls.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .errors import CommandError, NotReadyError


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
) -> str:
    """Run a program to its end and return what it printed; raise if it failed."""
    arguments = [str(part) for part in command]
    finished = subprocess.run(
        arguments,
        cwd=cwd,
        env={**os.environ, **env} if env else None,
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode != 0:
        raise CommandError(arguments, finished.returncode, finished.stderr or finished.stdout)
    return finished.stdout


def succeeds(command: Sequence[str | Path]) -> bool:
    """Whether a program ends with status 0; for questions, not for deeds."""
    try:
        run(command)
    except (CommandError, FileNotFoundError):
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
