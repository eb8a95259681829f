"""What became of each request of a load, and what can be read from all of them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from e2e.traffic import Outcome


@dataclass(frozen=True)
class Request:
    """One entry of a load's journal."""

    sent: float
    answered: float
    took: float
    """Seconds from when it was due."""
    outcome: str
    version: str
    tries: int
    """0 unless it was given to the challenger; more than 1 if that one failed at it."""
    route: str
    """The revision that it was routed by."""

    @property
    def failed(self) -> bool:
        """Whether the user got no answer."""
        return self.outcome != "200"


def journal(*outcomes: Outcome) -> list[Request]:
    """All requests of some loads, in the order in which they were sent."""
    entries = [Request(*entry) for outcome in outcomes for entry in outcome.journal]
    return sorted(entries, key=lambda request: request.sent)


def quantile(values: Iterable[float], part: float) -> float:
    """The value that so large a part of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(part * len(ordered)) - 1)]
