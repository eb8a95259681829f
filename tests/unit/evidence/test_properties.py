"""What must hold of all counts: failures never help, and both sides are judged alike."""

from __future__ import annotations

import math

from hypothesis import example, given, settings
from hypothesis import strategies as st

from regnant.evidence import (
    Histogram,
    Outcome,
    Proportion,
    Verdict,
    agreement,
    compare_errors,
    compare_latency,
    exceeds,
    paired_correctness,
)
from regnant.evidence.roots import bracket_root

NEARLY = 1e-6
quickly = settings(max_examples=40, deadline=None)
alphas = st.sampled_from([1e-6, 0.01, 0.05, 0.5])
margins = st.sampled_from([-0.05, 0.0, 0.001, 0.01, 0.2])


@st.composite
def proportions(draw: st.DrawFn, most: int = 10**9) -> Proportion:
    total = draw(st.integers(1, most) | st.integers(1, 50))
    return Proportion(draw(st.integers(0, total) | st.sampled_from([0, total])), total)


@st.composite
def histograms(draw: st.DrawFn) -> Histogram:
    counts = draw(st.lists(st.integers(0, 2_000) | st.just(0), min_size=8, max_size=8))
    return Histogram(1.0, 1.5, tuple(counts))


def ends(outcome: Outcome) -> tuple[float, float]:
    assert outcome.low is not None
    assert outcome.high is not None
    return outcome.low, outcome.high


@quickly
@given(proportions(), alphas)
def test_an_interval_of_a_rate_holds_what_was_counted(count: Proportion, alpha: float) -> None:
    low, high = ends(exceeds(count.failures, count.total, limit=0.5, alpha=alpha))
    assert 0.0 <= low <= count.estimate <= high <= 1.0


@quickly
@given(proportions(), proportions(), alphas)
@example(Proportion(10**9, 10**9), Proportion(0, 1), 0.05)
@example(Proportion(1, 10**9), Proportion(10**9 - 1, 10**9), 1e-6)
def test_an_interval_of_a_difference_holds_what_was_counted(
    champion: Proportion, challenger: Proportion, alpha: float
) -> None:
    low, high = ends(compare_errors(champion, challenger, margin=0.0, alpha=alpha))
    assert -1.0 <= low <= challenger.estimate - champion.estimate <= high <= 1.0


@quickly
@given(proportions(10_000), proportions(10_000), alphas, margins)
@example(Proportion(0, 90), Proportion(3, 3), 0.01, 0.01)
@example(Proportion(5, 900), Proportion(9, 100), 0.05, 0.01)
def test_more_failures_of_the_challenger_never_undo_a_fail_nor_make_a_pass(
    champion: Proportion, challenger: Proportion, alpha: float, margin: float
) -> None:
    worse = Proportion(min(challenger.failures + 1, challenger.total), challenger.total)
    before = compare_errors(champion, challenger, margin=margin, alpha=alpha).verdict
    after = compare_errors(champion, worse, margin=margin, alpha=alpha).verdict
    assert before is not Verdict.FAIL or after is Verdict.FAIL
    assert after is not Verdict.PASS or before is Verdict.PASS


@quickly
@given(proportions(10_000), alphas, st.floats(0.0, 1.0))
def test_agreement_is_the_mirror_of_disagreement(
    count: Proportion, alpha: float, minimum: float
) -> None:
    agreed = agreement(count.total - count.failures, count.total, minimum=minimum, alpha=alpha)
    differed = exceeds(count.failures, count.total, limit=1.0 - minimum, alpha=alpha)
    low, high = ends(differed)
    assert ends(agreed) == (1.0 - high, 1.0 - low)


