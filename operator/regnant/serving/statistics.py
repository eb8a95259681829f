"""How many inferences were answered, how, and in what time, since the process began.

Everything is a cumulative count, so whoever looks from time to time sees all that happened between
two looks, and a look that is missed costs nothing. What the router mirrors to this version is
counted apart from what users asked; what the operator asked to verify the version is not counted.
A time is that from a complete request to its answer, whether or not the client was still there:
the slowest answers are those that nobody waited for.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from regnant.api.latency import BUCKETS, FIRST_MICROSECONDS, GROWTH

if TYPE_CHECKING:
    from regnant.serving.messages import Request

LATENCY_BOUNDS: Final = tuple(
    int(1000 * FIRST_MICROSECONDS * GROWTH**bucket) for bucket in range(BUCKETS - 1)
)
"""The longest time of each bucket but the last, in whole nanoseconds, which compare faster."""
BATCH_BOUNDS: Final = tuple(2**power for power in range(11))
"""The most of each bucket of batches but the last."""
# An enumeration's member costs more to look up than the whole of what is counted.
_CLIENT_ERRORS: Final = HTTPStatus.BAD_REQUEST.value
_SERVER_ERRORS: Final = HTTPStatus.INTERNAL_SERVER_ERROR.value
_NO_STATUS: Final = 600


class Traffic:
    """The counts of one kind of traffic."""

    __slots__ = ("by_status", "latency", "nanoseconds", "non_finite", "rows")

    def __init__(self) -> None:
        self.by_status: dict[int, int] = {}
        self.rows = 0
        """How many were computed."""
        self.non_finite = 0
        """Answers with NaN or an infinity in an output."""
        self.latency = [0] * BUCKETS
        """Of the answers that are ok, how many took how long."""
        self.nanoseconds = 0
        """How long those took together."""

    def count(self, status: int, nanoseconds: int) -> None:
        """Count an answer."""
        self.by_status[status] = self.by_status.get(status, 0) + 1
        if status < _CLIENT_ERRORS:
            self.latency[bisect_left(LATENCY_BOUNDS, nanoseconds)] += 1
            self.nanoseconds += nanoseconds

    def to_document(self) -> dict[str, object]:
        """Spell the counts."""
        return {
            "requests": {
                "ok": self._between(0, _CLIENT_ERRORS),
                "client_error": self._between(_CLIENT_ERRORS, _SERVER_ERRORS),
                "server_error": self._between(_SERVER_ERRORS, _NO_STATUS),
            },
            "nonFinite": self.non_finite,
            "latency": {
                "unit": "us",
                "growth": GROWTH,
                "first": FIRST_MICROSECONDS,
                "counts": self.latency,
            },
        }

    def _between(self, low: int, high: int) -> int:
        return sum(count for status, count in self.by_status.items() if low <= status < high)


class Sizes:
    """How many batches had how many of something."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BATCH_BOUNDS) + 1)
        self.total = 0

    def count(self, size: int) -> None:
        """Count a batch."""
        self.counts[bisect_left(BATCH_BOUNDS, size)] += 1
        self.total += size


class Statistics:
    """The traffic of users, that which is only mirrored here, and the batches of both."""

    def __init__(self) -> None:
        self.users = Traffic()
        self.shadow = Traffic()
        self.batch_rows = Sizes()
        self.batch_requests = Sizes()

    def answered(self, request: Request, status: int) -> None:
        """Count the answer to an inference, whichever part of the server gave it."""
        if not request.verifies:
            elapsed = time.perf_counter_ns() - request.completed
            self._traffic(request).count(status, elapsed)

    def computed(self, request: Request, rows: int) -> None:
        """Count what was computed for a request."""
        if not request.verifies:
            self._traffic(request).rows += rows

    def batch(self, requests: int, rows: int) -> None:
        """Count what is computed together."""
        self.batch_requests.count(requests)
        self.batch_rows.count(rows)

    def non_finite(self, request: Request) -> None:
        """Count an answer that JSON could spell only with null."""
        if not request.verifies:
            self._traffic(request).non_finite += 1

    def _traffic(self, request: Request) -> Traffic:
        return self.shadow if request.is_shadow else self.users
