"""The same numbers from elsewhere: from savvi, from scipy's integrals, and from exact fractions."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path

import pytest
from scipy import integrate, optimize, special

from regnant.evidence import Histogram, Proportion, compare_errors, compare_latency, exceeds
from regnant.evidence.betting import log_fortune, lower_bound, upper_bound
from regnant.evidence.likelihood import Pull, Weights, furthest, log_likelihood, log_sum

REFERENCE = json.loads(Path(__file__).with_name("savvi_reference.json").read_text())


def test_what_a_bet_on_a_rate_has_won_is_what_savvi_says() -> None:
    assert len(REFERENCE["log_odds"]) > 100
    for failures, total, a, b, rate, expected in REFERENCE["log_odds"]:
        count = Proportion(failures, total)
        won = Weights(a, b).log_mixture(count) - log_likelihood(count, rate)
        assert won == pytest.approx(expected, rel=1e-7, abs=1e-6)


@pytest.mark.parametrize(("failures", "total", "low", "high"), REFERENCE["intervals"])
def test_the_interval_of_a_rate_is_what_savvi_says(
    failures: int, total: int, low: float, high: float
) -> None:
    outcome = exceeds(failures, total, limit=0.5, alpha=0.05)
    assert (outcome.low, outcome.high) == pytest.approx((low, high), abs=2e-5)


@pytest.mark.parametrize(
    ("pair", "loss", "ends"), [(row[:4], row[4], row[5:]) for row in REFERENCE["differences"]]
)
def test_the_furthest_differences_are_those_of_a_convex_solver(
    pair: list[int], loss: float, ends: list[float]
) -> None:
    champion, challenger = Proportion(*pair[:2]), Proportion(*pair[2:])
    floor = sum(log_likelihood(each, each.estimate) for each in (champion, challenger)) - loss
    below, above = furthest((Pull(challenger, -1), Pull(champion, +1)), floor)
    assert below - above == pytest.approx(ends[0], abs=2e-5)
    above, below = furthest((Pull(challenger, +1), Pull(champion, -1)), floor)
    assert above - below == pytest.approx(ends[1], abs=2e-5)


@pytest.mark.parametrize(
    ("champion", "challenger"),
    [
        (Proportion(0, 30), Proportion(4, 6)),
        (Proportion(3, 90), Proportion(1, 10)),
        (Proportion(9, 40), Proportion(2, 25)),
        (Proportion(0, 90), Proportion(0, 10)),
        (Proportion(20, 20), Proportion(0, 5)),
    ],
)
def test_the_interval_of_a_difference_is_what_integrals_and_profiles_say(
    champion: Proportion, challenger: Proportion
) -> None:
    """The mixture by numerical integration; each difference tried with the best rates for it."""
    alpha = 0.05
    pooled = Proportion(champion.failures + challenger.failures, champion.total + challenger.total)
    own = _integral(champion, 0.3, 10.0) * _integral(challenger, 0.3, 1.0)
    won = math.log((own + _integral(pooled, 0.3, 30.0)) / 2.0)

    def left_over(difference: float) -> float:
        least, most = max(0.0, -difference), min(1.0, 1.0 - difference)

        def loss(rate: float) -> float:
            rate = min(max(rate, least), most)
            moved = min(max(rate + difference, 0.0), 1.0)
            return -log_likelihood(champion, rate) - log_likelihood(challenger, moved)

        grid = [least + (most - least) * step / 400 for step in range(401)]
        near = min(grid, key=loss)
        width = (most - least) / 400
        found = optimize.minimize_scalar(
            loss,
            bounds=(max(least, near - width), min(most, near + width)),
            method="bounded",
            options={"xatol": 1e-12},
        )
        return float(won + min(found.fun, loss(near)) - math.log(1.0 / alpha))

    outcome = compare_errors(champion, challenger, margin=0.01, alpha=alpha)
    assert outcome.low is not None
    assert outcome.high is not None
    for end in (outcome.low, outcome.high):
        if abs(end) < 1.0:
            assert left_over(end) == pytest.approx(0.0, abs=1e-4)
    assert left_over((outcome.low + outcome.high) / 2) < 0.0


def _integral(count: Proportion, a: float, b: float) -> float:
    """The mean likelihood under Beta(a, b), over u = rate**a, where the weights have no pole."""

    def weighted(u: float) -> float:
        rate = u ** (1.0 / a)
        return float(math.exp(log_likelihood(count, rate)) * (1.0 - rate) ** (b - 1.0))

    peaks = sorted({min(0.999, (count.estimate * part) ** a) for part in (0.5, 1.0, 1.5)})
    value, _ = integrate.quad(weighted, 0.0, 1.0, points=peaks, limit=500, epsrel=1e-10)
    return float(value) / (a * float(special.beta(a, b)))


@pytest.mark.parametrize("mean", [Fraction(1, 2), Fraction(49, 100), Fraction(3, 5)])
def test_a_fortune_is_the_product_of_its_bets_in_exact_arithmetic(mean: Fraction) -> None:
    results = ((0.0, 7), (0.5, 30), (1.0, 11))
    stakes = {1: 1, 3: 2, 8: 6, 15: 14, 25: 24, 40: 24, 60: 20, 85: 9}
    assert sum(stakes.values()) == 100
    fortune = Fraction(0)
    for stake, part in stakes.items():
        money = Fraction(part, 100)
        for result, count in results:
            money *= (1 - Fraction(stake, 100) * (1 - Fraction(result) / mean)) ** count
        fortune += money
    assert log_fortune(results, float(mean)) == pytest.approx(math.log(fortune), abs=1e-12)


def test_bounds_of_a_mean_are_where_the_fortune_reaches_what_is_needed() -> None:
    results = ((0.0, 20), (0.5, 900), (1.0, 80))
    mirrored = ((0.0, 80), (0.5, 900), (1.0, 20))
    low, high = lower_bound(results, 0.025), upper_bound(results, 0.025)
    assert low < 0.53 < high
    assert log_fortune(results, low) == pytest.approx(math.log(40.0), abs=1e-2)
    assert log_fortune(results, low) >= math.log(40.0)
    assert log_fortune(mirrored, 1.0 - high) >= math.log(40.0)


def test_a_sum_of_logs_survives_what_floats_do_not() -> None:
    assert log_sum(-2_000.0, -2_000.0) == pytest.approx(-2_000.0 + math.log(2.0))
    assert log_sum(900.0, -math.inf) == pytest.approx(900.0)


def test_the_ratio_of_quantiles_is_where_every_bucket_is_ruled_out() -> None:
    """By the definition, with plain powers instead of logs, for each ratio on its own."""
    champion = Histogram(1.0, 2.0, (0, 3, 60, 20, 7, 0, 0))
    challenger = Histogram(1.0, 2.0, (0, 0, 5, 45, 18, 2, 0))
    quantile, alpha = 0.5, 0.05
    steps = [k for k in range(-6, 7) if _ruled_out(champion, challenger, k, quantile, alpha)]
    outcome = compare_latency(champion, challenger, quantile=quantile, max_ratio=2.0, alpha=alpha)
    assert outcome.high == 2.0 ** min(steps)


def _ruled_out(
    champion: Histogram, challenger: Histogram, steps: int, quantile: float, alpha: float
) -> bool:
    """Whether a ratio above 2**steps is ruled out wherever the champion's quantile may be."""
    edges = len(champion.counts) - 1

    def odds(histogram: Histogram, edge: int, more: int) -> float:
        if not 0 <= edge < edges:
            return 1.0
        below, total = sum(histogram.counts[: edge + 1]), sum(histogram.counts)
        if (below - quantile * total) * more <= 0:
            return 0.0
        mixture = special.beta(total - below + 0.3, below + 1.0) / special.beta(0.3, 1.0)
        return float(mixture / (quantile**below * (1 - quantile) ** (total - below)))

    for bucket in range(edges + 1):
        one = odds(champion, bucket, -1)
        beyond = min(bucket - 1 + steps, edges - 1) if bucket else -1
        other = odds(challenger, beyond, +1)
        if (one + other + one * other) / 3 < 2 / alpha:
            return False
    return True
