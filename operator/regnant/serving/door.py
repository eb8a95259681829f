"""A port, what is served at it, and the connections that came in by it.

A server has two: one for inferences, which `listener` opens and drains, and one for Prometheus.
Once a second a door looks at every connection's deadline, and at the clock for the date of its
answers.
"""

from __future__ import annotations

import asyncio
from email.utils import formatdate
from typing import TYPE_CHECKING

from regnant.serving.admission import Admission
from regnant.serving.connection import Connection
from regnant.serving.errors import PortUnavailable

if TYPE_CHECKING:
    from regnant.serving.access_log import AccessLog
    from regnant.serving.identity import Identity
    from regnant.serving.paths import Paths
    from regnant.serving.settings import Limits
    from regnant.serving.statistics import Statistics

SWEEP_SECONDS = 1.0
_BACKLOG = 1024
_TURNS = 3
"""One accepts, the next one reads what those sent, and one lies between."""


class Door:
    """Takes connections until it is closed."""

    def __init__(
        self,
        paths: Paths,
        limits: Limits,
        identity: Identity,
        statistics: Statistics,
        access_log: AccessLog | None,
    ) -> None:
        self.paths = paths
        self.limits = limits
        self.statistics = statistics
        self.access_log = access_log
        self.admission = Admission(limits)
        self.draining = False
        """Whether each answer is its connection's last."""
        self.stamp = b""
        self.connections: set[Connection] = set()
        self._turned_away: set[Connection] = set()
        """Those one too many that still read why; they take no place from others."""
        self._identity = identity
        self._loop = asyncio.get_running_loop()
        self.clock = self._loop.time
        self._server: asyncio.Server | None = None
        self._all_closed = asyncio.Event()
        self._all_closed.set()
        self._sweeper: asyncio.TimerHandle | None = None

    async def open(self, host: str | None, port: int, variable: str) -> int:
        """Begin to listen, and return the port; the variable is what set it."""
        try:
            self._server = await self._loop.create_server(
                lambda: Connection(self), host, port, backlog=_BACKLOG
            )
        except OSError as error:
            raise PortUnavailable(
                f"{variable}: port {port} cannot be listened on: {error.strerror}; choose another"
            ) from error
        self._sweep()
        taken: int = self._server.sockets[0].getsockname()[1]
        return taken

    def opened(self, connection: Connection) -> bool:
        """Count a connection; false if it is one too many."""
        is_served = len(self.connections) - len(self._turned_away) < self.limits.connections
        if not is_served:
            self._turned_away.add(connection)
        self.connections.add(connection)
        self._all_closed.clear()
        return is_served

    def closed(self, connection: Connection) -> None:
        """Forget a connection."""
        self.connections.discard(connection)
        self._turned_away.discard(connection)
        if not self.connections:
            self._all_closed.set()

    async def shut(self) -> None:
        """Take no new connections, and return when those there are have been answered."""
        await _read_what_has_come()
        if self._server:
            self._server.close()
        await _read_what_has_come()
        for connection in list(self.connections):
            connection.close_when_answered()
        await self._all_closed.wait()

    def cut_off(self) -> None:
        """End everything at once."""
        if self._server:
            self._server.close()
        if self._sweeper:
            self._sweeper.cancel()
        for connection in list(self.connections):
            connection.abort()

    def _sweep(self) -> None:
        date = formatdate(usegmt=True).encode()
        self.stamp = b"date: %b\r\n%b" % (date, self._identity.stamp)
        now = self.clock()
        for connection in list(self.connections):
            connection.check_deadline(now)
        self._sweeper = self._loop.call_later(SWEEP_SECONDS, self._sweep)


async def _read_what_has_come() -> None:
    """Accept who waits and read what was sent: the next turns of the loop begin with that."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)
