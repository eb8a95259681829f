"""The server in a process of its own, as a pod starts it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.unit.serving.bundles import MODEL_NAME
from tests.unit.serving.running_server import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.serving.bundles import Written

_PSS = re.compile(r"^Pss: +(\d+) kB$", re.MULTILINE)


@contextmanager
def started_server(written: Written, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A server that was started, whatever becomes of it; it is ended at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "regnant.serving"],
        env={
            **os.environ,
            "REGNANT_BUNDLE_DIR": str(written.directory),
            "REGNANT_BUNDLE_DIGEST": written.digest,
            "REGNANT_MODEL_NAME": MODEL_NAME,
            "REGNANT_MODEL_VERSION": "3",
            "REGNANT_HOST": LOOPBACK,
            "REGNANT_PORT": "0",
            "REGNANT_DRAIN_SECONDS": "0",
            **environment,
        },
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stderr.close()


def address(process: subprocess.Popen[str], message: str = "ready") -> str:
    """Await the event by which a server tells one of its ports."""
    assert process.stderr
    for line in process.stderr:
        event = json.loads(line)
        if event["message"] == message:
            return f"http://{LOOPBACK}:{event['port']}"
    raise AssertionError(f"the server ended without {message!r}")


def proportional_kib(pid: int) -> int:
    """The memory of a process, of what it shares only its part."""
    found = _PSS.search(Path(f"/proc/{pid}/smaps_rollup").read_text())
    assert found
    return int(found[1])
