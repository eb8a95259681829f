"""How traffic is taken back: once, from a candidate that keeps its servers until it has no route.

Whoever ends a rollout, a person or a newer version, users are answered all the while: the routers
are told first, and the servers go when every one of them has followed and the last answers are out.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from regnant.lifecycle import serving_plan
from regnant.lifecycle.inference_service import DRAIN
from regnant.lifecycle.serving_state import ServerHealth
from regnant.manifests import names
from regnant.manifests.routing import Routing
from tests.unit.lifecycle.test_shadow_and_steps import SHADOW, comparing_world
from tests.unit.lifecycle.worlds import ServiceWorld, digest


def routing(world: ServiceWorld) -> Routing:
    """What the routers are asked to do."""
    return serving_plan.routing(world.observe().service, world.status)


def has_servers(world: ServiceWorld, version: int) -> bool:
    return names.server("shop", version, digest(str(version))) in world.deployed


def test_an_abort_ends_although_the_champion_is_never_whole() -> None:
    """An abort that waits for every server of the stable version deadlocks: Argo Rollouts 4898."""
    world = comparing_world()
    world.health[digest("1")] = ServerHealth(2, 1)
    assert world.ask("abort") == "Done"
    world.settle()
    assert world.status.rollout is None
    assert (world.weight, world.answering) == (0, digest("1"))
    assert not has_servers(world, 2)


def test_after_an_abort_no_route_names_the_candidate_again() -> None:
    """Routes that flip between stable and canary after an abort: Argo Rollouts 3078."""
    world = comparing_world()
    world.ask("abort")
    asked = [routing(world)]
    for second in range(60):
        world.health[digest("1")] = ServerHealth(2, second % 3)
        world.health[digest("2")] = ServerHealth(1, second % 2)
        world.step(seconds=1)
        asked.append(routing(world))
    assert not has_servers(world, 2), "it was seen until its end"
    roles = {(one.champion, one.challenger, one.fallback, one.weight, one.shadow) for one in asked}
    assert roles == {(digest("1"), "", "", 0, 0)}
    changes = sum(before.revision != after.revision for before, after in itertools.pairwise(asked))
    assert changes == 1, "its servers are forgotten, and that is all"


def without_routers(world: ServiceWorld) -> None:
    """Let much more time pass than last answers need, while no router takes up what was asked."""
    for _ in range(3):
        world.step(seconds=DRAIN.total_seconds())
        assert world.status.phase == "RollingBack"
        assert has_servers(world, 2), "a router still sends users there"


def with_routers_again(world: ServiceWorld) -> None:
    """Let the routers follow; the servers go when the last answers are out, and not before."""
    world.routers_follow = True
    world.follow()
    world.step(seconds=DRAIN.total_seconds())
    assert has_servers(world, 2)
    world.step(seconds=DRAIN.total_seconds() - 1)
    assert has_servers(world, 2)
    world.step(seconds=1)
    assert not has_servers(world, 2)


def test_an_aborted_candidate_keeps_its_servers_until_no_router_sends_to_it() -> None:
    """One that is scaled down while routers still send to it: Argo Rollouts 4390."""
    world = comparing_world()
    world.routers_follow = False
    assert world.ask("abort") == "Done"
    without_routers(world)
    with_routers_again(world)


def test_a_superseded_candidate_keeps_its_servers_until_no_router_sends_to_it() -> None:
    """The same where a newer version takes its place: Argo Rollouts 4390."""
    world = comparing_world(onNewVersion="Supersede")
    world.routers_follow = False
    world.add(3)
    world.step(seconds=1)
    assert not has_servers(world, 3)
    without_routers(world)
    with_routers_again(world)
    assert has_servers(world, 3)


def test_an_abort_ends_a_full_promotion_that_no_router_takes_up() -> None:
    """An abort that is ignored once a full promotion waits: Argo Rollouts 4461."""
    world = comparing_world()
    world.routers_follow = False
    assert world.ask("promoteFull") == "Done"
    world.run()
    assert world.status.phase == "Promoting"
    assert world.ask("abort") == "Done"
    assert world.answering == digest("1")
    world.routers_follow = True
    world.follow()
    world.settle()
    assert (world.answering, world.weight) == (digest("1"), 0)
    assert [(one.version, one.reason) for one in world.status.rejected] == [(2, "Aborted")]
    assert not has_servers(world, 2)


def supersede(world: ServiceWorld) -> None:
    world.add(3)


def pin_the_champion(world: ServiceWorld) -> None:
    spec = world.spec.model_dump(by_alias=True) | {"champion": {"version": 1}}
    world.spec = world.spec.model_validate(spec)


def challenge_by_another(world: ServiceWorld) -> None:
    world.add(3)
    spec = world.spec.model_dump(by_alias=True) | {"challenger": {"version": 3}}
    world.spec = world.spec.model_validate(spec)


def delete(world: ServiceWorld) -> None:
    world.versions.pop()


WITHDRAWALS = [supersede, pin_the_champion, challenge_by_another, delete]


@pytest.mark.parametrize("withdraw", WITHDRAWALS)
def test_a_candidate_that_answers_alone_is_kept_until_the_champion_does_again(
    withdraw: Callable[[ServiceWorld], None],
) -> None:
    """A newer version or a pin is no reason to take users' only servers from them."""
    world = comparing_world(onNewVersion="Supersede")
    before = routing(world)
    withdraw(world)
    world.down(digest("1"))
    world.serve(champion=(0, 0), challenger=(9000, 0), seconds=4)
    assert routing(world) == before, "nothing goes back, and no step begins"
    assert world.status.rollout
    assert world.status.rollout.waiting_for == (
        "the champion, which has no ready server; until it has one, no request goes back to it"
    )
    world.health.clear()
    world.step(seconds=1)
    assert world.status.phase == "RollingBack"
    assert (world.weight, world.answering) == (0, digest("1"))


def test_a_candidate_that_fails_is_kept_while_nobody_else_answers_and_never_promoted() -> None:
    world = comparing_world()
    world.serve(champion=(500, 0), challenger=(50, 0))
    before = routing(world)
    world.down(digest("1"))
    for _ in range(20):
        world.serve(challenger=(50, 20))
    assert routing(world) == before
    assert world.status.rollout
    assert "the champion, which has no ready server" in world.status.rollout.waiting_for
    world.health.clear()
    world.serve(champion=(50, 0), challenger=(50, 20))
    assert (world.weight, world.answering) == (0, digest("1"))


def test_what_is_pinned_holds_a_candidate_that_answers_alone_for_as_long_as_it_takes() -> None:
    world = comparing_world()
    before = routing(world)
    pin_the_champion(world)
    world.down(digest("1"))
    for _ in range(20):
        world.serve(challenger=(9000, 0), seconds=60)
    assert routing(world) == before


@pytest.mark.parametrize("withdraw", WITHDRAWALS)
def test_where_neither_answers_a_candidate_is_withdrawn(
    withdraw: Callable[[ServiceWorld], None],
) -> None:
    world = comparing_world(onNewVersion="Supersede")
    withdraw(world)
    world.down(digest("1"))
    world.down(digest("2"))
    world.step(seconds=1)
    assert world.status.phase == "RollingBack"


def test_a_candidate_in_the_shadow_is_withdrawn_however_the_champion_is() -> None:
    """It answers nobody, and stands in for nobody."""
    world = comparing_world(shadow=SHADOW, onNewVersion="Supersede")
    supersede(world)
    world.down(digest("1"))
    world.step(seconds=1)
    assert world.status.phase == "RollingBack"
