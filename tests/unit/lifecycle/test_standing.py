"""What is said of a service whose pods are not well, and what a rollback needs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from regnant.api.inference_service import InferenceServiceStatus
from regnant.lifecycle import inference_service as lifecycle
from regnant.lifecycle.diagnosis import Fault
from regnant.lifecycle.serving_state import RouterHealth, ServerHealth
from tests.unit.lifecycle.worlds import ServiceWorld, digest, serving_world

PULL = Fault("ImagePullFailed", "the image cannot be pulled")


def said(status: InferenceServiceStatus, kind: str = "Ready") -> tuple[str, str, str]:
    condition = status.condition(kind)
    assert condition
    return condition.status, condition.reason, condition.message


def with_routers(world: ServiceWorld, routers: RouterHealth) -> InferenceServiceStatus:
    observed = replace(world.observe(), routers=routers)
    return lifecycle.decide(observed, world.now).status


def test_routers_that_do_not_start_are_named_first() -> None:
    status = with_routers(serving_world(), RouterHealth(1, 0, (), PULL))
    ready, reason, message = said(status)
    assert (ready, reason) == ("False", "ImagePullFailed")
    assert message.startswith("no router is ready: the image")
    assert said(status, "Available")[:2] == ("False", "NoRouterReady")
    assert status.phase == "Degraded"


def test_what_the_cluster_refused_comes_before_all_else() -> None:
    world = serving_world()
    taken = Fault("AlreadyExists", "Service shop exists")
    observed = replace(world.observe(), obstacle=taken, routers=RouterHealth(1, 0, (), PULL))
    status = lifecycle.decide(observed, world.now).status
    assert said(status) == ("False", "AlreadyExists", "Service shop exists")
    assert said(status, "Stalled")[0] == "True"


def test_routers_that_are_gone_without_a_fault_leave_users_without_answers() -> None:
    status = with_routers(serving_world(), RouterHealth(1, 0))
    assert said(status)[:2] == ("False", "NoServerReady")
    assert said(status, "Available")[:2] == ("False", "NoRouterReady")


@pytest.mark.parametrize("fault", [None, Fault("OutOfMemory", "too little memory")])
def test_a_champion_without_servers_and_without_another_version(fault: Fault | None) -> None:
    world = serving_world()
    world.down(digest("1"), fault)
    status = world.decide().status
    ready, reason, message = said(status)
    assert (ready, reason) == ("False", fault.reason if fault else "NoServerReady")
    assert "no other version to return to" in message
    assert said(status, "Available")[:2] == ("False", "NoServerReady")
    assert status.phase == "Degraded"
    assert status.champion, "there is nobody to give way to"


def test_a_service_with_too_few_servers_answers_and_says_how_many() -> None:
    world = serving_world()
    world.health[digest("1")] = ServerHealth(3, 1)
    status = world.decide().status
    assert said(status) == (
        "False",
        "Scaling",
        "churn-1 answers; 1 of 3 servers and 1 of 1 routers are ready",
    )
    assert said(status, "Available")[0] == "True"


def test_a_version_that_falls_ill_before_every_router_has_it_is_taken_back() -> None:
    world = serving_world()
    second = world.add(2)
    world.routers_follow = False
    for _ in range(8):
        if not verified(world):
            world.follow()
        world.step(seconds=1)
    assert verified(world)
    world.down(second, Fault("Crashed", "exit code 1"))
    world.step(seconds=1)
    assert world.status.rollout
    assert world.status.rollout.rollback
    world.routers_follow = True
    world.settle()
    assert world.status.champion
    assert world.status.champion.version == 1
    assert [(one.version, one.reason) for one in world.status.rejected] == [(2, "Crashed")]


def verified(world: ServiceWorld) -> bool:
    rollout = world.status.rollout
    return rollout is not None and rollout.verified_at is not None


def test_a_watch_over_a_version_without_a_predecessor_ends_quietly() -> None:
    """As when somebody cleared `previous` in the status by hand."""
    world = serving_world()
    world.add(2)
    for _ in range(30):
        world.step(seconds=1)
        if world.status.rollout and world.status.rollout.promoted_at:
            break
    world.status = world.status.model_copy(update={"previous": None})
    world.now += timedelta(hours=1)
    world.step()
    assert world.status.rollout is None
    assert world.status.retiring == ()
    assert world.status.champion
    assert world.status.champion.version == 2
