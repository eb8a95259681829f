"""A server's life between its first connection and its last.

Stopping has an order. Not ready first, so that whoever routes to us looks elsewhere; then serve on
for the drain, closing each connection after its answer; then accept nothing more, finish what is in
flight, and only cut off what takes too long. A second signal shortens the drain. Prometheus may ask
until the end.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from regnant.serving import log
from regnant.serving.access_log import AccessLog
from regnant.serving.door import Door
from regnant.serving.outcomes import Sample

if TYPE_CHECKING:
    from collections.abc import Callable

    from regnant.serving.admission import Admission
    from regnant.serving.paths import Paths
    from regnant.serving.routes import Routes
    from regnant.serving.settings import Settings


class Listener:
    """Serves one model until it is told to stop."""

    def __init__(self, settings: Settings, routes: Routes) -> None:
        self.routes = routes
        self._settings = settings
        self._doors: list[Door] = []
        self._users = self._door(routes)
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()

    @property
    def admission(self) -> Admission:
        """What is held of all inferences in flight."""
        return self._users.admission

    @property
    def connections(self) -> int:
        """How many are open for inferences."""
        return len(self._users.connections)

    @property
    def gauges(self) -> dict[str, Callable[[], int]]:
        """What is true at the moment, by the name of its metric."""
        return {
            "in_flight_requests": lambda: self.admission.in_flight,
            "queued_requests": lambda: self.routes.queued,
            "buffered_bytes": lambda: self.admission.buffered,
            "connections": lambda: self.connections,
        }

    async def open(self) -> int:
        """Begin to listen, and return the port."""
        settings = self._settings
        return await self._users.open(settings.host, settings.port, "REGNANT_PORT")

    async def open_metrics(self, paths: Paths, port: int) -> int:
        """Let Prometheus in, and return the port."""
        return await self._door(paths).open(self._settings.host, port, "REGNANT_METRICS_PORT")

    async def run(self) -> None:
        """Serve until told to stop, then drain."""
        await self._stop.wait()
        self.routes.ready = False
        self._users.draining = True
        log.event("draining", seconds=self._settings.drain_seconds)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._hurry.wait(), self._settings.drain_seconds)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._users.shut(), self._settings.finish_seconds)
        log.event("stopped", cutOff=self.connections)
        for door in self._doors:
            door.cut_off()

    def stop(self) -> None:
        """Begin the drain; called again, end it."""
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    def _door(self, paths: Paths) -> Door:
        routes, settings = self.routes, self._settings
        share = settings.access_log_sample
        access_log = AccessLog(Sample(share)) if share else None
        door = Door(paths, settings.limits, routes.identity, routes.reports.statistics, access_log)
        self._doors.append(door)
        return door
