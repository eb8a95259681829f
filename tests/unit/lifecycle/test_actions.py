"""People decide too: what they ask for is done once, or refused with the reason."""

from __future__ import annotations

import pytest

from regnant.api.actions import ANNOTATION
from regnant.lifecycle import serving_plan
from regnant.lifecycle.serving_state import ServerHealth
from regnant.manifests.routing import Routing
from tests.unit.lifecycle.test_shadow_and_steps import (
    SHADOW,
    STEPS,
    comparing_world,
    pause,
    prove,
)
from tests.unit.lifecycle.worlds import ServiceWorld, digest, serving_world


def refusal(world: ServiceWorld) -> str:
    assert world.status.last_action
    assert world.status.last_action.outcome == "Refused"
    return world.status.last_action.message


def routing(world: ServiceWorld) -> Routing:
    """What the routers are asked to do."""
    return serving_plan.routing(world.observe().service, world.status)


def test_promote_opens_the_next_step_and_then_gives_everything() -> None:
    world = comparing_world()
    assert world.ask("promote") == "Done"
    assert world.weight == 50
    world.step(seconds=1)
    assert world.ask("promote") == "Done"
    world.until("Watching")
    assert world.status.history[0].reason == "PromotedByHand"


def test_promote_full_skips_the_steps() -> None:
    world = comparing_world()
    world.ask("promoteFull")
    assert world.answering == digest("2")


def test_nobody_promotes_what_is_not_verified() -> None:
    world = serving_world()
    world.add(2)
    world.step()
    assert world.ask("promoteFull") == "Refused"
    assert "not verified" in refusal(world)
    assert world.answering == digest("1")


def test_nobody_promotes_what_reigns_already() -> None:
    world = serving_world()
    world.add(2)
    world.until("Watching")
    assert world.ask("promote") == "Refused"
    assert "nothing left to promote" in refusal(world)


def test_nobody_promotes_what_is_failing_or_not_all_there() -> None:
    world = comparing_world()
    world.health[digest("2")] = ServerHealth(2, 1)
    assert world.ask("promote") == "Refused"
    assert "servers are ready" in refusal(world)
    world.health[digest("2")] = ServerHealth(2, 0)
    assert world.ask("promoteFull") == "Refused"
    assert "failing" in refusal(world)


def test_nobody_promotes_over_a_pin() -> None:
    world = serving_world(
        champion={"version": 1},
        challenger={"version": 2},
        rollout={"steps": [{"weight": 10}]},
    )
    world.add(2)
    world.until("Splitting")
    world.step(seconds=1)
    assert world.ask("promote") == "Refused"
    assert "spec.champion" in refusal(world)


def test_an_action_is_done_once() -> None:
    world = comparing_world()
    world.ask("promote")
    for _ in range(5):
        world.step(seconds=1)
    assert world.weight == 50


@pytest.mark.parametrize("action", ["promote", "abort", "pause", "rollback"])
def test_an_action_for_a_rollout_that_is_over_is_refused(action: str) -> None:
    world = comparing_world()
    before = world.status.rollout
    assert world.ask(action, transition="2-deadbeef-1") == "Refused"
    assert "look at it first" in refusal(world)
    assert world.status.rollout
    assert before
    assert world.status.rollout.stage == before.stage


def test_an_action_without_an_open_rollout_is_refused() -> None:
    world = serving_world()
    assert world.ask("abort") == "Refused"
    assert refusal(world) == "no rollout is open"


def test_text_that_cannot_be_read_is_answered_too() -> None:
    world = serving_world()
    world.annotations = {ANNOTATION: "promote!"}
    world.step()
    assert "kubectl regnant" in refusal(world)


def test_abort_takes_the_traffic_back_and_remembers_it() -> None:
    world = comparing_world()
    world.ask("abort")
    assert world.weight == 0
    world.run()
    assert world.status.rollout is None
    (rejection,) = world.status.rejected
    assert (rejection.reason, rejection.message) == ("Aborted", "a person aborted it by ada")


def test_what_is_on_its_way_back_is_not_aborted_again() -> None:
    world = comparing_world()
    world.routers_follow = False
    world.ask("abort")
    assert world.ask("abort") == "Refused"
    assert "already" in refusal(world)


def test_a_candidate_that_is_only_prepared_may_be_aborted() -> None:
    world = serving_world()
    world.add(2)
    world.step()
    assert world.ask("abort") == "Done"
    world.run()
    assert world.status.rejected[0].reason == "Aborted"


@pytest.mark.parametrize("action", ["abort", "rollback"])
def test_nobody_returns_to_a_broken_version(action: str) -> None:
    world = serving_world()
    world.add(2)
    world.until("Watching")
    world.down(digest("1"))
    assert world.ask(action) == "Refused"
    assert "no ready server" in refusal(world)
    assert world.answering == digest("2")


PINS = {"champion": {"version": 1}, "challenger": {"version": 2}}


