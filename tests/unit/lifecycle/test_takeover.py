"""A newer version takes over once it is proven, and only then."""

from __future__ import annotations

from datetime import timedelta

from regnant.api.inference_service import InferenceServiceSpec
from regnant.lifecycle.diagnosis import Fault
from regnant.lifecycle.serving_state import ServerHealth
from regnant.manifests import names
from tests.unit.lifecycle.worlds import ServiceWorld, digest, serving_world


def test_the_first_version_answers_once_it_is_verified() -> None:
    world = ServiceWorld()
    first = world.add(1)
    world.step()
    assert world.answering == ""
    world.run()
    assert world.answering == first
    assert world.status.phase == "Serving"
    ready = world.status.condition("Ready")
    assert ready
    assert (ready.status, ready.message) == ("True", "churn-1 answers all requests")


def test_a_service_without_a_version_waits_and_says_for_what() -> None:
    world = ServiceWorld()
    world.step()
    ready, reconciling = world.status.condition("Ready"), world.status.condition("Reconciling")
    assert ready
    assert reconciling
    assert (ready.status, ready.reason, reconciling.status) == (
        "False",
        "ModelVersionNotFound",
        "True",
    )
    assert "churn" in ready.message
    assert world.status.phase == "Waiting"


def test_a_candidate_gets_no_traffic_before_it_is_ready() -> None:
    world = serving_world()
    second = world.add(2)
    world.health[second] = ServerHealth(1, 0)
    world.run()
    assert world.status.phase == "Preparing"
    assert world.answering == digest("1")
    assert world.status.condition("Ready").status == "True"  # type: ignore[union-attr]


def test_a_candidate_with_wrong_golden_answers_is_rejected_without_traffic() -> None:
    world = serving_world()
    second = world.add(2)
    world.wrong.add(second)
    answered = set()
    for _ in range(60):
        world.step(seconds=1)
        answered.add(world.answering)
    assert answered == {digest("1")}
    (rejection,) = world.status.rejected
    assert (rejection.version, rejection.reason) == (2, "VerificationFailed")
    assert "row 3 differs" in rejection.message
    up_to_date = world.status.condition("UpToDate")
    assert up_to_date
    assert (up_to_date.status, up_to_date.reason) == ("False", "VerificationFailed")


def test_traffic_moves_only_after_the_decision_was_written() -> None:
    world = serving_world()
    world.add(2)
    while not (world.status.rollout and world.status.rollout.verified_at):
        assert world.answering == digest("1")
        world.step(seconds=1)
    assert world.answering == digest("2")
    assert world.status.champion
    assert world.status.champion.version == 1, "not promoted before every router was seen"


def test_a_takeover_waits_for_every_router() -> None:
    world = serving_world()
    world.add(2)
    world.run(1)
    world.routers_follow = False
    while not (world.status.rollout and world.status.rollout.verified_at):
        world.follow()
        world.step(seconds=1)
    world.run()
    assert world.status.phase == "Promoting"
    world.follow()
    world.step(seconds=1)
    assert world.status.phase == "Watching"


def test_the_former_version_stays_through_the_watch_and_goes_after_it() -> None:
    world = serving_world(rollout={"watch": {"duration": "2m"}})
    world.add(2)
    world.run()
    assert world.status.phase == "Watching"
    assert len(world.deployed) == 2
    world.settle()
    assert world.status.phase == "Serving"
    assert len(world.deployed) == 1
    assert world.status.previous
    assert world.status.previous.version == 1


def test_a_promotion_changes_no_server() -> None:
    world = serving_world()
    world.add(2)
    world.run(3)
    before = {
        manifest["metadata"]["name"]: manifest
        for manifest in world.decide().apply
        if manifest["kind"] == "Deployment"
    }
    world.run(6)
    assert world.status.phase == "Watching"
    for manifest in world.decide().apply:
        if manifest["kind"] == "Deployment":
            assert manifest == before[manifest["metadata"]["name"]]


def test_a_newer_version_during_a_takeover_waits_its_turn() -> None:
    world = serving_world(rollout={"watch": {"duration": "1m"}})
    world.add(2)
    world.run(3)
    world.add(3)
    world.run(6)
    assert world.status.champion
    assert world.status.champion.version == 2
    world.settle()
    assert world.status.champion.version == 3


def test_a_version_that_never_starts_is_rejected_at_the_deadline() -> None:
    world = serving_world(rollout={"progressDeadline": "5m"})
    second = world.add(2)
    world.down(second, Fault("ImagePullFailed", "no such image"))
    world.run()
    assert not world.status.rejected
    world.step(seconds=301)
    assert [one.reason for one in world.status.rejected] == ["ImagePullFailed"]
    assert world.answering == digest("1")


def test_a_late_version_without_a_fault_is_told_how_many_servers_it_had() -> None:
    world = serving_world(rollout={"progressDeadline": "5m"})
    world.health[world.add(2)] = ServerHealth(2, 1)
    world.run()
    world.step(seconds=301)
    (rejection,) = world.status.rejected
    assert rejection.reason == "ProgressDeadlineExceeded"
    assert "only 1 of its servers" in rejection.message
    assert "rollout.progressDeadline" in rejection.message


