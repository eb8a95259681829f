"""Ready, Reconciling and Stalled as kstatus reads them, and when users are told."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from regnant.api.meta import Status, settle
from regnant.lifecycle.decision import Verdict, turning_point
from tests.unit.lifecycle.worlds import START

verdicts = st.builds(
    Verdict,
    st.sampled_from(["Ready", "InProgress", "Failed"]),
    st.sampled_from(["One", "Two"]),
    st.sampled_from(["first", "second"]),
)


@dataclass(frozen=True)
class Kstatus:
    """What `kubectl wait`, Flux and Argo CD conclude from the conditions."""

    status: Status

    def is_true(self, kind: str) -> bool:
        condition = self.status.condition(kind)
        return condition is not None and condition.status == "True"

    @property
    def result(self) -> str:
        if self.is_true("Stalled"):
            return "Failed"
        if self.is_true("Reconciling"):
            return "InProgress"
        return "Current" if self.is_true("Ready") else "InProgress"


def status(verdict: Verdict, before: Status | None = None) -> Status:
    known = before.conditions if before else ()
    return Status(conditions=settle(known, verdict.findings(), generation=1, now=START))


@given(verdicts)
def test_kstatus_concludes_what_was_decided(verdict: Verdict) -> None:
    wanted = {"Ready": "Current", "InProgress": "InProgress", "Failed": "Failed"}
    assert Kstatus(status(verdict)).result == wanted[verdict.state]


@given(verdicts)
def test_the_three_conditions_never_contradict_each_other(verdict: Verdict) -> None:
    read = Kstatus(status(verdict))
    assert sum(map(read.is_true, ("Ready", "Reconciling", "Stalled"))) == 1


@given(verdicts, verdicts)
def test_users_are_told_when_ready_turns_its_reason_does_or_it_gets_stuck(
    first: Verdict, second: Verdict
) -> None:
    before = status(first)
    told = turning_point(before, status(second, before))
    turned = (first.state == "Ready", first.reason) != (second.state == "Ready", second.reason)
    stuck = second.state == "Failed" and first.state != "Failed"
    assert len(told) == (turned or stuck)
    if told:
        (announcement,) = told
        assert announcement.type == ("Warning" if second.state == "Failed" else "Normal")
        assert (announcement.reason, announcement.message) == (second.reason, second.message)


@given(verdicts)
def test_users_are_told_of_the_first_verdict_and_never_twice(verdict: Verdict) -> None:
    decided = status(verdict)
    assert len(turning_point(Status(), decided)) == 1
    assert turning_point(decided, decided) == ()


def test_nothing_is_told_where_nothing_was_decided() -> None:
    assert turning_point(Status(), Status()) == ()
