"""The guarantee itself, not by simulation but exactly: all ways that the counts can go, added up.

A bet must be fair, and the chance that any look at all misses the truth must stay below alpha. Both
are computed over all paths of the counts, so they hold or do not; no luck is in it. What has too
many paths is drawn, with a fixed seed.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Callable
from itertools import product

import pytest

from regnant.evidence import (
    Histogram,
    Outcome,
    Proportion,
    Verdict,
    compare_errors,
    compare_latency,
    exceeds,
    paired_correctness,
)
from regnant.evidence.betting import log_fortune
from regnant.evidence.likelihood import Weights, log_likelihood

Counts = tuple[int, ...]


def chance_of_ever(
    steps: int,
    go: Callable[[int, Counts], list[tuple[float, Counts]]],
    stops: Callable[[Counts], bool],
    start: Counts,
) -> float:
    """The chance that the counts, looked at after every step, ever are such that `stops` holds."""
    alive = {start: 1.0}
    ever = 0.0
    for step in range(steps):
        after: dict[Counts, float] = defaultdict(float)
        for counts, chance in alive.items():
            for share, reached in go(step, counts):
                after[reached] += chance * share
        alive = {}
        for counts, chance in after.items():
            if stops(counts):
                ever += chance
            else:
                alive[counts] = chance
    return ever


def misses(outcome: Outcome, truth: float) -> bool:
    assert outcome.low is not None
    assert outcome.high is not None
    return not outcome.low <= truth <= outcome.high


@pytest.mark.parametrize("weights", [Weights(0.5, 0.5), Weights(0.3, 1.0), Weights(0.3, 30.0)])
@pytest.mark.parametrize("rate", [0.01, 0.3, 0.95])
def test_a_bet_against_the_true_rate_is_fair(weights: Weights, rate: float) -> None:
    total = 12
    expected = 0.0
    for failures in range(total + 1):
        count = Proportion(failures, total)
        paths = math.comb(total, failures)
        # The chance of the counts times what was won; the likelihood cancels.
        chance = paths * math.exp(log_likelihood(count, rate))
        expected += chance * math.exp(weights.log_mixture(count) - log_likelihood(count, rate))
    assert expected == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("shares", [(0.1, 0.8, 0.1), (0.3, 0.1, 0.6), (0.25, 0.65, 0.1)])
def test_a_bet_against_a_mean_gains_nothing_where_the_mean_is_no_larger(
    shares: tuple[float, float, float],
) -> None:
    total = 8
    mean = 0.5 * shares[1] + shares[2]

    def expected(doubted: float) -> float:
        sums = 0.0
        for zeros, halves in product(range(total + 1), repeat=2):
            ones = total - zeros - halves
            if ones >= 0:
                paths = math.comb(total, zeros) * math.comb(total - zeros, halves)
                chance = paths * shares[0] ** zeros * shares[1] ** halves * shares[2] ** ones
                results = ((0.0, zeros), (0.5, halves), (1.0, ones))
                sums += chance * math.exp(log_fortune(results, doubted))
        return sums

    assert expected(mean) == pytest.approx(1.0, abs=1e-12)
    assert expected(mean + 0.05) < 1.0
    assert expected(mean - 0.05) > 1.0


@pytest.mark.parametrize("rate", [0.02, 0.3])
def test_no_look_of_all_misses_a_rate_more_often_than_alpha(rate: float) -> None:
    alpha = 0.2

    def go(_: int, counts: Counts) -> list[tuple[float, Counts]]:
        failures, total = counts
        return [(rate, (failures + 1, total + 1)), (1.0 - rate, (failures, total + 1))]

    ever = chance_of_ever(
        60, go, lambda counts: misses(exceeds(*counts, limit=rate, alpha=alpha), rate), (0, 0)
    )
    assert 0.0 < ever <= alpha


@pytest.mark.parametrize(("champion", "challenger"), [(0.1, 0.1), (0.05, 0.4), (0.5, 0.2)])
def test_no_look_of_all_misses_a_difference_more_often_than_alpha(
    champion: float, challenger: float
) -> None:
    """Two of three requests go to the champion."""
    alpha = 0.3

    def go(step: int, counts: Counts) -> list[tuple[float, Counts]]:
        one, ones, other, others = counts
        if step % 3:
            failed, passed = (one + 1, ones + 1, other, others), (one, ones + 1, other, others)
            return [(champion, failed), (1.0 - champion, passed)]
        failed, passed = (one, ones, other + 1, others + 1), (one, ones, other, others + 1)
        return [(challenger, failed), (1.0 - challenger, passed)]

    def stops(counts: Counts) -> bool:
        one, ones, other, others = counts
        if not (ones and others):
            return False
        outcome = compare_errors(
            Proportion(one, ones), Proportion(other, others), margin=0.0, alpha=alpha
        )
        return misses(outcome, challenger - champion)

    assert chance_of_ever(24, go, stops, (0, 0, 0, 0)) <= alpha


@pytest.mark.parametrize(("lost", "gained"), [(0.1, 0.1), (0.02, 0.3), (0.3, 0.2)])
def test_no_look_of_all_misses_a_paired_difference_more_often_than_alpha(
    lost: float, gained: float
) -> None:
    alpha = 0.3

    def go(_: int, counts: Counts) -> list[tuple[float, Counts]]:
        one, other, total = counts
        return [
            (lost, (one + 1, other, total + 1)),
            (gained, (one, other + 1, total + 1)),
            (1.0 - lost - gained, (one, other, total + 1)),
        ]

    def stops(counts: Counts) -> bool:
        outcome = paired_correctness(*counts, margin=0.0, alpha=alpha)
        return misses(outcome, gained - lost)

    assert chance_of_ever(13, go, stops, (0, 0, 0)) <= alpha


def drawn_streams(number: int, requests: int) -> list[tuple[random.Random, int]]:
    return [(random.Random(seed), requests) for seed in range(number)]


def test_equal_models_are_not_told_apart_though_the_split_follows_what_was_seen() -> None:
    """The challenger gets more whenever it looks better; and the naive test is fooled."""
    alpha, rate, streams = 0.05, 0.05, 120
    told_apart = fooled = 0
    for generator, requests in drawn_streams(streams, 1_000):
        counts = [[0, 0], [0, 0]]
        apart = naive = False
        for request in range(1, requests + 1):
            shares = [(failures + 1) / (total + 2) for failures, total in counts]
            side = generator.random() < (0.4 if shares[1] < shares[0] else 0.1)
            counts[side][0] += generator.random() < rate
            counts[side][1] += 1
            if request % 50 == 0 and all(total for _, total in counts):
                champion, challenger = Proportion(*counts[0]), Proportion(*counts[1])
                outcome = compare_errors(champion, challenger, margin=0.0, alpha=alpha)
                apart = apart or outcome.verdict is not Verdict.INCONCLUSIVE
                naive = naive or z_score(champion, challenger) > 1.96
        told_apart += apart
        fooled += naive
    assert told_apart <= alpha * streams
    assert fooled > 2 * alpha * streams


def z_score(champion: Proportion, challenger: Proportion) -> float:
    total = champion.total + challenger.total
    pooled = (champion.failures + challenger.failures) / total
    variance = pooled * (1 - pooled) * (1 / champion.total + 1 / challenger.total)
    difference = abs(champion.estimate - challenger.estimate)
    return difference / math.sqrt(variance) if variance else 0.0


@pytest.mark.parametrize("slower", [1.0, 1.5])
def test_no_look_of_all_misses_a_ratio_of_quantiles_more_often_than_alpha(slower: float) -> None:
    alpha, streams, missed = 0.2, 60, 0
    for generator, requests in drawn_streams(streams, 600):
        counts = ([0] * 14, [0] * 14)
        empty = Histogram(1.0, 1.4, tuple(counts[0]))
        wrong = False
        for request in range(1, requests + 1):
            side = generator.random() < 0.3
            value = generator.lognormvariate(2.0, 0.4) * (slower if side else 1.0)
            counts[side][empty.bucket(value)] += 1
            if request % 30 == 0:
                outcome = compare_latency(
                    Histogram(1.0, 1.4, tuple(counts[0])),
                    Histogram(1.0, 1.4, tuple(counts[1])),
                    quantile=0.8,
                    max_ratio=1.0,
                    alpha=alpha,
                )
                wrong = wrong or misses(outcome, slower)
        missed += wrong
    assert missed <= alpha * streams