@pytest.mark.parametrize(
    ("phase", "pins", "remedy"),
    [
        ("Splitting", {}, "or `regnant promote --full` the candidate"),
        ("Splitting", PINS, "or pin the candidate by spec.champion"),
        ("Promoting", {}, "or let the candidate take over"),
    ],
)
def test_nobody_aborts_onto_a_champion_that_is_down(
    phase: str, pins: dict[str, object], remedy: str
) -> None:
    """A rollback onto a primary that never started, with the healthy canary gone: Flagger 1898."""
    world = serving_world(rollout={"steps": STEPS}, **pins)
    world.add(2)
    world.until("Splitting")
    world.routers_follow = phase != "Promoting"
    if phase == "Promoting":
        world.ask("promoteFull")
    before = routing(world)
    world.down(digest("1"))
    assert world.ask("abort") == "Refused"
    assert refusal(world) == (
        "the champion has no ready server to return to, and the candidate has; "
        f"wait for the champion, {remedy}"
    )
    assert routing(world) == before
    assert len(world.deployed) == 2
    world.health.clear()
    assert world.ask("abort") == "Done"


def test_a_champion_that_answers_is_returned_to_whatever_its_kubelet_says() -> None:
    world = comparing_world()
    world.down(digest("1"))
    world.heard.add(digest("1"))
    assert world.ask("abort") == "Done"


def test_where_both_are_down_a_rollout_may_be_aborted() -> None:
    world = comparing_world()
    world.down(digest("1"))
    world.down(digest("2"))
    assert world.ask("abort") == "Done"


@pytest.mark.parametrize("phase", ["Preparing", "Verifying", "Shadowing"])
def test_a_candidate_that_answers_nobody_may_be_aborted_beside_a_dead_champion(phase: str) -> None:
    """It stands in for nobody either, so that users lose nothing by it."""
    world = serving_world(rollout={"shadow": SHADOW, "paused": phase == "Verifying"})
    world.add(2)
    world.until(phase)
    world.down(digest("1"))
    now = routing(world)
    assert (now.champion, now.fallback, now.weight) == (digest("1"), "", 0)
    assert world.ask("abort") == "Done"
    world.run()
    assert [(one.version, one.reason) for one in world.status.rejected] == [(2, "Aborted")]


def test_an_aborted_version_may_try_again_when_a_person_says_so() -> None:
    world = comparing_world()
    world.ask("abort")
    world.run()
    assert world.ask("retry", version=2) == "Done"
    world.until("Splitting")
    assert world.status.rollout
    assert world.status.rollout.to.version == 2


def test_a_retry_names_its_version() -> None:
    world = comparing_world()
    assert world.ask("retry") == "Refused"
    assert "name the version" in refusal(world)


def test_an_older_version_is_returned_to_and_not_tried_again() -> None:
    world = comparing_world()
    world.ask("abort")
    world.run()
    world.add(3)
    world.until("Splitting")
    prove(world)
    world.settle()
    assert world.ask("retry", version=2) == "Refused"
    assert "regnant rollback --to 2" in refusal(world)
    assert world.ask("rollback", version=2) == "Done"
    world.settle()
    assert world.answering == digest("2")


def test_a_pinned_version_may_be_tried_again_however_old_it_is() -> None:
    world = comparing_world()
    world.ask("abort")
    world.run()
    world.add(3)
    world.until("Splitting")
    prove(world)
    world.settle()
    spec = world.spec.model_dump(by_alias=True) | {"challenger": {"version": 2}}
    world.spec = world.spec.model_validate(spec)
    assert world.ask("retry", version=2) == "Done"


def world_after_a_return() -> ServiceWorld:
    """Versions 2, 3 and 4 are known, and a person went back from the 4th to the 1st."""
    world = serving_world()
    for version in (2, 3):
        world.add(version)
    world.settle()
    world.add(4)
    world.settle()
    assert world.ask("rollback", version=1) == "Done"
    world.settle()
    assert world.answering == digest("1")
    return world


def newest(world: ServiceWorld) -> tuple[str, str]:
    """What is said of the newest version."""
    condition = world.status.condition("UpToDate")
    assert condition
    return condition.reason, condition.message


def test_a_version_that_a_person_went_back_behind_says_so() -> None:
    reason, message = newest(world_after_a_return())
    assert reason == "HeldBack"
    assert "churn-4 does not challenge by itself" in message
    assert "`regnant retry shop 4`" in message


def test_a_version_beside_a_pinned_challenger_says_so() -> None:
    world = serving_world(challenger={"version": 1})
    world.add(2)
    world.settle()
    reason, message = newest(world)
    assert reason == "HeldBack"
    assert message == "churn-2 does not challenge: spec.challenger pins churn-1"


def test_a_retry_lets_the_one_version_challenge_that_a_person_went_back_behind() -> None:
    world = world_after_a_return()
    assert world.ask("retry", version=3) == "Done"
    world.settle()
    assert world.status.history[0].reason == "Promoted"
    assert world.answering == digest("3"), "and not version 4, of which nobody spoke"


