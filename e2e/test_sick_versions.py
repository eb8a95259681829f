"""A sick version never answers a user: it is turned down with its reason, and nobody notices.

One service with a healthy champion, asked by users all the time; the last test counts what became
of their requests. Each other registers one more version, sick in its own way; what follows is the
same for all of them, and so is checked by one function.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import pytest

from e2e.bundles import FALSE_ROW, Shelf, broken, good, with_a_false_golden_row
from e2e.faults import greedy_at_start, slow_at_start
from e2e.harness import Cluster, Manifest
from e2e.installation import Installation
from e2e.serving import Load, Service, shared_namespace


@dataclass(frozen=True)
class World:
    """A service whose champion is version 1, and the number that the next version takes."""

    service: Service
    shelf: Shelf
    champion: Manifest
    numbers: Iterator[int]
    load: Load

    def assert_turned_down(
        self, artifact: Manifest, reason: str, *words: str, once_told: str = ""
    ) -> None:
        """Register a sick version; all that must follow from it.

        What may pass by itself is waited for until the deadline. `once_told` is what users are told
        meanwhile; the deadline is set short when they were.
        """
        service, number = self.service, next(self.numbers)
        name = service.version_name(number)
        service.release(number, artifact)
        if once_told:
            service.wait_until_it_says(once_told)
            service.change(rollout={"progressDeadline": "1s"})
        rejection = service.wait_for_rejection(number)
        if once_told:
            service.change(rollout={"progressDeadline": "60s"})
        assert rejection["digest"] == artifact["digest"]
        assert rejection["reason"] == reason, rejection["message"]
        for word in words:
            assert word in rejection["message"]
        assert service.status["champion"]["artifact"]["digest"] == self.champion["digest"]
        outdated = service.wait_until_it_says(f"{name} was rejected: {rejection['message']}")
        assert (outdated["status"], outdated["reason"]) == ("False", reason)
        assert service.wait_for_condition("Ready", "Serving")
        event = service.events(reason)[-1]
        assert event["type"] == "Warning"
        assert f"{name} was rejected before it had any traffic" in event["note"]
        self._assert_registry_says_so(name, reason)

    def _assert_registry_says_so(self, name: str, reason: str) -> None:
        cluster, namespace = self.service.cluster, self.service.namespace
        cluster.wait_for_condition(
            "modelversion", name, namespace, "Verified", status="False", reason=reason
        )


@pytest.fixture(scope="module")
def world(
    regnant: Installation, cluster: Cluster, request: pytest.FixtureRequest
) -> Iterator[World]:
    """Version 1 is healthy and serves."""
    with Shelf.open(regnant) as shelf, shared_namespace(cluster, request) as namespace:
        service = Service(cluster, namespace)
        artifact = shelf.put(good(1.0))
        service.release(1, artifact)
        service.apply()
        service.wait_for_condition("Ready", "Serving")
        yield World(service, shelf, artifact, count(2), service.send_users())


def test_a_version_that_answers_its_golden_rows_wrongly_is_rejected_and_the_row_named(
    world: World,
) -> None:
    artifact = world.shelf.put(with_a_false_golden_row())
    world.assert_turned_down(artifact, "GoldenMismatch", f"row {FALSE_ROW}", '"prediction"')


def test_a_rejected_bundle_is_not_tried_again_under_another_number_until_asked_to(
    world: World,
) -> None:
    service, number = world.service, next(world.numbers)
    artifact = world.shelf.put(with_a_false_golden_row())
    started = len(service.events("RolloutStarted"))
    service.release(number, artifact)
    name = service.version_name(number)
    outdated = service.wait_until_it_says(
        f"{name} is the same bundle as line-2, which was rejected"
    )
    assert (outdated["status"], outdated["reason"]) == ("False", "GoldenMismatch")
    assert "retryToken" in outdated["message"]
    assert len(service.events("RolloutStarted")) == started
    service.change(rollout={"retryToken": "once more"})
    service.cluster.wait_for(
        "it was tried again and rejected again", lambda: _tried_with(service, "once more")
    )
    assert len(service.events("RolloutStarted")) == started + 1


def test_a_version_whose_graph_does_not_load_is_rejected(world: World) -> None:
    artifact = world.shelf.put(broken())
    world.assert_turned_down(artifact, "ModelLoadFailed", "model.onnx")


def test_a_version_whose_bundle_is_not_in_the_store_is_rejected(world: World) -> None:
    artifact = world.shelf.withhold(good(21.0))
    world.assert_turned_down(artifact, "BundleNotFound", artifact["digest"])


def test_a_version_of_which_one_bit_was_flipped_in_the_store_is_rejected(world: World) -> None:
    artifact = world.shelf.damage(good(22.0))
    world.assert_turned_down(artifact, "DigestMismatch", "model.onnx")


def test_a_version_that_needs_more_memory_than_its_limit_is_rejected(world: World) -> None:
    artifact = world.shelf.put(greedy_at_start())
    world.assert_turned_down(
        artifact, "OutOfMemory", "raise resources.limits.memory", once_told="used more memory"
    )


def test_a_version_for_which_the_namespace_has_no_room_is_rejected(world: World) -> None:
    """A quota that counts pods has none left for the new version's server."""
    service = world.service
    cluster, namespace = service.cluster, service.namespace
    quota: Manifest = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "full"},
        # The champion's server, the router, the users; versions before it may still be leaving.
        "spec": {"hard": {"count/pods": "3"}},
    }
    cluster.apply(quota, namespace)
    try:
        artifact = world.shelf.put(good(23.0))
        world.assert_turned_down(artifact, "PodsForbidden", once_told="exceeded quota: full")
    finally:
        cluster.delete("resourcequota", "full", namespace)


def test_a_version_that_is_not_ready_before_the_deadline_is_rejected(world: World) -> None:
    artifact = world.shelf.put(slow_at_start())
    world.assert_turned_down(
        artifact, "ProgressDeadlineExceeded", "rollout.progressDeadline", once_told="is taking over"
    )


def test_after_all_of_them_a_healthy_version_takes_over_and_no_request_ever_failed(
    world: World,
) -> None:
    service, number = world.service, next(world.numbers)
    service.release(number, world.shelf.put(good(2.0)))
    service.wait_for_champion(number)
    service.wait_for_condition("UpToDate", "Serving")
    world.load.stop()
    world.load.assert_nobody_failed(versions={"1", str(number)}, at_least=1000)
    # What was turned down is of no use to anybody, and may go.
    service.cluster.delete("modelversion", service.version_name(2), service.namespace)


def _tried_with(service: Service, token: str) -> bool:
    rejected: list[Manifest] = service.status["rejected"]
    return any(one.get("retryToken") == token for one in rejected)
