"""The listening socket and all that its connections share, from the first accept to the drain.

Stopping has an order. Not ready first, so that whoever routes to us looks elsewhere; then serve on
for the drain, closing each connection after its answer; then accept nothing more, finish what is in
flight, and only cut off what takes too long. A second signal shortens the drain.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from email.utils import formatdate
from typing import TYPE_CHECKING

from regnant.serving import log
from regnant.serving.admission import Admission
from regnant.serving.connection import Connection
from regnant.serving.errors import PortUnavailable

if TYPE_CHECKING:
    from regnant.serving.routes import Routes
    from regnant.serving.settings import Settings

SWEEP_SECONDS = 1.0
_BACKLOG = 1024


class Listener:
    """Serves one model until it is told to stop."""

    def __init__(self, settings: Settings, routes: Routes) -> None:
        self.routes = routes
        self.limits = settings.limits
        self.admission = Admission(settings.limits)
        self.draining = False
        self.stamp = b""
        self.clock = asyncio.get_running_loop().time
        self._settings = settings
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self._all_closed = asyncio.Event()
        self._all_closed.set()
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._refresh_stamp()

    def opened(self, connection: Connection) -> bool:
        """Count a connection; false if it is one too many."""
        self._connections.add(connection)
        self._all_closed.clear()
        return len(self._connections) <= self.limits.connections

    def closed(self, connection: Connection) -> None:
        """Forget a connection."""
        self._connections.discard(connection)
        if not self._connections:
            self._all_closed.set()

    async def open(self) -> int:
        """Begin to listen, and return the port."""
        settings = self._settings
        try:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: Connection(self), settings.host, settings.port, backlog=_BACKLOG
            )
        except OSError as error:
            raise PortUnavailable(
                f"REGNANT_PORT: port {settings.port} cannot be listened on: {error.strerror}; "
                "choose another"
            ) from error
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def run(self) -> None:
        """Serve until told to stop, then drain."""
        sweeper = asyncio.create_task(self._sweep())
        await self._stop.wait()
        await self._drain()
        sweeper.cancel()

    def stop(self) -> None:
        """Begin the drain; called again, end it."""
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    async def _drain(self) -> None:
        self.routes.ready = False
        self.draining = True
        log.event("draining", seconds=self._settings.drain_seconds)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._hurry.wait(), self._settings.drain_seconds)
        if self._server:
            self._server.close()
        for connection in list(self._connections):
            connection.close_when_answered()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._all_closed.wait(), self._settings.finish_seconds)
        for connection in list(self._connections):
            connection.abort()
        log.event("stopped", cutOff=len(self._connections))

    async def _sweep(self) -> None:
        """Look at every connection's deadline, and at the clock for the date of the responses."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self._refresh_stamp()
            now = self.clock()
            for connection in list(self._connections):
                connection.check_deadline(now)

    def _refresh_stamp(self) -> None:
        date = formatdate(usegmt=True).encode()
        self.stamp = b"date: %b\r\n%b" % (date, self.routes.identity.stamp)