def test_another_return_takes_a_retry_back() -> None:
    world = world_after_a_return()
    world.ask("retry", version=3)
    world.settle()
    assert world.ask("rollback", version=1) == "Done"
    world.settle()
    assert world.answering == digest("1")


def test_what_a_return_in_the_watch_left_is_tried_again_by_its_name() -> None:
    world = serving_world()
    world.add(2)
    world.until("Watching")
    world.ask("rollback")
    world.settle()
    assert world.ask("retry", version=2) == "Done"
    world.settle()
    assert world.answering == digest("2")


def test_another_retry_token_does_not_reach_behind_a_return() -> None:
    world = serving_world()
    world.add(2)
    world.until("Watching")
    world.ask("rollback")
    world.settle()
    rollout = world.spec.rollout.model_copy(update={"retry_token": "again"})
    world.spec = world.spec.model_copy(update={"rollout": rollout})
    world.settle()
    assert world.answering == digest("1")
    assert newest(world)[0] == "HeldBack"


@pytest.mark.parametrize("version", [1, 3])
def test_what_may_challenge_already_is_not_retried(version: int) -> None:
    world = world_after_a_return()
    world.ask("retry", version=3)
    assert world.ask("retry", version=version) == "Refused"
    assert "is not rejected, and nobody went back behind it" in refusal(world)


@pytest.mark.parametrize(("version", "why"), [(9, "no ModelVersion"), (1, "not rejected")])
def test_only_what_was_rejected_is_tried_again(version: int, why: str) -> None:
    world = comparing_world()
    assert world.ask("retry", version=version) == "Refused"
    assert why in refusal(world)


def test_pause_holds_and_resume_goes_on() -> None:
    world = comparing_world()
    world.ask("pause")
    prove(world, looks=30)
    assert world.weight == 10
    assert world.ask("pause") == "Refused"
    world.ask("resume")
    prove(world)
    assert world.answering == digest("2")


def test_what_the_spec_pauses_an_action_does_not_resume() -> None:
    world = comparing_world()
    pause(world)
    assert world.ask("resume") == "Refused"
    assert "spec.rollout.paused" in refusal(world)


def test_rollback_in_the_watch_returns_at_once_and_stays() -> None:
    world = serving_world()
    world.add(2)
    world.add(3)
    world.until("Watching")
    world.ask("rollback")
    assert world.answering == digest("1")
    world.settle()
    assert world.status.champion
    assert world.status.champion.version == 1, "version 2 is not tried instead"
    assert world.add(4)
    world.settle()
    assert world.status.champion.version == 4, "a newer one is"


def test_rollback_in_the_watch_names_the_former_version_or_none() -> None:
    world = serving_world()
    world.add(2)
    world.settle()
    world.add(3)
    world.until("Watching")
    assert world.ask("rollback", version=1) == "Refused"
    assert "only churn-2 is ready" in refusal(world)


def test_rollback_behind_a_pin_points_to_the_pin() -> None:
    world = serving_world(champion={"version": 1})
    assert world.ask("rollback") == "Refused"
    assert "change the pin" in refusal(world)


def test_rollback_without_a_former_version_asks_for_one() -> None:
    world = serving_world()
    assert world.ask("rollback") == "Refused"
    assert "--to N" in refusal(world)


def test_rollback_of_a_settled_service_verifies_the_former_version_first() -> None:
    world = serving_world()
    world.add(2)
    world.settle()
    assert world.ask("rollback") == "Done"
    assert world.answering == digest("2"), "not before it is verified"
    world.settle()
    assert world.answering == digest("1")
    assert world.status.history[0].reason == "ReturnedByHand"


def test_rollback_after_a_return_goes_further_back() -> None:
    world = serving_world()
    world.add(2)
    world.settle()
    world.add(3)
    world.until("Watching")
    world.down(digest("3"))
    world.settle()
    assert world.answering == digest("2")
    assert world.ask("rollback") == "Done"
    world.settle()
    assert world.answering == digest("1"), "and not version 3, which was just left"


def test_rollback_names_any_earlier_version() -> None:
    world = serving_world()
    for version in (2, 3):
        world.add(version)
        world.settle()
    assert world.ask("rollback", version=1) == "Done"
    world.settle()
    assert world.status.champion
    assert world.status.champion.version == 1


@pytest.mark.parametrize(("version", "why"), [(7, "no ModelVersion"), (1, "answers already")])
def test_rollback_to_nowhere_is_refused(version: int, why: str) -> None:
    world = serving_world()
    assert world.ask("rollback", version=version) == "Refused"
    assert why in refusal(world)


def test_rollback_while_versions_are_compared_points_to_abort() -> None:
    world = comparing_world()
    assert world.ask("rollback") == "Refused"
    assert "regnant abort" in refusal(world)


def test_who_asked_for_what_is_announced() -> None:
    world = comparing_world()
    world.ask("pause")
    assert any(one.message.startswith("pause (ada)") for one in world.announced)
