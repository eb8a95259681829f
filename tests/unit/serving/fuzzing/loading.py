"""Loads bundles as a server does, each in a process of its own that may crash.

Run as a program it reads bundles from its input, one a line, and writes how each load ended. The
first, which is a good one, it loads itself; so each child is forked quickly and from the same
state. What a child may use of memory and time is limited by the kernel, which no load can evade.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from regnant.artifacts.termination import Failure, encode_failure
from regnant.serving import golden
from regnant.serving.__main__ import STAGE, prove
from regnant.serving.settings import parse_settings
from tests.unit.serving.bundles import MODEL_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.unit.serving.bundles import Written

MEMORY_BYTES = 1024**3
"""What a load may allocate, on top of the libraries."""
SECONDS = 20
_REPLAY_SECONDS = 1.0
_CHECKOUT = Path(__file__).parents[4]
_SERVED, _REFUSED, _FAILED = "served", "refused", "failed"


class Ended(NamedTuple):
    """How a load ended: served, refused with a reason, failed otherwise, or by a signal."""

    how: str
    reason: str
    message: str
    kib: int
    """The most memory that it had at a time."""


@contextmanager
def loader() -> Iterator[Callable[[Written], Ended]]:
    """A process that loads one bundle after the other."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.unit.serving.fuzzing.loading"],
        cwd=_CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stdin
        assert process.stdout

        def load(written: Written) -> Ended:
            assert process.stdin
            assert process.stdout
            print(written.directory, written.digest, file=process.stdin, flush=True)
            return Ended(*json.loads(process.stdout.readline()))

        yield load
        process.stdin.close()


def _main() -> None:
    # What libraries do once, is done before there are children.
    print(json.dumps((*_load(*sys.stdin.readline().split()), 0)), flush=True)
    for line in sys.stdin:
        directory, digest = line.split()
        print(json.dumps(_load_in_child(directory, digest)), flush=True)


def _load_in_child(directory: str, digest: str) -> Ended:
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(receiving)
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        told = _limited(directory, digest)
        os.write(sending, json.dumps(told).encode())
        os._exit(0)
    os.close(sending)
    with os.fdopen(receiving, "rb") as pipe:
        received = pipe.read()
    _, status, used = os.wait4(child, 0)
    if os.WIFSIGNALED(status):
        return Ended(signal.Signals(os.WTERMSIG(status)).name, "", "", used.ru_maxrss)
    if not received:
        return Ended(f"exit code {os.WEXITSTATUS(status)}", "", "", used.ru_maxrss)
    how, reason, message = json.loads(received)
    return Ended(how, reason, message, used.ru_maxrss)


def _limited(directory: str, digest: str) -> tuple[str, str, str]:
    """Load within limits; a load that does not end is ended by a signal."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    limit = _mapped_bytes() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    signal.alarm(SECONDS)
    golden.REPLAY_SECONDS = _REPLAY_SECONDS
    try:
        return _load(directory, digest)
    except BaseException:  # noqa: BLE001 - whatever it is, it is what is looked for
        return _FAILED, "", traceback.format_exc()[-2000:]


def _load(directory: str, digest: str) -> tuple[str, str, str]:
    settings = parse_settings(
        {
            "REGNANT_BUNDLE_DIR": directory,
            "REGNANT_BUNDLE_DIGEST": digest,
            "REGNANT_MODEL_NAME": MODEL_NAME,
            "REGNANT_MODEL_VERSION": "3",
            "REGNANT_THREADS": "1",
        }
    )
    try:
        prove(settings)
    except Failure as failure:
        told = json.loads(encode_failure(failure, STAGE))
        return _REFUSED, told["reason"], told["message"]
    return _SERVED, "", ""


def _mapped_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as sizes:  # noqa: PTH123 - it is no file
        return int(sizes.read().split()[0]) * resource.getpagesize()


if __name__ == "__main__":
    _main()
