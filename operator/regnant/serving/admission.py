"""How much the server holds at once, over all connections.

Every inference that has been let in counts, from its head until its answer, and so does every byte
of its body. What is over the limit is refused at once with 503 and Retry-After: a queue without
an end would answer everyone late.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from regnant.serving.messages import overloaded

if TYPE_CHECKING:
    from regnant.serving.exchange import Exchange
    from regnant.serving.settings import Limits


class Admission:
    """The counts; each exchange that was admitted is released once."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.in_flight = 0
        self.buffered = 0

    def admit(self, exchange: Exchange) -> None:
        """Let one more request in before its body is read, and make room for the body."""
        if self.in_flight >= self._limits.in_flight:
            raise overloaded(f"{self.in_flight} requests are in flight, the most that are served")
        self.hold(exchange, max(0, exchange.request.length or 0))
        self.in_flight += 1
        exchange.admitted = True

    def hold(self, exchange: Exchange, size: int) -> None:
        """Make room for so many more bytes of a body."""
        if self.buffered + size > self._limits.buffered_bytes:
            raise overloaded(
                f"the requests in flight hold {self.buffered} bytes; {size} more have no room now"
            )
        self.buffered += size
        exchange.held += size

    def release(self, exchange: Exchange) -> None:
        """A request was answered or is gone, and with it the bytes of its body."""
        if exchange.admitted:
            exchange.admitted = False
            self.in_flight -= 1
            self.buffered -= exchange.held
