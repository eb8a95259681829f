"""How traffic is taken back: once, from a candidate that keeps its servers until it has no route.

Whoever ends a rollout, a person or a newer version, users are answered all the while: the routers
are told first, and the servers go when every one of them has followed and the last answers are out.
"""

from __future__ import annotations

from regnant.lifecycle.serving_state import ServerHealth
from regnant.manifests import names
from tests.unit.lifecycle.test_shadow_and_steps import comparing_world
from tests.unit.lifecycle.worlds import ServiceWorld, digest


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
