"""What a pause holds: users stay with the version that they were given, whatever happens meanwhile.

Routes follow from the status and the spec alone; a pause, a lost server and another operator are
none of their concern.
"""

from __future__ import annotations

import pytest

from regnant.api.inference_service import InferenceServiceStatus
from regnant.api.rollout_status import Tally
from regnant.lifecycle import serving_plan
from regnant.lifecycle.serving_state import ServerHealth
from regnant.manifests.routing import Routing
from tests.unit.lifecycle.test_shadow_and_steps import comparing_world
from tests.unit.lifecycle.worlds import ServiceWorld, digest


def routing(world: ServiceWorld) -> Routing:
    """What the routers are asked to do."""
    return serving_plan.routing(world.observe().service, world.status)


def restart(world: ServiceWorld) -> None:
    """Another operator takes over: all that it knows is what was written."""
    world.status = InferenceServiceStatus.model_validate_json(
        world.status.model_dump_json(by_alias=True)
    )
    world.pending = Tally()


@pytest.mark.parametrize("sticky", [{"header": "x-user-id"}, {"cookie": {"name": "group"}}])
def test_users_stay_with_their_version_through_a_pause(sticky: dict[str, object]) -> None:
    """A header's route that is lost with a pod, or on resume: Argo Rollouts 4486."""
    world = comparing_world(sticky=sticky)
    world.health[digest("2")] = ServerHealth(2, 2)
    before = routing(world)
    assert before.sticky
    assert before.weight == 10
    assert world.ask("pause") == "Done"
    world.serve(champion=(90, 0), challenger=(10, 0))
    assert routing(world) == before, "while it is paused"
    world.health[digest("2")] = ServerHealth(2, 1)
    world.serve(champion=(90, 0), challenger=(10, 0))
    assert routing(world) == before, "with a server lost"
    restart(world)
    world.run()
    assert routing(world) == before, "under another operator"
    assert world.ask("resume") == "Done"
    world.run()
    assert routing(world) == before, "on resume"
