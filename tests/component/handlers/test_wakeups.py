"""Which changes in the cluster make the operator look, and what it leaves on users' objects."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from regnant.api.meta import Kind
from regnant.cluster.client import Cluster
from regnant.cluster.connection import Kubeconfig
from regnant.handlers.settings import Settings
from tests.component.handlers.operators import Recorder, operating, settings
from tests.component.objects import child, make_namespace, reference, service, version

Ports = tuple[int, int]


@pytest.fixture
def given(access: Kubeconfig, namespace: str, unused_tcp_port_factory: object) -> Settings:
    assert callable(unused_tcp_port_factory)
    ports = (unused_tcp_port_factory(), unused_tcp_port_factory())
    return settings(access, f"--namespace={namespace}", ports=ports)


@pytest.fixture
async def recorder(given: Settings) -> AsyncIterator[Recorder]:
    recorder = Recorder()
    async with operating(given, recorder):
        yield recorder


async def test_what_was_there_before_the_start_is_reconciled(
    cluster: Cluster, namespace: str, given: Settings
) -> None:
    await cluster.create(service(namespace))
    recorder = Recorder()
    async with operating(given, recorder):
        await recorder.log.until((Kind.INFERENCE_SERVICE, namespace, "churn"), 1)


async def test_our_own_status_wakes_nobody_but_a_users_change_does(
    cluster: Cluster, namespace: str, recorder: Recorder
) -> None:
    churn = (Kind.INFERENCE_SERVICE, namespace, "churn")
    fraud = (Kind.INFERENCE_SERVICE, namespace, "fraud")
    await cluster.create(service(namespace))
    await recorder.log.until(churn, 1)
    status = {**service(namespace), "status": {"phase": "Waiting"}}
    del status["spec"]
    await cluster.apply(status, subresource="status")
    # Once this one was woken, the status has been seen as well: one stream brings both.
    await cluster.create(service(namespace, "fraud", model="fraud"))
    await recorder.log.until(fraud, 1)
    await cluster.annotate(reference(service(namespace)), {"regnant.dev/retry": "1"})
    await recorder.log.until(churn, 2)
    await cluster.delete(reference(service(namespace)))
    await recorder.log.until(churn, 3)
    assert recorder.log.counts[churn] == 3


async def test_nothing_is_left_on_a_users_object(
    cluster: Cluster, namespace: str, recorder: Recorder
) -> None:
    created = await cluster.create(service(namespace))
    await recorder.log.until((Kind.INFERENCE_SERVICE, namespace, "churn"), 1)
    await cluster.annotate(reference(service(namespace)), {"mine": "1"})
    await recorder.log.until((Kind.INFERENCE_SERVICE, namespace, "churn"), 2)
    live = await cluster.get(reference(service(namespace)))
    assert live is not None
    assert "finalizers" not in live["metadata"]
    assert live["metadata"]["annotations"] == {"mine": "1"}
    assert live["spec"] == created["spec"]
    assert live["metadata"]["generation"] == 1
    await cluster.delete(reference(service(namespace)))
    assert await cluster.get(reference(service(namespace))) is None


async def test_a_new_version_wakes_the_services_of_its_model(
    cluster: Cluster, namespace: str, recorder: Recorder
) -> None:
    churn = (Kind.INFERENCE_SERVICE, namespace, "churn")
    fraud = (Kind.INFERENCE_SERVICE, namespace, "fraud")
    await cluster.create(service(namespace))
    await cluster.create(service(namespace, "fraud", model="fraud"))
    await recorder.log.until(churn, 1)
    await recorder.log.until(fraud, 1)
    await cluster.create(version(namespace, 1))
    await recorder.log.until(churn, 2)
    await recorder.log.until((Kind.MODEL_VERSION, namespace, "churn-1"), 1)
    assert recorder.log.counts[fraud] == 1


async def test_a_child_that_is_deleted_wakes_its_owner(
    cluster: Cluster, namespace: str, recorder: Recorder
) -> None:
    churn = (Kind.INFERENCE_SERVICE, namespace, "churn")
    await cluster.create(child(namespace, "config", owner="churn"))
    await recorder.log.until(churn, 1)
    await cluster.delete(reference(child(namespace, "config", owner="churn")))
    await recorder.log.until(churn, 2)


async def test_other_namespaces_are_left_alone(
    cluster: Cluster, namespace: str, recorder: Recorder
) -> None:
    other = f"{namespace}-other"
    await make_namespace(cluster, other)
    await cluster.create(service(other))
    await cluster.create(child(other, "config", owner="churn"))
    await cluster.create(service(namespace))
    await recorder.log.until((Kind.INFERENCE_SERVICE, namespace, "churn"), 1)
    assert {woken[1] for woken in recorder.log.counts} == {namespace}


async def test_the_numbers_are_there_for_prometheus(
    cluster: Cluster, namespace: str, recorder: Recorder, given: Settings
) -> None:
    await cluster.create(service(namespace))
    await recorder.log.until((Kind.INFERENCE_SERVICE, namespace, "churn"), 1)
    async with httpx.AsyncClient(trust_env=False) as client:
        numbers = (await client.get(f"http://127.0.0.1:{given.metrics_port}/metrics")).text
        health = await client.get(f"http://127.0.0.1:{given.health_port}/healthz")
    assert 'workqueue_adds_total{name="InferenceService"}' in numbers
    assert 'regnant_oldest_unreconciled_seconds{kind="InferenceService"}' in numbers
    assert "process_resident_memory_bytes" in numbers
    assert (health.status_code, health.text) == (200, "ok\n")
