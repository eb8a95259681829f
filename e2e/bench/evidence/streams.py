"""Drawn requests, as cumulative counts at the times when somebody looks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regnant.evidence import Histogram, Proportion

WEIGHT = 0.1
"""The challenger's share of the requests."""
EVERY = 100
"""Requests between two looks: one second at a hundred requests a second."""
FIRST_BUCKET, GROWTH, BUCKETS = 50.0, 1.25, 64
"""The histogram that model servers keep, in microseconds."""

Rate = float | NDArray[np.float64]
"""A failure rate, or one for each second."""


@dataclass(frozen=True)
class Look:
    """What was counted when somebody looked."""

    requests: int
    champion: Proportion
    challenger: Proportion


def failures(
    random: np.random.Generator, rates: tuple[Rate, Rate], requests: int
) -> Iterator[Look]:
    """Champion and challenger at these failure rates, looked at every second."""
    sizes = np.full(requests // EVERY, EVERY)
    tries = random.binomial(sizes, WEIGHT)
    counted = zip(
        np.cumsum(random.binomial(sizes - tries, rates[0])).tolist(),
        np.cumsum(sizes - tries).tolist(),
        np.cumsum(random.binomial(tries, rates[1])).tolist(),
        np.cumsum(tries).tolist(),
        strict=True,
    )
    for second, (one, ones, other, others) in enumerate(counted, 1):
        yield Look(second * EVERY, Proportion(one, ones), Proportion(other, others))


def latencies(
    random: np.random.Generator, slower: float, requests: int, every: int = EVERY
) -> Iterator[tuple[int, Histogram, Histogram]]:
    """Log-normal times around 2 ms; the challenger takes `slower` times as long."""
    sides = random.random(requests) < WEIGHT
    times = 2_000.0 * random.lognormal(0.0, 0.5, requests) * np.where(sides, slower, 1.0)
    edges = FIRST_BUCKET * GROWTH ** np.arange(BUCKETS - 1)
    buckets = np.searchsorted(edges, times)
    counts = np.zeros((2, BUCKETS), dtype=np.int64)
    for start in range(0, requests, every):
        chosen = slice(start, start + every)
        np.add.at(counts, (sides[chosen].astype(int), buckets[chosen]), 1)
        champion, challenger = (
            Histogram(FIRST_BUCKET, GROWTH, tuple(row.tolist())) for row in counts
        )
        yield start + every, champion, challenger
