"""When a new champion stops being healthy, and when nothing better is at hand."""

from __future__ import annotations

from regnant.api.inference_service import InferenceServiceSpec
from regnant.lifecycle.diagnosis import Fault
from tests.unit.lifecycle.worlds import ServiceWorld, digest, serving_world


def watching_world() -> ServiceWorld:
    world = serving_world()
    world.add(2)
    world.run()
    assert world.status.phase == "Watching"
    return world


def test_a_champion_that_dies_in_the_watch_gives_the_traffic_back() -> None:
    world = watching_world()
    world.down(digest("2"), Fault("OutOfMemory", "used more memory than its limit", restarts=1))
    world.step(seconds=1)
    assert world.answering == digest("1")
    world.run(3)
    assert world.status.champion
    assert world.status.champion.version == 1
    assert [(one.version, one.reason) for one in world.status.rejected] == [(2, "OutOfMemory")]
    assert "RolledBack" in world.reasons()
    world.settle()
    assert len(world.deployed) == 1


def test_a_broken_former_version_is_never_rolled_back_onto() -> None:
    """A rollback onto a primary that never started, with the healthy canary gone: Flagger 1898."""
    world = watching_world()
    world.down(digest("1"))
    world.down(digest("2"), Fault("Crashed", "exit code 1", restarts=2))
    world.run()
    assert world.answering == digest("2")
    assert world.status.rollout
    assert world.status.rollout.rollback is None
    ready = world.status.condition("Ready")
    assert ready
    assert "no other version to return to" in ready.message
    assert world.status.condition("Available").status == "False"  # type: ignore[union-attr]


def test_a_rolled_back_bundle_is_not_tried_again() -> None:
    world = watching_world()
    world.down(digest("2"))
    world.run(3)
    world.health.clear()
    world.settle()
    assert world.answering == digest("1")


def test_a_rollback_waits_for_every_router() -> None:
    world = watching_world()
    world.routers_follow = False
    world.down(digest("2"))
    world.run()
    assert world.status.phase == "RollingBack"
    assert len(world.deployed) == 2, "the failing version keeps its servers until it has no route"
    world.follow()
    world.step(seconds=1)
    assert world.status.phase == "Serving"


def test_a_pin_returns_to_an_earlier_version_during_the_watch() -> None:
    world = watching_world()
    world.spec = InferenceServiceSpec.model_validate(
        {"modelName": "churn", "champion": {"version": 1}}
    )
    world.run()
    assert world.answering == digest("1")
    assert not world.status.rejected


def test_a_pin_holds_newer_versions_back() -> None:
    world = serving_world(champion={"version": 1})
    world.add(2)
    world.run()
    assert world.status.rollout is None
    assert world.answering == digest("1")


def test_a_pin_to_a_version_that_does_not_exist_keeps_the_champion() -> None:
    world = serving_world()
    world.spec = InferenceServiceSpec.model_validate(
        {"modelName": "churn", "champion": {"version": 9}}
    )
    world.run()
    assert world.answering == digest("1")
    up_to_date = world.status.condition("UpToDate")
    assert up_to_date
    assert (up_to_date.status, up_to_date.reason) == ("False", "ModelVersionNotFound")
    assert "churn-9" in up_to_date.message


def test_a_pin_during_the_proof_leaves_the_candidate() -> None:
    world = serving_world()
    world.add(2)
    world.add(3)
    world.step(seconds=1)
    assert world.status.rollout
    assert world.status.rollout.to.version == 3
    world.spec = InferenceServiceSpec.model_validate(
        {"modelName": "churn", "champion": {"version": 2}}
    )
    world.run(12)
    assert world.answering == digest("2")
    assert not world.status.rejected


def test_a_settled_champion_that_fails_is_held_and_said() -> None:
    world = serving_world()
    world.down(digest("1"), Fault("Crashed", "container server ended with exit code 1"))
    world.run()
    assert world.status.phase == "Degraded"
    ready = world.status.condition("Ready")
    assert ready
    assert (ready.status, ready.reason) == ("False", "Crashed")
    assert world.answering == digest("1")


def test_a_healthy_new_version_takes_over_from_a_broken_champion() -> None:
    world = serving_world()
    world.down(digest("1"))
    second = world.add(2)
    world.run()
    assert world.answering == second


def test_a_first_version_that_is_left_while_it_is_promoted_leaves_nobody_to_answer() -> None:
    world = ServiceWorld()
    world.add(1)
    world.until("Promoting")
    assert world.ask("abort") == "Done"
    world.run(2)
    assert (world.status.rollout, world.status.champion) == (None, None)
    assert world.answering == ""


def test_a_candidate_is_left_when_a_pin_asks_for_one_that_is_not_there() -> None:
    world = serving_world()
    world.add(2)
    world.until("Preparing")
    world.spec = InferenceServiceSpec.model_validate(
        {"modelName": "churn", "champion": {"version": 9}}
    )
    world.run(2)
    assert world.status.rollout is None
    assert world.answering == digest("1")


def test_a_pin_that_no_version_has_is_told_where_nothing_serves_yet() -> None:
    world = ServiceWorld(
        InferenceServiceSpec.model_validate({"modelName": "churn", "champion": {"version": 9}})
    )
    world.add(1)
    world.run(2)
    ready = world.status.condition("Ready")
    assert ready
    assert ready.reason == "ModelVersionNotFound"
    assert "champion.version: there is no ModelVersion churn-9" in ready.message
