"""Users are answered whatever becomes of the operator, the routers and the servers.

The operator is killed in the middle of a takeover, taken away, and changed by helm; routers and
servers are restarted and killed. A load runs through all of it, and nobody notices.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from e2e.bundles import Shelf, good
from e2e.harness import Cluster, Manifest
from e2e.installation import Installation
from e2e.serving import ROUTERS, SERVERS, Service, shared_namespace

pytestmark = pytest.mark.exclusive


@dataclass(frozen=True)
class World:
    """A service with two routers and two servers, and the operator's installation."""

    service: Service
    shelf: Shelf
    installation: Installation

    @property
    def cluster(self) -> Cluster:
        """The cluster of both."""
        return self.installation.cluster

    def operators(self) -> list[str]:
        """The names of the operator's pods that are not on their way out."""
        installation = self.installation
        pods = self.cluster.find_all("pods", installation.namespace, installation.operator_selector)
        return [
            pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"]
        ]

    def scale_operator(self, replicas: int) -> None:
        """Take the operator away, or bring it back."""
        installation = self.installation
        where = f"--namespace={installation.namespace}"
        deployment = f"deployment/{installation.operator}"
        self.cluster.kubectl("scale", deployment, f"--replicas={replicas}", where)
        if replicas:
            self.cluster.kubectl("rollout", "status", deployment, where, "--timeout=120s")
        else:
            self.cluster.wait_for("the operator is gone", lambda: not self.operators())

    @contextmanager
    def without_operator(self) -> Iterator[None]:
        """The operator is away, and comes back."""
        self.scale_operator(0)
        try:
            yield
        finally:
            self.scale_operator(1)

    def restart(self, selector: str) -> None:
        """Restart every pod of the service's Deployments, as `kubectl rollout restart` does."""
        for name in self.service.deployments(selector):
            where = f"--namespace={self.service.namespace}"
            self.cluster.kubectl("rollout", "restart", f"deployment/{name}", where)
            self.cluster.kubectl("rollout", "status", f"deployment/{name}", where, "--timeout=180s")


@pytest.fixture(scope="module")
def world(
    regnant: Installation, cluster: Cluster, request: pytest.FixtureRequest
) -> Iterator[World]:
    """Version 1 serves, by two routers and two servers."""
    with Shelf.open(regnant) as shelf, shared_namespace(cluster, request) as namespace:
        service = Service(cluster, namespace)
        service.release(1, shelf.put(good(1.0)))
        service.apply(routers=2, replicas=2)
        service.wait_for_condition("Ready", "Serving")
        yield World(service, shelf, regnant)


def test_an_operator_killed_in_the_middle_of_a_takeover_completes_it(world: World) -> None:
    service = world.service
    with service.users() as load:
        service.release(2, world.shelf.put(good(2.0)))
        service.cluster.wait_for("a takeover is under way", lambda: service.status.get("rollout"))
        started = service.status["rollout"]["id"]
        before = world.operators()
        for name in before:
            world.cluster.kubectl(
                "delete",
                "pod",
                name,
                f"--namespace={world.installation.namespace}",
                "--grace-period=0",
                "--force",
            )
        status = service.wait_for_champion(2)
        assert status.get("rollout", {"id": started})["id"] == started
        service.wait_for_condition("UpToDate", "Serving")
        service.wait_until_settled()
    load.assert_nobody_failed(versions={"1", "2"}, at_least=500)
    assert not set(before) & set(world.operators())
    notes = [event["note"] for event in service.events("Promoted")]
    assert len([note for note in notes if note.startswith("line-2 was verified")]) == 1


def test_users_are_answered_while_the_operator_is_away(world: World) -> None:
    """Meanwhile a version is registered and a router dies; both are dealt with on its return."""
    service = world.service
    with service.users() as load:
        with world.without_operator():
            service.release(3, world.shelf.put(good(3.0)))
            _kill(service, service.pods(ROUTERS)[0])
            world.cluster.wait_for("both routers are ready", lambda: _ready(service, ROUTERS) == 2)
            assert service.status["champion"]["version"] == 2
        service.wait_for_champion(3)
        service.wait_for_condition("UpToDate", "Serving")
    load.assert_nobody_failed(versions={"2", "3"}, at_least=200)


def test_an_upgrade_of_the_operator_by_helm_touches_nothing_that_serves(world: World) -> None:
    service, installation = world.service, world.installation
    service.wait_until_settled()
    pods = {pod["metadata"]["uid"] for pod in service.pods() + service.pods(ROUTERS)}
    before = world.operators()
    with service.users() as load:
        installation.upgrade("--set=operator.logFormat=text")
        assert not set(before) & set(world.operators())
        # The new operator is at work.
        [server] = service.deployments()
        world.cluster.delete("poddisruptionbudget", server, service.namespace)
        world.cluster.wait_for_object(
            "poddisruptionbudget", server, service.namespace, lambda _: True
        )
        installation.upgrade("--set=operator.logFormat=json")
    load.assert_nobody_failed(versions={"3"}, at_least=200)
    assert {pod["metadata"]["uid"] for pod in service.pods() + service.pods(ROUTERS)} == pods


def test_a_rolling_restart_of_routers_and_servers_fails_no_request(world: World) -> None:
    service = world.service
    before = {pod["metadata"]["uid"] for pod in service.pods() + service.pods(ROUTERS)}
    with service.users() as load:
        world.restart(ROUTERS)
        world.restart(SERVERS)
        service.cluster.wait_for("the old pods are gone", lambda: _all_new(service, before))
    load.assert_nobody_failed(versions={"3"}, at_least=500)


def test_a_server_that_is_killed_takes_no_answer_along(world: World) -> None:
    service = world.service
    service.wait_for_condition("Ready", "Serving")
    with service.users() as load:
        _kill(service, service.pods()[0])
        service.cluster.wait_for("it was replaced", lambda: _ready(service, SERVERS) == 2)
    load.assert_nobody_failed(versions={"3"})


def _kill(service: Service, pod: Manifest) -> None:
    service.cluster.kubectl(
        "delete",
        "pod",
        pod["metadata"]["name"],
        f"--namespace={service.namespace}",
        "--grace-period=0",
        "--force",
    )


def _ready(service: Service, selector: str) -> int:
    return sum(
        condition["type"] == "Ready" and condition["status"] == "True"
        for pod in service.pods(selector)
        for condition in pod["status"].get("conditions", [])
    )


def _all_new(service: Service, before: set[str]) -> bool:
    chosen = f"regnant.dev/owner={service.name}"
    pods = service.cluster.find_all("pods", service.namespace, chosen)
    return not before & {pod["metadata"]["uid"] for pod in pods}
