"""Shares of requests: against a limit, and of champion and challenger against each other.

All of them read their verdict off a confidence sequence (`likelihood`): Pass when all of it lies on
the good side of the limit, Fail when all of it lies on the bad side. The truth is missed by any
look at all with a chance of at most `alpha`; so are Pass and Fail together wrong at most that
often. Tries must be independent of each other given which side they went to; how many go where may
follow from everything seen before.
"""

from __future__ import annotations

import math
from typing import Final

from regnant.evidence.counts import Proportion
from regnant.evidence.likelihood import Pull, Weights, furthest, log_sum
from regnant.evidence.outcome import (
    ENDINGS,
    Outcome,
    Verdict,
    at_least,
    at_most,
    require_alpha,
    require_between,
    without_interval,
)

ONE_RATE: Final = "Beta-binomial confidence sequence"
TWO_RATES: Final = "confidence sequence for the difference of two rates"
_ONE: Final = Weights(0.3, 1.0)
_CHAMPION: Final = Weights(0.3, 10.0)
_CHALLENGER: Final = Weights(0.3, 1.0)
_SHARED: Final = Weights(0.3, 30.0)
"""Failures are rare as a rule, the more so where both sides fail equally often; half of the stake
is on that. Two healthy models pass in about half the time that Jeffreys' weights take."""


def exceeds(failures: int, total: int, *, limit: float, alpha: float) -> Outcome:
    """Whether a failure rate is at most `limit`.

    Method: the confidence sequence for one rate by a Beta mixture of likelihoods.
    Source: Robbins (1970); Howard, Ramdas, McAuliffe and Sekhon (2021); Lindon and Malek (2022).
    Guarantee: whatever the rate, the chance that any look ever gives the wrong one of Pass (at most
    the limit) and Fail (above it) is at most `alpha`.

    Raises:
        ValueError: limit or alpha is out of range.
    """
    require_alpha(alpha)
    require_between("limit", limit, 0.0, 1.0)
    count = Proportion(failures, total)
    unusable = _unusable({"": count}, limit, alpha, ONE_RATE)
    if unusable:
        return unusable
    low, high = rate_interval(count, alpha)
    verdict = at_most(low, high, limit)
    reading = (
        f"{count} failed: between {_percent(low)} and {_percent(high)}, at most {_percent(limit)} "
        f"allowed; {ENDINGS[verdict]}"
    )
    return Outcome(verdict, count.estimate, low, high, limit, alpha, total, ONE_RATE, reading)


def agreement(agreeing: int, total: int, *, minimum: float, alpha: float) -> Outcome:
    """Whether champion and challenger say the same on at least the share `minimum` of pairs.

    Method, source and guarantee are those of `exceeds`: the share of different labels is one rate.

    Raises:
        ValueError: minimum or alpha is out of range.
    """
    require_alpha(alpha)
    require_between("minimum", minimum, 0.0, 1.0)
    agreed = Proportion(agreeing, total)
    unusable = _unusable({"": agreed}, minimum, alpha, ONE_RATE)
    if unusable:
        return unusable
    rarest, most = rate_interval(Proportion(total - agreeing, total), alpha)
    low, high = 1.0 - most, 1.0 - rarest
    verdict = at_least(low, high, minimum)
    reading = (
        f"{agreed} pairs agree: between {_percent(low)} and {_percent(high)}, at least "
        f"{_percent(minimum)} asked; {ENDINGS[verdict]}"
    )
    return Outcome(verdict, agreed.estimate, low, high, minimum, alpha, total, ONE_RATE, reading)


def compare_errors(
    champion: Proportion, challenger: Proportion, *, margin: float, alpha: float
) -> Outcome:
    """Whether the challenger fails at most `margin` more often than the champion (not inferior).

    Method: two rates are ruled out together when a mixture of likelihoods is 1/alpha times as
    likely as they are. One half of the mixture lets each side have a rate of its own, the other
    gives both the same one. The interval holds the
    differences (challenger minus champion) of all pairs of rates that are left.
    Source: Lindon and Malek (2022), whose mixture over the rates of several streams this is, with
    equal rates as a second part. Turner, Ly and Grünwald ("Generic E-variables for exact
    sequential k-sample tests that allow for optional stopping", Journal of Statistical Planning and
    Inference 230, 2024) need the order of the tries, in blocks, where counts suffice here.
    Guarantee: for any rates and any split of the requests that does not look ahead, the chance that
    any look ever gives the wrong one of Pass (the difference is at most the margin) and Fail (it is
    more) is at most `alpha`.

    Raises:
        ValueError: margin or alpha is out of range.
    """
    require_alpha(alpha)
    require_between("margin", margin, -1.0, 1.0)
    sides = {"the champion's ": champion, "the challenger's ": challenger}
    unusable = _unusable(sides, margin, alpha, TWO_RATES)
    if unusable:
        return unusable
    low, high = difference_interval(champion, challenger, alpha)
    verdict = at_most(low, high, margin)
    reading = (
        f"the challenger failed {challenger}, the champion {champion}: a difference between "
        f"{_points(low)} and {_points(high)} points, at most {_points(margin)} allowed; "
        f"{ENDINGS[verdict]}"
    )
    difference = challenger.estimate - champion.estimate
    counted = champion.total + challenger.total
    return Outcome(verdict, difference, low, high, margin, alpha, counted, TWO_RATES, reading)


def rate_interval(count: Proportion, alpha: float) -> tuple[float, float]:
    """The confidence sequence for one rate, of at least one try."""
    floor = _ONE.log_mixture(count) + math.log(alpha)
    (low,) = furthest((Pull(count, -1),), floor)
    (high,) = furthest((Pull(count, +1),), floor)
    return low, high


def difference_interval(
    champion: Proportion, challenger: Proportion, alpha: float
) -> tuple[float, float]:
    """The confidence sequence for the challenger's rate minus the champion's, both tried."""
    pooled = Proportion(champion.failures + challenger.failures, champion.total + challenger.total)
    own_rates = _CHAMPION.log_mixture(champion) + _CHALLENGER.log_mixture(challenger)
    mixture = log_sum(own_rates, _SHARED.log_mixture(pooled)) - math.log(2.0)
    floor = mixture + math.log(alpha)
    below, above = furthest((Pull(challenger, -1), Pull(champion, +1)), floor)
    low = below - above
    above, below = furthest((Pull(challenger, +1), Pull(champion, -1)), floor)
    return low, above - below


def _unusable(
    sides: dict[str, Proportion], limit: float, alpha: float, method: str
) -> Outcome | None:
    """The outcome of counts that cannot be true or are not there yet; None for others."""
    for name, count in sides.items():
        if count.flaw:
            return _error(f"{name}{count.flaw}", limit, alpha, method)
    if not all(count.total for count in sides.values()):
        counted = ", ".join(f"{name}{count}" for name, count in sides.items())
        return _nothing(f"too little was counted yet: {counted}", limit, alpha, method)
    return None


def _error(flaw: str, limit: float, alpha: float, method: str) -> Outcome:
    reading = f"impossible counts: {flaw}"
    return without_interval(Verdict.ERROR, limit, alpha, method, reading)


def _nothing(reading: str, limit: float, alpha: float, method: str) -> Outcome:
    return without_interval(Verdict.INCONCLUSIVE, limit, alpha, method, reading)


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _points(difference: float) -> str:
    return f"{100 * difference:+.3g}"
