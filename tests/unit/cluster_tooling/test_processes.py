"""Only the very process that was started is ever taken for it, or ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.cluster.commands import await_condition
from e2e.cluster.errors import ProcessDiedError
from e2e.cluster.processes import Processes, processes_with_argument

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(600)
"""
STUBBORN = [sys.executable, "-c", DEAF]


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    started = Processes(tmp_path / "run", tmp_path / "logs")
    yield started
    for name in started.names():
        started.stop(name, grace=0)


def test_a_started_process_runs_until_it_is_stopped(processes: Processes) -> None:
    processes.start("sleeper", SLEEP)
    pid = processes.pid("sleeper")
    assert pid is not None
    assert processes.is_running("sleeper")
    processes.stop("sleeper")
    assert not Path(f"/proc/{pid}").exists()
    assert processes.names() == []


def test_starting_again_keeps_the_process_that_runs(processes: Processes) -> None:
    processes.start("sleeper", SLEEP)
    first = processes.pid("sleeper")
    processes.start("sleeper", SLEEP)
    assert processes.pid("sleeper") == first


def test_another_folder_object_finds_the_same_process(processes: Processes, tmp_path: Path) -> None:
    processes.start("sleeper", SLEEP)
    again = Processes(tmp_path / "run", tmp_path / "logs")
    assert again.pid("sleeper") == processes.pid("sleeper")


def test_a_process_that_ignores_the_request_is_killed(processes: Processes) -> None:
    processes.start("stubborn", STUBBORN)
    log = processes.log("stubborn")
    await_condition("it is deaf", lambda: "deaf" in log.read_text(), every=0.02)
    pid = processes.pid("stubborn")
    processes.stop("stubborn", grace=0.1)
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize("field", ["started", "boot"])
def test_a_stranger_with_a_recorded_pid_is_left_alone(
    processes: Processes, tmp_path: Path, field: str
) -> None:
    processes.start("sleeper", SLEEP)
    record = tmp_path / "run" / "sleeper.json"
    pid = processes.pid("sleeper")
    assert pid is not None
    record.write_text(json.dumps(json.loads(record.read_text()) | {field: "another"}))
    assert not processes.is_running("sleeper")
    processes.stop("sleeper")
    os.kill(pid, 0)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def test_a_damaged_record_names_no_process(processes: Processes, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "broken.json").write_text('{"pid": 1')
    assert not processes.is_running("broken")
    processes.stop("broken")
    assert processes.names() == []


def test_a_process_that_died_is_reported_with_its_last_words(processes: Processes) -> None:
    processes.start("short", [sys.executable, "-c", "print('no such port')"])
    await_condition("it ended", lambda: not processes.is_running("short"), every=0.02)
    with pytest.raises(ProcessDiedError, match="no such port"):
        processes.require("short")


def test_processes_are_found_by_a_whole_argument_only() -> None:
    argument = f"/nowhere/{os.getpid()}/socket"
    with subprocess.Popen([*SLEEP, argument]) as process:
        try:
            # Between fork and exec a child still bears the arguments of its parent.
            while not processes_with_argument(argument):
                assert process.poll() is None
            assert processes_with_argument(argument) == [process.pid]
            assert processes_with_argument(argument[:-1]) == []
        finally:
            process.kill()
