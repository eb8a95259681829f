"""How much the server holds at once, over all connections.

Every inference that has been let in counts, from its head until its answer, and so does every byte
of its body. What is over the limit is refused at once with 503 and Retry-After: a queue without
an end would answer everyone late.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from regnant.serving.messages import overloaded

if TYPE_CHECKING:
    from regnant.serving.settings import Limits


class Admission:
    """The counts; each `enter` and `hold` is followed by one `leave`."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.in_flight = 0
        self.buffered = 0

    def enter(self) -> None:
        """Let one more request in."""
        if self.in_flight >= self._limits.in_flight:
            raise overloaded(f"{self.in_flight} requests are in flight, the most that are served")
        self.in_flight += 1

    def hold(self, size: int) -> None:
        """Make room for so many bytes of a body."""
        if self.buffered + size > self._limits.buffered_bytes:
            raise overloaded(
                f"the requests in flight hold {self.buffered} bytes; {size} more have no room now"
            )
        self.buffered += size

    def leave(self, held: int) -> None:
        """One request was answered or is gone, and with it the bytes of its body."""
        self.in_flight -= 1
        self.buffered -= held
