"""How traffic is taken back: once, from a candidate that keeps its servers until it has no route.

Whoever ends a rollout, a person or a newer version, users are answered all the while: the routers
are told first, and the servers go when every one of them has followed and the last answers are out.
"""

from __future__ import annotations

import itertools

from regnant.lifecycle import serving_plan
from regnant.lifecycle.serving_state import ServerHealth
from regnant.manifests import names
from regnant.manifests.routing import Routing
from tests.unit.lifecycle.test_shadow_and_steps import comparing_world
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
