"""Long-running programs: started detached, recorded, and ended only by their record.

A record holds the process id, the moment the kernel started it and the boot it
belongs to. A process id alone may have been given to a stranger since; with the
start time it names exactly one process, so nothing else is ever ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from .commands import await_condition, environment
from .errors import NotReadyError, ProcessDiedError

_PROC = Path("/proc")


@dataclass(frozen=True)
class Record:
    """What identifies one started process for as long as the machine runs."""

    pid: int
    started: str
    boot: str
    command: str


class Processes:
    """The processes whose records lie in one folder."""

    def __init__(self, records: Path, logs: Path) -> None:
        self._records = records
        self._logs = logs

    def start(
        self, name: str, command: Sequence[str | Path], *, env: Mapping[str, str] | None = None
    ) -> None:
        """Start a program unless the one recorded under `name` still runs."""
        if self.is_running(name):
            return
        self._records.mkdir(parents=True, exist_ok=True)
        self._logs.mkdir(parents=True, exist_ok=True)
        with self.log(name).open("ab") as log:
            process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment(env),
                cwd="/",
                start_new_session=True,
            )
        record = Record(
            pid=process.pid,
            started=_start_time(process.pid) or "",
            boot=boot_id(),
            command=str(command[0]),
        )
        fresh = self._record_file(name).with_suffix(".new")
        fresh.write_text(json.dumps(asdict(record), indent=1) + "\n")
        fresh.rename(self._record_file(name))
        # The record is what ends it; the object would only warn that it still runs.
        process.returncode = 0

    def is_running(self, name: str) -> bool:
        """Whether the recorded process still runs."""
        record = self._read(name)
        return record is not None and _is_alive(record)

    def pid(self, name: str) -> int | None:
        """The process id of a running process."""
        record = self._read(name)
        return record.pid if record is not None and _is_alive(record) else None

    def names(self) -> list[str]:
        """The processes that are recorded."""
        return sorted(path.stem for path in self._records.glob("*.json"))

    def log(self, name: str) -> Path:
        """Where the process writes what it says."""
        return self._logs / f"{name}.log"

    def require(self, name: str) -> bool:
        """True while the process runs; raises with the end of its log when it does not."""
        if not self.is_running(name):
            raise ProcessDiedError(name, self.log(name))
        return True

    def stop(self, name: str, *, grace: float = 5.0) -> None:
        """Ask the process to end, insist after `grace` seconds, and forget it.

        A grace of 0 kills at once: kube-apiserver otherwise drains for a minute.
        """
        record = self._read(name)
        if record is not None and _is_alive(record):
            if grace > 0:
                _signal(record, signal.SIGTERM)
                with contextlib.suppress(NotReadyError):
                    await_condition(
                        f"{name} ended",
                        lambda: not _is_alive(record),
                        seconds=grace,
                        every=0.02,
                    )
            _signal(record, signal.SIGKILL)
            await_condition(f"{name} ended", lambda: not _is_alive(record), every=0.02)
        self._record_file(name).unlink(missing_ok=True)

    def _record_file(self, name: str) -> Path:
        return self._records / f"{name}.json"

    def _read(self, name: str) -> Record | None:
        try:
            return Record(**json.loads(self._record_file(name).read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None


def boot_id() -> str:
    """What names the machine's current run; process ids mean nothing in another."""
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()


def processes_with_argument(argument: str) -> list[int]:
    """The processes that were started with exactly this argument."""
    wanted = argument.encode()
    found = []
    for entry in _PROC.iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            if wanted in (entry / "cmdline").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


def _signal(record: Record, number: signal.Signals) -> None:
    if _is_alive(record):
        with contextlib.suppress(ProcessLookupError):
            os.kill(record.pid, number)


def _is_alive(record: Record) -> bool:
    # A child of this very process stays a zombie until it is waited for.
    with contextlib.suppress(ChildProcessError):
        os.waitpid(record.pid, os.WNOHANG)
    return record.boot == boot_id() and _start_time(record.pid) == record.started


def _start_time(pid: int) -> str | None:
    """The kernel's start time of a live process, in ticks since boot."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
        threads = sum(1 for _ in (_PROC / str(pid) / "task").iterdir())
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The program's name may hold spaces and brackets: count from its closing one.
    fields = stat.rpartition(")")[2].split()
    # A killed process is a zombie while its other threads still end: until the last
    # of them is gone its ports are taken.
    is_gone = fields[0] == "Z" and threads <= 1
    return None if is_gone else fields[19]
