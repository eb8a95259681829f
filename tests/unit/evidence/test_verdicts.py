"""What each test answers on plain counts: the cases a person would check by hand."""

from __future__ import annotations

import pytest

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


def latency(*counts: int) -> Histogram:
    """A histogram whose buckets double, from 1."""
    return Histogram(1.0, 2.0, counts)


EMPTY = latency(0, 0, 0, 0)
FAST = latency(0, 5_000, 0, 0, 0, 0)
SLOW = latency(0, 0, 0, 0, 5_000, 0)


def test_a_challenger_that_fails_as_rarely_passes() -> None:
    outcome = compare_errors(Proportion(90, 18_000), Proportion(30, 6_000), margin=0.01, alpha=0.05)
    assert outcome.verdict is Verdict.PASS
    assert outcome.counted == 24_000


def test_a_challenger_that_fails_ten_of_ten_fails_against_a_healthy_champion() -> None:
    outcome = compare_errors(Proportion(0, 90), Proportion(10, 10), margin=0.01, alpha=0.01)
    assert outcome.verdict is Verdict.FAIL


def test_a_challenger_is_not_blamed_where_the_champion_fails_as_much() -> None:
    outcome = compare_errors(Proportion(90, 90), Proportion(10, 10), margin=0.01, alpha=0.01)
    assert outcome.verdict is Verdict.INCONCLUSIVE


def test_a_challenger_that_fails_less_than_a_sick_champion_passes() -> None:
    outcome = compare_errors(Proportion(45, 90), Proportion(0, 60), margin=0.0, alpha=0.05)
    assert outcome.verdict is Verdict.PASS


def test_a_rate_far_below_the_limit_passes_and_one_far_above_fails() -> None:
    assert exceeds(0, 2_000, limit=0.01, alpha=0.05).verdict is Verdict.PASS
    assert exceeds(60, 2_000, limit=0.01, alpha=0.05).verdict is Verdict.FAIL


def test_one_failure_breaks_a_limit_of_none() -> None:
    assert exceeds(1, 1_000_000, limit=0.0, alpha=0.01).verdict is Verdict.FAIL


def test_no_number_of_successes_proves_a_limit_of_none() -> None:
    assert exceeds(0, 1_000_000, limit=0.0, alpha=0.05).verdict is Verdict.INCONCLUSIVE


def test_agreement_far_above_the_minimum_passes_and_far_below_fails() -> None:
    assert agreement(990, 1_000, minimum=0.95, alpha=0.05).verdict is Verdict.PASS
    assert agreement(900, 1_000, minimum=0.95, alpha=0.05).verdict is Verdict.FAIL
    assert agreement(955, 1_000, minimum=0.95, alpha=0.05).verdict is Verdict.INCONCLUSIVE


def test_a_ratio_that_is_the_limit_passes_despite_rounding() -> None:
    one = Histogram(1.0, 1.1, (0, 5_000, 0, 0, 0))
    other = Histogram(1.0, 1.1, (0, 0, 5_000, 0, 0))
    outcome = compare_latency(one, other, quantile=0.9, max_ratio=1.21, alpha=0.05)
    assert outcome.high is not None
    assert outcome.high > 1.21
    assert outcome.verdict is Verdict.PASS


def test_a_ratio_that_begins_at_the_limit_fails_despite_rounding() -> None:
    one = Histogram(1.0, 1.07, (0, 5_000, 0, 0, 0, 0, 0))
    other = Histogram(1.0, 1.07, (0, 0, 0, 0, 0, 5_000, 0))
    limit = 1.07 * 1.07 * 1.07
    outcome = compare_latency(one, other, quantile=0.9, max_ratio=limit, alpha=0.05)
    assert outcome.low == pytest.approx(limit)
    assert outcome.verdict is Verdict.FAIL


def test_equal_latency_passes_a_limit_of_two_growths() -> None:
    outcome = compare_latency(FAST, FAST, quantile=0.99, max_ratio=4.0, alpha=0.05)
    assert outcome.verdict is Verdict.PASS
    assert outcome.high == 2.0


def test_equal_latency_within_one_bucket_cannot_pass_a_limit_below_the_growth() -> None:
    outcome = compare_latency(FAST, FAST, quantile=0.99, max_ratio=1.9, alpha=0.05)
    assert outcome.verdict is Verdict.INCONCLUSIVE


def test_a_challenger_eight_times_slower_fails() -> None:
    outcome = compare_latency(FAST, SLOW, quantile=0.99, max_ratio=2.0, alpha=0.05)
    assert outcome.verdict is Verdict.FAIL
    assert outcome.estimate == 8.0


def test_a_faster_challenger_passes_a_limit_of_one() -> None:
    outcome = compare_latency(SLOW, FAST, quantile=0.5, max_ratio=1.0, alpha=0.05)
    assert outcome.verdict is Verdict.PASS


def test_what_lies_in_the_last_bucket_has_no_upper_end() -> None:
    beyond = latency(0, 0, 0, 0, 0, 5_000)
    outcome = compare_latency(FAST, beyond, quantile=0.5, max_ratio=2.0, alpha=0.05)
    assert outcome.high == float("inf")
    assert outcome.verdict is Verdict.FAIL


