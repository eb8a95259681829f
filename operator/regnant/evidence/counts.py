"""What every test is given: cumulative counts, taken as they come.

Counts are read from other programs, so they may be impossible. That is no reason to raise: a test
answers Error and says what is wrong (`flaw`).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate


@dataclass(frozen=True, slots=True)
class Proportion:
    """How many of `total` tries failed."""

    failures: int
    total: int

    @property
    def flaw(self) -> str | None:
        """Why these counts cannot be true, or None."""
        if self.failures < 0 or self.total < 0:
            return f"{self.failures} of {self.total} is a negative count"
        if self.failures > self.total:
            return f"{self.failures} of {self.total} is more than all"
        return None

    @property
    def estimate(self) -> float:
        """The share at face value; 0 where nothing was counted."""
        return self.failures / self.total if self.total else 0.0

    def __str__(self) -> str:
        if not self.total:
            return "0 of 0"
        return f"{self.failures:,} of {self.total:,} ({100 * self.estimate:.3g} %)"


_FEWEST = 2


@dataclass(frozen=True, slots=True)
class Histogram:
    """Values by size.

    Bucket 0 holds all up to `first`, bucket i those above first * growth**(i-1) and up to
    first * growth**i, the last one everything above.
    """

    first: float
    growth: float
    counts: tuple[int, ...]

    @property
    def flaw(self) -> str | None:
        """Why this cannot be a histogram, or None."""
        if not (math.isfinite(self.first) and self.first > 0):
            return f"the first bucket ends at {self.first}"
        if not (math.isfinite(self.growth) and self.growth > 1):
            return f"buckets that grow by {self.growth} do not grow"
        if len(self.counts) < _FEWEST:
            return f"it has {len(self.counts)} buckets; it takes {_FEWEST}"
        if min(self.counts) < 0:
            return f"a bucket holds {min(self.counts)}, a negative count"
        return None

    @property
    def total(self) -> int:
        """How many values there are."""
        return sum(self.counts)

    def edge(self, index: int) -> float:
        """The upper end of a bucket; 0 below the first, infinity for the last."""
        if index < 0:
            return 0.0
        return self.first * self.growth**index if index < len(self.counts) - 1 else math.inf

    def bucket(self, value: float) -> int:
        """The bucket that holds a value."""
        return bisect_left(range(len(self.counts) - 1), value, key=self.edge)

    def quantile_bucket(self, quantile: float) -> int:
        """The bucket in which the quantile lies at face value."""
        return bisect_left(list(accumulate(self.counts)), quantile * self.total)
