"""Whether the challenger is slower, from the histograms of both.

A histogram tells no quantile, only the bucket that it is in. So nothing is assumed of how values
lie within a bucket: Pass takes the quantile of the champion at the lower end of its bucket and that
of the challenger at the upper end of its own, Fail the other way round. Between equal models a
limit of two growths of the buckets can be shown, and a smaller one often not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from regnant.evidence.counts import Histogram, Proportion
from regnant.evidence.likelihood import Weights, log_likelihood, log_sum
from regnant.evidence.outcome import (
    ENDINGS,
    Outcome,
    Verdict,
    at_most,
    require_alpha,
    require_between,
    without_interval,
)

METHOD: Final = "confidence sequence for the ratio of two quantiles, from histograms"
_ABOVE = Weights(0.3, 1.0)
"""For the share of values above an edge: it is small at the quantiles that matter."""
_LOG_PARTS = math.log(3.0)
"""The stake is divided into three: a bet on each side alone, and one on both in a row."""
_SLACK = 1.0 + 1e-9
"""Ratios are computed: one that is meant to be the limit may differ in the last digits."""


@dataclass(frozen=True, slots=True)
class _Side:
    """What one histogram says of its quantile, as bets at each finite edge of a bucket.

    A bet that has lost money so far counts as lost. So what was won never falls towards the edges
    that are further off, and to rule out a ratio is to rule out all beyond it.
    """

    too_few: tuple[float, ...]
    """Log of what was won against: at least the quantile's share lies at or below this edge."""
    too_many: tuple[float, ...]
    """Log of what was won against: less than the quantile's share lies at or below this edge."""

    @classmethod
    def of(cls, histogram: Histogram, quantile: float) -> _Side:
        total = histogram.total
        few, many = [], []
        seen, won = -1, 0.0
        for below in accumulate(histogram.counts[:-1]):
            if below != seen:
                above = Proportion(total - below, total)
                won = _ABOVE.log_mixture(above) - log_likelihood(above, 1.0 - quantile)
                seen = below
            few.append(won if won > 0.0 and below < quantile * total else -math.inf)
            many.append(won if won > 0.0 and below > quantile * total else -math.inf)
        return cls(tuple(few), tuple(many))


def compare_latency(
    champion: Histogram,
    challenger: Histogram,
    *,
    quantile: float,
    max_ratio: float,
    alpha: float,
) -> Outcome:
    """Whether the challenger's quantile is at most `max_ratio` times the champion's.

    Method: wherever the champion's quantile may be, a ratio puts the challenger's beyond some edge.
    A ratio is ruled out when for every bucket the bets against "the champion's is here" and "the
    challenger's is there" have won 2/alpha together: the mean of each alone and of their product.
    How many values lie above an edge is a rate, and each bet a Beta mixture of
    likelihoods against the quantile's share. As only one bucket is the true one, nothing is paid
    for trying all of them.
    Source: Howard and Ramdas, "Sequential estimation of quantiles with applications to A/B testing
    and best-arm identification", Bernoulli 28 (2022), for one quantile at fixed level; averages and
    products of e-values as in Vovk and Wang, "E-values: calibration, combination and applications",
    Annals of Statistics 49 (2021).
    Guarantee: for any distributions and any split of the requests that does not look ahead, the
    chance that any look ever gives a wrong Pass is at most `alpha` / 2, and so is that of a wrong
    Fail. That values are rounded to buckets widens the interval and costs no validity.

    Raises:
        ValueError: quantile, max_ratio or alpha is out of range.
    """
    require_alpha(alpha)
    require_between("quantile", quantile, 0.001, 0.9999)
    require_between("max_ratio", max_ratio, 1e-6, 1e6)
    flaw = _flaw(champion, challenger)
    if flaw:
        reading = f"impossible counts: {flaw}"
        return without_interval(Verdict.ERROR, max_ratio, alpha, METHOD, reading)
    totals = f"{challenger.total:,} of the challenger, {champion.total:,} of the champion"
    if not (champion.total and challenger.total):
        reading = f"too little was timed yet: {totals}"
        return without_interval(Verdict.INCONCLUSIVE, max_ratio, alpha, METHOD, reading)
    low, high = _ratio_interval(champion, challenger, quantile, alpha)
    verdict = at_most(low * _SLACK, high / _SLACK, max_ratio)
    apart = challenger.quantile_bucket(quantile) - champion.quantile_bucket(quantile)
    reading = (
        f"p{100 * quantile:g} of {totals}: between {low:.3g} and {high:.3g} times as long, at most "
        f"{max_ratio:g} allowed; {ENDINGS[verdict]}"
    )
    return Outcome(
        verdict,
        champion.growth**apart,
        low,
        high,
        max_ratio,
        alpha,
        champion.total + challenger.total,
        METHOD,
        reading,
    )


def _flaw(champion: Histogram, challenger: Histogram) -> str | None:
    for name, histogram in (("champion", champion), ("challenger", challenger)):
        if histogram.flaw:
            return f"the {name}'s histogram: {histogram.flaw}"
    shapes = {(one.first, one.growth, len(one.counts)) for one in (champion, challenger)}
    return "the two histograms have different buckets" if len(shapes) > 1 else None


def _ratio_interval(
    champion: Histogram, challenger: Histogram, quantile: float, alpha: float
) -> tuple[float, float]:
    """The ratios that are not ruled out; each end is a power of the growth, 0 or infinity."""
    one, other = _Side.of(champion, quantile), _Side.of(challenger, quantile)
    enough = math.log(2.0 / alpha) + _LOG_PARTS
    last = len(champion.counts) - 1

    def not_above(steps: int) -> bool:
        """Whether it is shown that the ratio is at most growth**steps."""
        return all(
            _won(
                one.too_few, at, other.too_many, min(at - 1 + steps, last - 1) if at else -1, enough
            )
            for at in range(last + 1)
        )

    def above(steps: int) -> bool:
        """Whether it is shown that the ratio is more than growth**steps."""
        return all(
            _won(
                one.too_many, at - 1, other.too_few, max(at + steps, 0) if at < last else -1, enough
            )
            for at in range(last + 1)
        )

    high = _first(not_above, -last, last)
    low = _first(lambda steps: not above(steps), -last, last)
    growth = champion.growth
    return (
        growth ** (low - 1) if low > -last else 0.0,
        growth**high if high <= last else math.inf,
    )


def _won(one: Sequence[float], at: int, other: Sequence[float], beyond: int, enough: float) -> bool:
    """Whether the bets at two edges, each alone and both in a row, have won enough in sum.

    Where there is no such edge there is no bet, and the money stays what it is.
    """
    first = one[at] if 0 <= at < len(one) else 0.0
    second = other[beyond] if 0 <= beyond < len(other) else 0.0
    best = max(first, second, first + second)
    if best >= enough or best < enough - _LOG_PARTS:
        return best >= enough
    return log_sum(first, second, first + second) >= enough


def _first(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The first number in the range from which on something holds; one past it if there is none."""
    while low <= high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle - 1
        else:
            low = middle + 1
    return low
