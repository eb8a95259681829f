"""The rules of a rollout that the operator decides by and the command line explains."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from regnant.api.inference_service import InferenceServiceSpec, InferenceServiceStatus
from regnant.api.rollout import Rollout, Shadow, Step
from regnant.api.rollout_status import Evidence, Rejection, Stage, Transition

START = datetime(2026, 1, 1, tzinfo=UTC)
STEPS = [{"weight": 10, "minRequests": 100, "minDuration": "1m"}, {"weight": 50}]
ROLLOUT = Rollout.model_validate({"steps": STEPS})
SHADOWED = Rollout.model_validate({"steps": STEPS, "shadow": {}})

REQUESTS = {"name": "Requests", "verdict": "Inconclusive", "limit": "100"}
ERRORS = {"name": "Errors", "verdict": "Inconclusive", "limit": "0.01"}
LATENCY = {"name": "Latency", "verdict": "Pass", "limit": "2"}
AGREEMENT = {"name": "Agreement", "verdict": "Inconclusive"}


def after(**length: float) -> datetime:
    return START + timedelta(**length)


def evidence(*checks: dict[str, str], tries: int = 0) -> Evidence:
    tally = {"challenger": {"tries": tries}}
    return Evidence.model_validate({"since": START, "at": START, "checks": checks, "tally": tally})


def stage(number: int = 0, seen: Evidence | None = None) -> Stage:
    return Stage(step=ROLLOUT.steps[number], decided_at=START, evidence=seen)


def serving(version: int) -> dict[str, Any]:
    uri, digest = "oci://registry:5000/models/churn", f"sha256:{version:064x}"
    return {"version": version, "artifact": {"uri": uri, "digest": digest}, "since": START}


def transition(**more: object) -> Transition:
    known = {"id": "2-b-1", "to": serving(2), "startedAt": START}
    return Transition.model_validate(known).model_copy(update=more)


def status(**more: object) -> InferenceServiceStatus:
    return InferenceServiceStatus.model_validate(more)


def reign(version: int) -> dict[str, object]:
    digest = f"sha256:{version:064x}"
    return {
        "version": version,
        "digest": digest,
        "since": START,
        "reason": "Promoted",
        "message": "",
    }


def rejection(version: int, token: str = "") -> dict[str, object]:
    known = {"version": version, "digest": f"sha256:{version:064x}", "reason": "Aborted"}
    return {**known, "message": "", "at": START, "retryToken": token}


@pytest.mark.parametrize(
    ("weight", "following"), [(0, 10), (9, 10), (10, 50), (49, 50), (50, None)]
)
def test_the_next_step_is_the_first_one_with_a_greater_weight(
    weight: int, following: int | None
) -> None:
    step = ROLLOUT.step_after(weight)
    assert (step.weight if step else None) == following


def test_a_rollout_goes_through_the_shadow_and_then_through_the_steps() -> None:
    assert transition().following(SHADOWED) == Shadow()
    shadowing = transition(stage=Stage.of(Shadow(), START))
    assert shadowing.following(SHADOWED) == SHADOWED.steps[0]
    assert transition().following(ROLLOUT) == ROLLOUT.steps[0]
    assert transition(stage=stage(1)).following(ROLLOUT) is None
    assert transition().following(Rollout()) is None


def test_a_shadow_that_is_added_too_late_is_left_out() -> None:
    assert transition(stage=stage(0)).following(SHADOWED) == SHADOWED.steps[1]


@pytest.mark.parametrize("asked", [Shadow(min_requests=7), Step(weight=5)])
def test_a_stage_keeps_what_was_asked_of_it(asked: Shadow | Step) -> None:
    opened = Stage.of(asked, START)
    assert opened.asked == asked
    assert (opened.weight, opened.mirrored) == ((0, 100) if isinstance(asked, Shadow) else (5, 0))


def test_a_step_may_need_approval() -> None:
    assert not stage().needs_approval
    assert Stage.of(Step(weight=5, approval="Manual"), START).needs_approval
    assert not Stage.of(Shadow(), START).needs_approval


def test_time_runs_only_once_every_router_has_the_stage() -> None:
    told = stage()
    assert (told.requests, told.missing_requests) == (0, 100)
    assert told.elapsed(after(hours=1)) == timedelta(0)
    assert told.missing_time(after(hours=1)) == timedelta(minutes=1)
    assert not told.is_overdue(after(days=2))


def test_what_a_stage_misses_goes_down_to_nothing() -> None:
    seen = stage(0, evidence(tries=60))
    assert (seen.requests, seen.missing_requests) == (60, 40)
    assert seen.missing_time(after(seconds=45)) == timedelta(seconds=15)
    assert seen.missing_time(after(hours=1)) == timedelta(0)
    assert stage(0, evidence(tries=101)).missing_requests == 0


def test_a_stage_is_overdue_from_its_longest_time_on() -> None:
    seen = stage(0, evidence())
    assert not seen.is_overdue(after(hours=24) - timedelta(seconds=1))
    assert seen.is_overdue(after(hours=24))


def test_a_clock_that_went_back_counts_no_time() -> None:
    assert stage(0, evidence()).elapsed(after(minutes=-1)) == timedelta(0)


def test_a_comparison_without_a_limit_lacks_nothing() -> None:
    seen = evidence(REQUESTS, ERRORS, LATENCY, AGREEMENT)
    assert [check.name for check in seen.lacking] == ["Requests", "Errors"]


def test_the_first_check_that_fails_is_told() -> None:
    assert evidence(REQUESTS, ERRORS).failed is None
    failed = evidence(REQUESTS, ERRORS | {"verdict": "Fail"}, LATENCY | {"verdict": "Fail"}).failed
    assert failed
    assert failed.name == "Errors"


def test_before_another_step_only_requests_are_needed() -> None:
    seen = evidence(REQUESTS, ERRORS)
    names = [check.name for check in transition(stage=stage(0, seen)).lacking(ROLLOUT)]
    assert names == ["Requests"]


def test_before_all_the_traffic_every_comparison_is_needed() -> None:
    seen = evidence(REQUESTS, ERRORS)
    names = [check.name for check in transition(stage=stage(1, seen)).lacking(ROLLOUT)]
    assert names == ["Requests", "Errors"]


def test_nothing_lacks_where_nothing_is_counted() -> None:
    assert transition().lacking(ROLLOUT) == ()
    assert transition(stage=stage()).lacking(ROLLOUT) == ()


def test_a_candidate_has_its_time_to_get_ready_and_then_to_be_watched() -> None:
    rollout = Rollout(progress_deadline=timedelta(minutes=3))
    assert transition().ready_by(rollout) == after(minutes=3)
    assert transition().watched_until(rollout) is None
    assert transition(promoted_at=after(hours=1)).watched_until(rollout) == after(
        hours=1, minutes=10
    )


def test_a_rejection_holds_until_the_retry_token_changes() -> None:
    found = Rejection.model_validate(rejection(2, "x"))
    assert found.holds(Rollout(retry_token="x"))
    assert not found.holds(Rollout(retry_token="y"))


@pytest.mark.parametrize(
    ("pin", "pins", "another"), [(None, False, False), (2, True, False), (3, False, True)]
)
def test_a_pin_is_for_one_version_and_against_every_other(
    pin: int | None, pins: bool, another: bool
) -> None:
    given = {"champion": {"version": pin}} if pin else {}
    spec = InferenceServiceSpec.model_validate({"modelName": "churn", **given})
    assert (spec.pins(2), spec.pins_another(2)) == (pins, another)
    assert spec.chooses(transition()) == pins
    assert spec.chooses(transition(by_hand=True))


def test_a_rollout_is_paused_by_the_spec_or_by_an_action() -> None:
    paused = Rollout(paused=True)
    held = status(champion=serving(1)).model_copy(update={"rollout": transition()})
    assert held.is_paused(paused)
    assert not held.is_paused(Rollout())
    by_action = held.model_copy(update={"rollout": transition(paused=True)})
    assert by_action.is_paused(Rollout())


def test_a_first_version_and_a_settled_service_are_not_paused() -> None:
    first = status().model_copy(update={"rollout": transition()})
    assert not first.is_paused(Rollout(paused=True))
    assert not status(champion=serving(1)).is_paused(Rollout(paused=True))


def test_a_person_holds_back_what_is_known_but_for_the_version_that_is_retried() -> None:
    found = status(floor=4, retried=3)
    assert [found.holds_back(version) for version in (2, 3, 4, 5)] == [True, False, True, False]


def test_the_former_version_is_the_one_before_the_champion() -> None:
    found = status(champion=serving(3), previous=serving(2), history=[reign(3), reign(1)])
    assert found.former == 2


def test_after_a_return_the_former_version_is_not_the_one_that_was_left() -> None:
    history = [reign(3), reign(4), reign(3), reign(2)]
    found = status(champion=serving(3), history=history, rejected=[rejection(4)])
    assert found.former == 2


def test_without_a_record_there_is_no_former_version() -> None:
    assert status().former is None
    assert status(champion=serving(1), history=[reign(1)]).former is None