@quickly
@given(st.integers(0, 5_000), st.integers(0, 5_000), st.integers(0, 50_000), alphas, margins)
def test_pairs_are_judged_alike_from_both_sides(
    one: int, other: int, same: int, alpha: float, margin: float
) -> None:
    total = one + other + same
    mirror = {Verdict.PASS: Verdict.FAIL, Verdict.FAIL: Verdict.PASS}
    outcome = paired_correctness(one, other, total, margin=margin, alpha=alpha)
    swapped = paired_correctness(other, one, total, margin=-margin, alpha=alpha)
    if total:
        low, high = ends(outcome)
        assert ends(swapped) == (-high, -low) or math.dist(ends(swapped), (-high, -low)) < NEARLY
        assert -1.0 <= low <= (other - one) / total <= high <= 1.0
        if min(abs(low - margin), abs(high - margin)) > NEARLY:
            assert swapped.verdict is mirror.get(outcome.verdict, outcome.verdict)


@quickly
@given(st.integers(0, 500), st.integers(0, 500), st.integers(0, 5_000), alphas)
def test_a_pair_that_only_the_challenger_got_right_never_speaks_against_it(
    one: int, other: int, same: int, alpha: float
) -> None:
    before = paired_correctness(one, other, one + other + same + 1, margin=0.0, alpha=alpha)
    after = paired_correctness(one, other + 1, one + other + same + 1, margin=0.0, alpha=alpha)
    assert ends(after)[0] >= ends(before)[0] - NEARLY
    assert ends(after)[1] >= ends(before)[1] - NEARLY


@quickly
@given(histograms(), histograms(), st.sampled_from([0.5, 0.9, 0.99]), alphas)
def test_a_ratio_and_its_inverse_are_judged_alike(
    champion: Histogram, challenger: Histogram, quantile: float, alpha: float
) -> None:
    """But for the bucket that the values are in: it is taken at its worse end both times."""
    if not (champion.total and challenger.total):
        return
    outcome = compare_latency(champion, challenger, quantile=quantile, max_ratio=1.0, alpha=alpha)
    low, high = ends(outcome)
    assert 0.0 <= low <= high
    assert outcome.estimate is not None
    assert low <= outcome.estimate * 1.5
    assert high >= outcome.estimate / 1.5


@quickly
@given(histograms(), histograms(), alphas)
def test_slower_answers_of_the_challenger_never_make_it_look_faster(
    champion: Histogram, challenger: Histogram, alpha: float
) -> None:
    if not (champion.total and challenger.total):
        return
    *counts, before_last, last = challenger.counts
    slower = Histogram(1.0, 1.5, (0, *counts, before_last + last))
    before = ends(compare_latency(champion, challenger, quantile=0.9, max_ratio=1.0, alpha=alpha))
    after = ends(compare_latency(champion, slower, quantile=0.9, max_ratio=1.0, alpha=alpha))
    assert after[0] >= before[0]
    assert after[1] >= before[1]


@quickly
@given(proportions(100_000), proportions(100_000), margins)
def test_a_stricter_alpha_never_decides_more(
    champion: Proportion, challenger: Proportion, margin: float
) -> None:
    loose = ends(compare_errors(champion, challenger, margin=margin, alpha=0.1))
    strict = ends(compare_errors(champion, challenger, margin=margin, alpha=0.01))
    assert strict[0] <= loose[0]
    assert strict[1] >= loose[1]


@quickly
@given(st.floats(0.0, 40.0))
def test_a_value_is_put_into_the_bucket_that_holds_it(value: float) -> None:
    histogram = Histogram(1.0, 1.5, (0,) * 8)
    bucket = histogram.bucket(value)
    assert histogram.edge(bucket - 1) < value or bucket == 0
    assert value <= histogram.edge(bucket)


def test_the_first_bucket_begins_at_nothing_and_the_last_never_ends() -> None:
    histogram = Histogram(1.0, 1.5, (0,) * 8)
    assert (histogram.edge(-1), histogram.edge(0), histogram.edge(7)) == (0.0, 1.0, math.inf)


@quickly
@given(st.floats(0.01, 0.99), st.sampled_from([0.2, 1.0, 7.0]))
def test_a_root_is_bracketed_as_closely_as_asked(root: float, power: float) -> None:
    def falling(point: float) -> float:
        return math.copysign(abs(root - point) ** power, root - point)

    low, high = bracket_root(falling, 0.0, 1.0, 1e-6)
    assert low <= root <= high
    assert high - low <= 1.001e-6
