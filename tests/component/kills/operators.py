"""The operator as its image starts it, and started again whenever it is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from regnant.cluster.connection import Kubeconfig

_ARGUMENTS = (
    *("-m", "regnant.handlers"),
    "--trainer-image=trainer",
    "--server-image=server",
    "--router-image=router",
    "--store-uri=oci://registry.test:5000/models",
    "--log-format=text",
    # Any free ports.
    "--health-port=0",
    "--metrics-port=0",
)


class OperatorProcess:
    """One operator after another, for one namespace."""

    def __init__(self, access: Kubeconfig, namespace: str, log: Path) -> None:
        self._access = access
        self._namespace = namespace
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    async def keep_alive(self, replaced: Callable[[], None]) -> None:
        """Start one, and another one as often as it is killed."""
        while True:
            with self._log.open("ab") as log:
                self._process = await asyncio.create_subprocess_exec(
                    *(sys.executable, *_ARGUMENTS),
                    f"--kubeconfig={self._access.path}",
                    f"--context={self._access.context}",
                    f"--namespace={self._namespace}",
                    env={**os.environ, "POD_NAMESPACE": "regnant", "POD_NAME": "operator"},
                    stderr=log,
                )
            try:
                code = await self._process.wait()
            except asyncio.CancelledError:
                self.kill()
                await self._process.wait()
                raise
            assert code == -signal.SIGKILL, self._log.read_text()[-8000:]
            replaced()

    def kill(self) -> None:
        """End it at once, as a node that loses power does."""
        assert self._process
        if self._process.returncode is None:
            self._process.kill()
