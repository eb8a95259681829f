"""A new version takes over and returns while users ask, and none of them notices.

The load leaves at its times whether or not earlier requests were answered, and runs over the whole
of each transition: start, proof, promotion, watch, and the removal of what is over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from e2e import faults
from e2e.access import ProgramError
from e2e.bundles import Shelf, good, request
from e2e.harness import Cluster, Manifest
from e2e.installation import Installation
from e2e.serving import Asker, Service, shared_namespace


@dataclass(frozen=True)
class World:
    """A service whose versions take over, one after the other."""

    service: Service
    asker: Asker
    shelf: Shelf

    def refusal_to_delete(self, number: int) -> str:
        """What is said to a user who deletes a version that is needed."""
        name = self.service.version_name(number)
        with pytest.raises(ProgramError) as refused:
            self.service.cluster.kubectl(
                "delete", "modelversion", name, f"--namespace={self.service.namespace}"
            )
        return refused.value.stderr


@pytest.fixture(scope="module")
def world(
    regnant: Installation, cluster: Cluster, request: pytest.FixtureRequest
) -> Iterator[World]:
    """Version 1 serves."""
    with Shelf.open(regnant) as shelf, shared_namespace(cluster, request) as namespace:
        service = Service(cluster, namespace)
        service.release(1, shelf.put(good(1.0)))
        service.apply(watch="5s")
        asker = Asker(cluster, namespace).start()
        service.wait_for_condition("Ready", "Serving")
        yield World(service, asker, shelf)


def test_a_newer_version_takes_over_and_no_request_fails(world: World) -> None:
    service = world.service
    url = service.status["url"]
    [former] = service.deployments().items()
    with service.users() as load:
        service.release(2, world.shelf.put(good(2.0)))
        status = service.wait_for_champion(2)
        assert status["phase"] == "Watching"
        assert status["previous"]["version"] == 1
        assert "InferenceService line (Previous)" in _eventually(world, 1)
        # Both run, every router gives all to one, and a user cannot choose between them.
        service.wait_until(
            "every router was seen to give version 2 all of the traffic",
            lambda status: [share["version"] for share in status["traffic"]] == [2],
        )
        chosen = world.asker.infer(service.url, request(), x_regnant_verify_version="1")
        assert (chosen.status, chosen.version) == (200, "2")
        during = service.deployments()
        service.wait_until_settled()
        service.cluster.wait_until_gone("deployment", former[0], service.namespace)
        service.cluster.wait_until_gone("service", former[0], service.namespace)
    load.assert_nobody_failed(versions={"1", "2"}, at_least=1000)
    assert service.status["url"] == url
    assert service.status["previous"]["version"] == 1
    assert service.condition("UpToDate")["status"] == "True"
    # The promotion moved the traffic, and touched no server.
    assert _identity(during[former[0]]) == _identity(former[1])
    [now] = service.deployments().items()
    assert _identity(during[now[0]]) == _identity(now[1])
    assert [event["note"] for event in service.events("Promoted")][-1] == (
        "line-2 was verified; it answers all requests; line-1 is kept ready to return for 5s"
    )
    assert len(service.events("RolloutCompleted")) == 1


def test_a_version_in_use_is_not_deleted_and_one_that_nobody_uses_is(world: World) -> None:
    service = world.service
    service.wait_until_settled()
    refusal = _eventually(world, 2)
    assert "ModelVersion line-2 is in use by InferenceService line (Champion)" in refusal
    service.release(90, world.shelf.put(good(1.0)))
    service.change(champion={"version": 2})
    service.cluster.wait_for_condition(
        "modelversion", service.version_name(90), service.namespace, "Ready"
    )
    service.wait_until_settled()
    service.cluster.delete("modelversion", service.version_name(90), service.namespace)


def test_a_pin_returns_to_an_older_version_and_no_request_fails(world: World) -> None:
    service = world.service
    with service.users() as load:
        service.change(champion={"version": 1})
        service.wait_for_champion(1)
        service.wait_until_settled()
    load.assert_nobody_failed(versions={"1", "2"}, at_least=500)
    assert service.condition("UpToDate")["status"] == "True"


def test_a_pin_to_an_unknown_version_says_so_and_changes_nothing(world: World) -> None:
    service = world.service
    service.change(champion={"version": 77})
    said = service.wait_until_it_says("there is no ModelVersion line-77")
    assert (said["status"], said["reason"]) == ("False", "ModelVersionNotFound")
    assert service.condition("Ready")["status"] == "True"
    assert service.status["champion"]["version"] == 1
    assert world.asker.infer(service.url, request()).version == "1"


def test_a_champion_that_dies_within_the_watch_gives_the_traffic_back(world: World) -> None:
    """One user keeps asking what costs the new version's server more memory than it may have."""
    service = world.service
    former = service.status["champion"]["version"]
    with service.users() as load:
        service.change(champion={"version": 3}, rollout={"watch": {"duration": "10m"}})
        service.release(3, world.shelf.put(faults.greedy(3.0)))
        service.wait_for_champion(3)
        # Even that user is answered, each time: by the version that stands by.
        service.cluster.wait_for(
            "the takeover is turned back", lambda: _turned_back_by_the_mark(world, former)
        )
        rejection = service.wait_for_rejection(3)
        service.wait_for_champion(former)
    load.assert_nobody_failed(versions={str(former), "3"}, at_least=100)
    # Whichever shows first: that the server ended, or that it left its users without an answer.
    cause = {"OutOfMemory": "raise resources.limits.memory", "ErrorRateTooHigh": "failed"}
    assert cause[rejection["reason"]] in rejection["message"]
    [event] = service.events("RolledBack")
    assert event["type"] == "Warning"
    assert f"line-{former} answers again, as line-3 stopped being healthy" in event["note"]
    outdated = service.wait_until_it_says("line-3 was rejected")
    assert (outdated["status"], outdated["reason"]) == ("False", rejection["reason"])
    assert service.condition("Ready")["status"] == "True"
    # It is not tried again, whether or not it would be healthy by now.
    [_] = [event for event in service.events("RolloutStarted") if "line-3 " in event["note"]]
    service.wait_until_settled()
    assert [(one["version"], one["percent"]) for one in service.status["traffic"]] == [
        (former, 100)
    ]


def test_a_namespace_with_versions_in_use_is_deleted_without_complaint(
    world: World, cluster: Cluster, request: pytest.FixtureRequest
) -> None:
    if request.session.testsfailed:
        pytest.skip("a test failed, and what it left is to be looked at")
    namespace = world.service.namespace
    cluster.delete("namespace", namespace, wait=False)
    cluster.wait_until_gone("namespace", namespace, seconds=90)


def _turned_back_by_the_mark(world: World, former: int) -> bool:
    answer = world.asker.infer(world.service.url, request(faults.MARK))
    assert (answer.status, answer.version) == (200, str(former)), answer.text
    transition = world.service.status.get("rollout")
    return transition is None or "rollback" in transition


def _eventually(world: World, number: int) -> str:
    """The refusal to delete a version, once its status says who uses it."""
    service = world.service
    service.cluster.wait_for_object(
        "modelversion",
        service.version_name(number),
        service.namespace,
        lambda found: found["status"].get("usedBy"),
    )
    return world.refusal_to_delete(number)


def _identity(deployment: Manifest) -> tuple[str, Manifest]:
    return deployment["metadata"]["uid"], deployment["spec"]["template"]
