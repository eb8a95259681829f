"""Joining what champion and challenger answered to the same request; pure.

Both answers come from different pods, in any order and at different looks, so each waits for the
other a while. Of several with the same request id the first of each side counts: a router's second
try at another replica, or a client that repeats an id, is no second observation. That is remembered
as long as an answer waits, and the number of ids is bounded, so memory is too.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from regnant.api.rollout_status import Pairs
from regnant.probes.server import Outcome

MAX_WAITING = 8192
"""How many ids are remembered; the oldest go first."""
PATIENCE = 30.0
"""How many seconds an id is remembered: what is answered later is no pair."""


@dataclass(slots=True)
class _Request:
    """A request id, and who answered it so far."""

    since: float
    champion: Outcome | None = None
    challenger: Outcome | None = None

    @property
    def is_pair(self) -> bool:
        """Whether both answered the same row of the same request."""
        one, other = self.champion, self.challenger
        if one is None or other is None:
            return False
        return (one.row, one.rows) == (other.row, other.rows)


class Pairing:
    """The answers of one period that wait for their other half."""

    def __init__(self) -> None:
        self._requests: OrderedDict[str, _Request] = OrderedDict()

    def join(
        self,
        champion: Iterable[Outcome],
        challenger: Iterable[Outcome],
        *,
        now: float,
        tolerance: float | None,
    ) -> Pairs:
        """The pairs that these answers complete."""
        self._expire(now)
        total = agreeing = 0
        for outcome in champion:
            request = self._request(outcome, now)
            if request.champion is None:
                request.champion = outcome
                total += request.is_pair
                agreeing += request.is_pair and _agree(outcome, request.challenger, tolerance)
        for outcome in challenger:
            request = self._request(outcome, now)
            if request.challenger is None:
                request.challenger = outcome
                total += request.is_pair
                agreeing += request.is_pair and _agree(outcome, request.champion, tolerance)
        while len(self._requests) > MAX_WAITING:
            self._requests.popitem(last=False)
        return Pairs(total=total, agreeing=agreeing)

    def _request(self, outcome: Outcome, now: float) -> _Request:
        found = self._requests.get(outcome.request_id)
        if found is None:
            found = self._requests[outcome.request_id] = _Request(now)
        return found

    def _expire(self, now: float) -> None:
        while self._requests and next(iter(self._requests.values())).since < now - PATIENCE:
            self._requests.popitem(last=False)


def _agree(one: Outcome, other: Outcome | None, tolerance: float | None) -> bool:
    """Whether labels are equal and, with a tolerance, scores are as close as that."""
    if other is None or one.label != other.label:
        return False
    if tolerance is None:
        return True
    if one.score is None or other.score is None:
        return one.score is other.score
    return abs(one.score - other.score) <= tolerance
