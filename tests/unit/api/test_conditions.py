"""Conditions keep their dates while their status stays, and speak of the current generation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from regnant.api.meta import Condition, Finding, Status, settle

START = datetime(2026, 1, 1, tzinfo=UTC)
LATER = START + timedelta(hours=1)

findings = st.lists(
    st.builds(
        Finding,
        type=st.sampled_from(["Ready", "Reconciling", "Stalled", "Available"]),
        status=st.sampled_from([True, False, None]),
        reason=st.sampled_from(["One", "Two"]),
        message=st.text(max_size=20),
    ),
    unique_by=lambda finding: finding.type,
    max_size=4,
).map(tuple)


@given(findings, findings)
def test_a_date_moves_exactly_when_the_status_does(
    first: tuple[Finding, ...], second: tuple[Finding, ...]
) -> None:
    before = settle((), first, generation=1, now=START)
    after = settle(before, second, generation=2, now=LATER)
    old = {condition.type: condition for condition in before}
    for condition in after:
        known = old.get(condition.type)
        same = known is not None and known.status == condition.status
        assert condition.last_transition_time == (START if same else LATER)


@given(findings, findings)
def test_conditions_are_those_found_last_in_their_order(
    first: tuple[Finding, ...], second: tuple[Finding, ...]
) -> None:
    before = settle((), first, generation=1, now=START)
    after = settle(before, second, generation=2, now=LATER)
    assert [condition.type for condition in after] == [finding.type for finding in second]
    assert [condition.reason for condition in after] == [finding.reason for finding in second]
    assert {condition.observed_generation for condition in after} <= {2}


@given(findings)
def test_settling_again_changes_nothing(found: tuple[Finding, ...]) -> None:
    once = settle((), found, generation=1, now=START)
    assert settle(once, found, generation=1, now=LATER) == once


def test_unknown_is_neither_true_nor_false() -> None:
    unknown = Finding(type="Ready", status=None, reason="New")
    (condition,) = settle((), [unknown], generation=1, now=START)
    assert condition.status == "Unknown"


def test_a_message_is_cut_to_what_the_schema_takes() -> None:
    told = Finding(type="Ready", status=True, reason="New", message="x" * 5000)
    (condition,) = settle((), [told], generation=1, now=START)
    assert len(condition.message) == 2048


def test_a_condition_that_is_not_there_is_none() -> None:
    ready = Condition(type="Ready", status="True", reason="New", last_transition_time=START)
    status = Status(conditions=(ready,))
    assert status.condition("Ready") == ready
    assert status.condition("Stalled") is None
