"""What only somebody on the node can do: kill a container's processes, as a crash does.

A signal from inside a container does not reach its first process. So the tests that need a real
crash run where the tests run on the node itself, which they do on the local cluster.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from e2e.harness import Manifest

_PROC = Path("/proc")


def kill(pod: Manifest, program: str) -> int:
    """Send SIGKILL to every process of a pod that runs a program; gives how many there were."""
    found = [pid for pid in _processes(pod["metadata"]["uid"]) if program in _command(pid)]
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return len(found)


def _processes(uid: str) -> list[int]:
    """The processes in the control groups of a pod."""
    found = []
    for entry in _PROC.iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and uid in (entry / "cgroup").read_text():
                found.append(int(entry.name))
    return found


def _command(pid: int) -> str:
    with contextlib.suppress(OSError):
        return (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return ""
