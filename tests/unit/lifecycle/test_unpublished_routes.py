"""What routers would be told does not hold together: they keep what they have, and it is said."""

from __future__ import annotations

import pytest

from regnant.api.model_version import Artifact
from regnant.lifecycle.serving_state import Candidate
from tests.unit.lifecycle.worlds import ServiceWorld, digest, serving_world

TWIN = digest("2")[:-1] + "f"
"""Another bundle whose digest begins like churn-2's: both would share a cluster's name."""


@pytest.fixture
def world() -> ServiceWorld:
    """churn-2 is turned down; while its servers go, its twin comes under the same number."""
    world = serving_world()
    world.wrong.add(world.add(2))
    while not world.status.rejected:
        world.step(seconds=1)
    artifact = Artifact(uri="oci://registry:5000/models/ns/churn", digest=TWIN)
    world.versions[-1] = Candidate(2, artifact)
    world.announced.clear()
    return world


def test_routers_keep_what_they_have(world: ServiceWorld) -> None:
    revision = world.revision
    world.routers_follow = False
    decision = world.step(seconds=1)
    assert world.status.rollout
    assert world.status.rollout.to.digest == TWIN
    written = {manifest["kind"] for manifest in decision.apply}
    assert "ConfigMap" not in written
    assert "Deployment" in written
    assert decision.delete == ()
    assert world.revision == revision


def test_nothing_that_routers_may_name_is_removed(world: ServiceWorld) -> None:
    world.step(seconds=1)
    world.deployed.add("shop-v9-99999999")
    assert world.step(seconds=1).delete == ()


def test_the_condition_and_one_event_say_what_to_do(world: ServiceWorld) -> None:
    world.routers_follow = False
    for _ in range(3):
        world.step(seconds=1)
    reason = "RouterConfigurationInvalid"
    for kind, status in (("Ready", "False"), ("Stalled", "True"), ("Reconciling", "False")):
        condition = world.status.condition(kind)
        assert condition
        assert (condition.status, condition.reason) == (status, reason)
        assert "version-2-22222222 is defined 2 times" in condition.message
        assert "report this message" in condition.message
    available = world.status.condition("Available")
    assert available
    assert available.status == "True", "routers serve on"
    told = [one for one in world.announced if one.reason == reason]
    assert [one.type for one in told] == ["Warning"]


def test_it_goes_on_once_the_configuration_holds_together_again(world: ServiceWorld) -> None:
    world.settle()
    assert world.answering == TWIN
    ready = world.status.condition("Ready")
    assert ready
    assert ready.status == "True"