def test_a_champion_in_the_first_bucket_has_no_lower_end() -> None:
    instant = latency(5_000, 0, 0, 0, 0, 0)
    outcome = compare_latency(instant, instant, quantile=0.5, max_ratio=100.0, alpha=0.05)
    assert outcome.verdict is Verdict.INCONCLUSIVE
    assert outcome.high == float("inf")
    assert outcome.low == 0.0


def test_a_better_model_passes_and_a_worse_one_fails() -> None:
    better = paired_correctness(20, 60, 1_000, margin=0.0, alpha=0.05)
    worse = paired_correctness(60, 20, 1_000, margin=0.0, alpha=0.05)
    assert (better.verdict, worse.verdict) == (Verdict.PASS, Verdict.FAIL)


def test_a_model_that_is_better_by_less_than_the_margin_does_not_pass() -> None:
    outcome = paired_correctness(20, 60, 1_000, margin=0.05, alpha=0.05)
    assert outcome.verdict is Verdict.INCONCLUSIVE


def test_an_equal_model_passes_where_a_loss_is_tolerated() -> None:
    outcome = paired_correctness(40, 40, 4_000, margin=-0.02, alpha=0.05)
    assert outcome.verdict is Verdict.PASS


def test_models_that_are_always_right_together_differ_by_little() -> None:
    outcome = paired_correctness(0, 0, 10_000, margin=0.0, alpha=0.05)
    assert outcome.verdict is Verdict.INCONCLUSIVE
    assert outcome.low is not None
    assert outcome.high is not None
    assert -0.01 < outcome.low < 0.0 < outcome.high < 0.01


NOTHING = [
    exceeds(0, 0, limit=0.01, alpha=0.05),
    agreement(0, 0, minimum=0.95, alpha=0.05),
    compare_errors(Proportion(0, 0), Proportion(10, 10), margin=0.01, alpha=0.05),
    compare_errors(Proportion(0, 90), Proportion(0, 0), margin=0.01, alpha=0.05),
    compare_latency(EMPTY, EMPTY, quantile=0.99, max_ratio=2.0, alpha=0.05),
    paired_correctness(0, 0, 0, margin=0.0, alpha=0.05),
]
IMPOSSIBLE = [
    exceeds(-1, 10, limit=0.01, alpha=0.05),
    exceeds(0, -1, limit=0.01, alpha=0.05),
    agreement(11, 10, minimum=0.95, alpha=0.05),
    compare_errors(Proportion(2, 1), Proportion(0, 1), margin=0.01, alpha=0.05),
    compare_errors(Proportion(0, 1), Proportion(2, 1), margin=0.01, alpha=0.05),
    compare_latency(latency(-1, 2), FAST, quantile=0.99, max_ratio=2.0, alpha=0.05),
    compare_latency(FAST, Histogram(0.0, 2.0, (1, 1)), quantile=0.99, max_ratio=2.0, alpha=0.05),
    compare_latency(FAST, Histogram(1.0, 1.0, (1, 1)), quantile=0.99, max_ratio=2.0, alpha=0.05),
    compare_latency(FAST, latency(1), quantile=0.99, max_ratio=2.0, alpha=0.05),
    compare_latency(FAST, latency(1, 1), quantile=0.99, max_ratio=2.0, alpha=0.05),
    paired_correctness(6, 5, 10, margin=0.0, alpha=0.05),
    paired_correctness(-1, 5, 10, margin=0.0, alpha=0.05),
    paired_correctness(1, -5, 10, margin=0.0, alpha=0.05),
]


@pytest.mark.parametrize("outcome", NOTHING)
def test_where_nothing_was_counted_nothing_is_shown(outcome: Outcome) -> None:
    assert outcome.verdict is Verdict.INCONCLUSIVE
    assert (outcome.estimate, outcome.low, outcome.high, outcome.counted) == (None, None, None, 0)
    assert outcome.reading


@pytest.mark.parametrize("outcome", IMPOSSIBLE)
def test_impossible_counts_are_an_error_that_says_what_is_wrong(outcome: Outcome) -> None:
    assert outcome.verdict is Verdict.ERROR
    assert outcome.low is None
    assert outcome.reading.startswith("impossible counts: ")


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, float("nan")])
def test_an_alpha_that_is_no_chance_is_refused(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha"):
        exceeds(1, 10, limit=0.01, alpha=alpha)


@pytest.mark.parametrize("margin", [1.01, -1.01, float("nan")])
def test_a_margin_outside_of_what_can_be_is_refused(margin: float) -> None:
    with pytest.raises(ValueError, match="margin"):
        compare_errors(Proportion(0, 1), Proportion(0, 1), margin=margin, alpha=0.05)
    with pytest.raises(ValueError, match="margin"):
        paired_correctness(0, 0, 1, margin=margin, alpha=0.05)


def test_a_reading_holds_the_numbers_of_its_verdict() -> None:
    outcome = compare_errors(Proportion(0, 1_000), Proportion(60, 1_000), margin=0.01, alpha=0.05)
    assert outcome.verdict is Verdict.FAIL
    for number in ("60 of 1,000 (6 %)", "0 of 1,000 (0 %)", "+1 allowed", "beyond the limit"):
        assert number in outcome.reading
