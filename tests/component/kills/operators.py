"""The operator as its image starts it, and started again whenever it is killed.

Importing it takes longer than most of what it does between two deaths, so one process imports it
once and each operator is a copy of that process: a process of its own, without anything of another.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from regnant.cluster.connection import Kubeconfig
from regnant.handlers.__main__ import main

_ARGUMENTS = (
    "--trainer-image=trainer",
    "--server-image=server",
    "--router-image=router",
    "--store-uri=oci://registry.test:5000/models",
    "--log-format=text",
    # Any free ports.
    "--health-port=0",
    "--metrics-port=0",
)
_COPIES = multiprocessing.get_context("forkserver")
_COPIES.set_forkserver_preload([__name__])


class OperatorProcess:
    """One operator after another, for one namespace."""

    def __init__(self, access: Kubeconfig, namespace: str, log: Path) -> None:
        self._log = log
        self._arguments = (
            *_ARGUMENTS,
            f"--kubeconfig={access.path}",
            f"--context={access.context}",
            f"--namespace={namespace}",
        )
        self._process: ForkServerProcess | None = None

    async def keep_alive(self, replaced: Callable[[], None]) -> None:
        """Start one, and another one as often as it is killed."""
        while True:
            self._process = _COPIES.Process(target=_operate, args=(self._arguments, self._log))
            self._process.start()
            try:
                await _end_of(self._process)
            except asyncio.CancelledError:
                self.kill()
                self._process.join()
                raise
            code = self._process.exitcode
            assert code == -signal.SIGKILL, self._log.read_text()[-8000:]
            replaced()

    def kill(self) -> None:
        """End it at once, as a node that loses power does."""
        assert self._process
        self._process.kill()


def _operate(arguments: Sequence[str], log: Path) -> None:
    """Be the operator, as `python -m regnant.handlers` is."""
    with log.open("ab") as file:
        os.dup2(file.fileno(), sys.stderr.fileno())
    sys.argv[1:] = arguments
    os.environ |= {"POD_NAMESPACE": "regnant", "POD_NAME": "operator"}
    sys.exit(main())


async def _end_of(process: ForkServerProcess) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(process.sentinel, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(process.sentinel)
