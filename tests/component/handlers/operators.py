"""Operators whose reconcilers a test scripts.

Each runs in a thread with an event loop of its own, because kopf takes every task of its loop for
its own and cancels them all in the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import httpx

from regnant.api.meta import Kind
from regnant.cluster.client import Cluster
from regnant.cluster.connection import Kubeconfig
from regnant.controllers.metrics import ResourceMetrics
from regnant.controllers.queue import Key, Requeue
from regnant.controllers.registry import Reconciles
from regnant.handlers import process
from regnant.handlers.loop import Loop
from regnant.handlers.settings import Settings, parse
from regnant.probes import Prober
from tests.component.quiet_loop import until_quiet
from tests.component.wake_log import WakeLog

_ARGUMENTS = (
    "--trainer-image=trainer",
    "--server-image=server",
    "--router-image=router",
    "--store-uri=oci://registry.test:5000/models",
    "--log-format=text",
)


def settings(access: Kubeconfig, *arguments: str, ports: tuple[int, int]) -> Settings:
    """An operator's settings, with free ports."""
    health, metrics = ports
    where = (f"--kubeconfig={access.path}", f"--context={access.context}")
    given = (*_ARGUMENTS, *where, f"--health-port={health}", f"--metrics-port={metrics}")
    return parse([*given, *arguments], {"POD_NAME": "operator"})


async def _nothing(_: Key) -> None:
    return


class Recorder:
    """Reconciles by remembering; what a test puts into `work` is done first."""

    def __init__(self) -> None:
        self.log = WakeLog()
        self.work: Callable[[Key], Awaitable[None]] = _nothing
        self.loop: Loop | None = None
        self._home = asyncio.get_running_loop()

    async def reconcile(self, key: Key) -> Requeue:
        await self.work(key)
        self._home.call_soon_threadsafe(self.log.wake, key.kind, key.namespace, key.name)
        return Requeue()

    def build(
        self, _cluster: Cluster, _prober: Prober, loop: Loop, _metrics: ResourceMetrics
    ) -> Mapping[Kind, Reconciles]:
        self.loop = loop
        return dict.fromkeys(Kind, self)


class Operator:
    """An operator in its thread."""

    def __init__(self, settings: Settings, recorder: Recorder) -> None:
        self.settings = settings
        self.recorder = recorder
        self.exit_code: int | None = None
        self._events: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run)

    async def start(self) -> None:
        """Run it until it is ready."""
        self._thread.start()
        async with asyncio.timeout(120):
            while await self.ask("/readyz") != 200:
                assert self._thread.is_alive()
                await asyncio.sleep(0.05)

    async def stop(self) -> int | None:
        """End it as a signal does, and return its exit code."""
        if self._thread.is_alive():
            assert self._events is not None
            assert self.recorder.loop is not None
            self._events.call_soon_threadsafe(self.recorder.loop.ending.set)
        return await self.join()

    async def join(self) -> int | None:
        """Its exit code, when it has ended by itself."""
        await asyncio.to_thread(self._thread.join, 60)
        assert not self._thread.is_alive()
        return self.exit_code

    async def ask(self, path: str) -> int | None:
        """The status of an answer on the health port; None where nobody answers."""
        url = f"http://127.0.0.1:{self.settings.health_port}{path}"
        async with httpx.AsyncClient(trust_env=False) as client:
            with contextlib.suppress(httpx.TransportError):
                return (await client.get(url)).status_code
        return None

    def _run(self) -> None:
        self.exit_code = asyncio.run(self._operate())

    async def _operate(self) -> int:
        self._events = asyncio.get_running_loop()
        try:
            return await process.run(self.settings, build=self.recorder.build)
        finally:
            await until_quiet()


@contextlib.asynccontextmanager
async def operating(settings: Settings, recorder: Recorder) -> AsyncIterator[Operator]:
    """An operator that is ready; it is ended with the context."""
    operator = Operator(settings, recorder)
    await operator.start()
    try:
        yield operator
    finally:
        await operator.stop()
