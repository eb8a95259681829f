"""The machine under a benchmark: what it is, what else it is doing, and who gets which core.

CPU time is read from the kernel's own clock of a process, which counts in nanoseconds and knows
every thread, also those that have ended; `/proc/PID/stat` counts in hundredths of a second.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from e2e.cluster.settings import CHECKOUT

_SCHEDULED_TIME_OF_A_PROCESS = 2


def processor() -> str:
    """The processor's name."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return names[0] if names else "not known"


def commit() -> str:
    """What of the checkout was measured."""
    words = ["git", "-C", str(CHECKOUT), "describe", "--always", "--dirty"]
    found = subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()
    return found or "unknown"


def busy(load: Sequence[float]) -> str:
    """A word of warning where the machine had something else to do from the start."""
    return "; **it was busy with other work**" if load[0] > (os.cpu_count() or 1) else ""


def circumstances(command: str, load: Sequence[float]) -> str:
    """When, of what, on what and by what something was measured on this machine alone."""
    ahead = "chrt --rr 1 " if os.sched_getscheduler(0) == os.SCHED_RR else ""
    return (
        f"Measured {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {commit()}, on {os.cpu_count()} "
        f"CPUs ({processor()}), load average {load[0]:.1f} before and {load[1]:.1f} after"
        f"{busy(load)}: `{ahead}{command}`"
    )


def cpu_seconds(pid: int) -> float:
    """The CPU time that a process has used, in user and system mode, with all of its threads."""
    # The number that clock_getcpuclockid(3) makes of a process.
    return time.clock_gettime((~pid << 3) | _SCHEDULED_TIME_OF_A_PROCESS)


def cores() -> tuple[int, int]:
    """The first and the last core that this process may use; the same one if there is no other."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Run on one core; what is started inside stays there for good."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
