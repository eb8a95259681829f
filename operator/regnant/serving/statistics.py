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

_BOUNDS: Final = tuple(
    int(1000 * FIRST_MICROSECONDS * GROWTH**bucket) for bucket in range(BUCKETS - 1)
)
"""The longest time of each bucket but the last, in whole nanoseconds, which compare faster."""
# An enumeration's member costs more to look up than the whole of what is counted.
_CLIENT_ERRORS: Final = HTTPStatus.BAD_REQUEST.value
_SERVER_ERRORS: Final = HTTPStatus.INTERNAL_SERVER_ERROR.value


class Traffic:
    """The counts of one kind of traffic."""

    __slots__ = ("client_errors", "latency", "non_finite", "ok", "server_errors")

    def __init__(self) -> None:
        self.ok = 0
        self.client_errors = 0
        self.server_errors = 0
        self.non_finite = 0
        """Answers with NaN or an infinity in an output."""
        self.latency = [0] * BUCKETS
        """Of the answers that are ok, how many took how long."""

    def count(self, status: int, nanoseconds: int) -> None:
        """Count an answer."""
        if status < _CLIENT_ERRORS:
            self.ok += 1
            self.latency[bisect_left(_BOUNDS, nanoseconds)] += 1
        elif status < _SERVER_ERRORS:
            self.client_errors += 1
        else:
            self.server_errors += 1

    def to_document(self) -> dict[str, object]:
        """Spell the counts."""
        return {
            "requests": {
                "ok": self.ok,
                "client_error": self.client_errors,
                "server_error": self.server_errors,
            },
            "nonFinite": self.non_finite,
            "latency": {
                "unit": "us",
                "growth": GROWTH,
                "first": FIRST_MICROSECONDS,
                "counts": self.latency,
            },
        }


class Statistics:
    """The traffic of users, and that which is only mirrored here."""

    def __init__(self) -> None:
        self.users = Traffic()
        self.shadow = Traffic()

    def answered(self, request: Request, status: int) -> None:
        """Count the answer to an inference, whichever part of the server gave it."""
        if not request.verifies:
            elapsed = time.perf_counter_ns() - request.completed
            self._traffic(request).count(status, elapsed)

    def non_finite(self, request: Request) -> None:
        """Count an answer that JSON could spell only with null."""
        if not request.verifies:
            self._traffic(request).non_finite += 1

    def _traffic(self, request: Request) -> Traffic:
        return self.shadow if request.is_shadow else self.users