def test_a_final_fault_is_rejected_at_once() -> None:
    world = serving_world()
    second = world.add(2)
    world.down(second, Fault("DigestMismatch", "a blob differs", final=True))
    world.run(3)
    assert [one.reason for one in world.status.rejected] == ["DigestMismatch"]
    assert "DigestMismatch" in world.reasons()


def test_a_rejected_bundle_is_not_tried_again_under_another_number() -> None:
    world = serving_world()
    second = world.add(2)
    world.wrong.add(second)
    world.settle()
    world.add(3, "2")
    world.settle()
    assert world.status.rollout is None
    assert world.answering == digest("1")
    up_to_date = world.status.condition("UpToDate")
    assert up_to_date
    assert (up_to_date.status, up_to_date.reason) == ("False", "VerificationFailed")
    assert "churn-3 is the same bundle as churn-2, which was rejected" in up_to_date.message
    assert "rollout.retryToken" in up_to_date.message


def test_what_keeps_a_candidate_from_starting_is_told_while_it_is_waited_for() -> None:
    world = serving_world()
    second = world.add(2)
    world.step()
    world.down(second, Fault("OutOfMemory", "raise resources.limits.memory", restarts=1))
    world.step(seconds=1)
    up_to_date = world.status.condition("UpToDate")
    assert up_to_date
    assert (up_to_date.status, up_to_date.reason) == ("False", "Preparing")
    assert "churn-2 is taking over" in up_to_date.message
    assert "raise resources.limits.memory" in up_to_date.message


def test_a_new_retry_token_lets_a_rejected_bundle_try_again() -> None:
    world = serving_world()
    second = world.add(2)
    world.wrong.add(second)
    world.settle()
    world.wrong.clear()
    world.spec = InferenceServiceSpec.model_validate(
        {"modelName": "churn", "rollout": {"retryToken": "again"}}
    )
    world.settle()
    assert world.answering == second


def test_a_new_try_waits_until_the_servers_of_the_former_one_are_gone() -> None:
    """They would be judged by what they died of before the cause was corrected."""
    world = serving_world()
    second = world.add(2)
    world.down(second, Fault("StoreForbidden", "check the Secret", final=True))
    while not world.status.rejected:
        world.step(seconds=1)
    former = names.server("shop", 2, second)
    assert former in world.deployed
    world.spec = InferenceServiceSpec.model_validate(
        {"modelName": "churn", "rollout": {"retryToken": "the Secret was corrected"}}
    )
    while former in world.deployed:
        assert world.status.rollout is None
        assert world.step(seconds=1).requeue_after is not None
    world.health.clear()
    world.settle()
    assert world.answering == second


def test_without_a_champion_a_platform_fault_is_waited_out() -> None:
    world = ServiceWorld()
    first = world.add(1)
    world.down(first, Fault("Unschedulable", "no node"))
    for _ in range(10):
        world.step(seconds=120)
    assert not world.status.rejected
    world.health.clear()
    world.run()
    assert world.answering == first


def test_without_a_champion_a_crashing_version_gives_way_to_an_older_one() -> None:
    world = ServiceWorld()
    first, second = world.add(1), world.add(2)
    world.down(second, Fault("Crashed", "exit code 1", restarts=5))
    for _ in range(12):
        world.step(seconds=120)
    assert world.answering == first


def test_a_deleted_candidate_is_left_without_a_rejection() -> None:
    world = serving_world()
    second = world.add(2)
    world.health[second] = ServerHealth(1, 0)
    world.run(3)
    world.versions.pop()
    world.settle()
    assert not world.status.rejected
    assert world.answering == digest("1")
    assert "RolloutAborted" in world.reasons()


def test_a_deleted_champion_keeps_answering() -> None:
    world = serving_world()
    world.versions.clear()
    world.run()
    assert world.answering == digest("1")
    assert len(world.deployed) == 1


def test_the_same_bundle_under_a_new_number_changes_nothing() -> None:
    world = serving_world()
    world.add(2, "1")
    world.run()
    assert world.status.rollout is None
    up_to_date = world.status.condition("UpToDate")
    assert up_to_date
    assert (up_to_date.status, up_to_date.reason) == ("True", "SameBundle")


def test_the_same_bundle_may_be_pinned_under_another_number() -> None:
    world = serving_world(champion={"version": 1})
    world.add(2, "1")
    world.spec = InferenceServiceSpec.model_validate(
        {"modelName": "churn", "champion": {"version": 2}}
    )
    world.run()
    up_to_date = world.status.condition("UpToDate")
    assert up_to_date
    assert (up_to_date.status, up_to_date.reason) == ("True", "SameBundle")


def test_a_settled_service_asks_for_no_look() -> None:
    world = serving_world()
    assert world.step(seconds=60).requeue_after is None


def test_a_service_being_deleted_is_left_alone() -> None:
    world = serving_world()
    observed = world.observe()
    dying = observed.service.metadata.model_copy(update={"deletion_timestamp": world.now})
    from dataclasses import replace

    from regnant.lifecycle import inference_service

    decision = inference_service.decide(
        replace(observed, service=replace(observed.service, metadata=dying)), world.now
    )
    assert decision.apply == ()
    assert decision.delete == ()
    assert decision.status == world.status


def test_a_watch_that_was_just_opened_looks_again_soon() -> None:
    world = serving_world()
    world.add(2)
    world.run()
    assert world.status.phase == "Watching"
    requeue = world.step().requeue_after
    assert requeue is not None
    assert requeue <= timedelta(seconds=2)
