"""What no event told of is found by looking at everything again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from prometheus_client import CollectorRegistry

from regnant.api.meta import Kind
from regnant.cluster.client import Cluster
from regnant.cluster.connection import Kubeconfig
from regnant.controllers.queue import Key
from regnant.handlers.loop import Loop
from tests.component.handlers.operators import Recorder, operating, settings
from tests.component.objects import service, version


async def test_everything_is_looked_at_again_without_any_change(
    cluster: Cluster,
    namespace: str,
    access: Kubeconfig,
    unused_tcp_port_factory: Callable[[], int],
) -> None:
    ports = (unused_tcp_port_factory(), unused_tcp_port_factory())
    given = settings(access, f"--namespace={namespace}", "--resync-seconds=1", ports=ports)
    await cluster.create(service(namespace))
    await cluster.create(version(namespace, 1, model="fraud"))
    recorder = Recorder()
    async with operating(given, recorder):
        await recorder.log.until((Kind.INFERENCE_SERVICE, namespace, "churn"), 3)
        await recorder.log.until((Kind.MODEL_VERSION, namespace, "fraud-1"), 3)


async def test_what_vanished_unnoticed_is_woken_and_dropped(
    cluster: Cluster, namespace: str, access: Kubeconfig
) -> None:
    given = settings(access, f"--namespace={namespace}", ports=(0, 0))
    loop = Loop(replace(given, resync=timedelta(hours=1)), cluster, CollectorRegistry())
    ghost = Key(Kind.INFERENCE_SERVICE, namespace, "ghost")
    loop.inventory.notice(
        ghost.kind, {"metadata": {"name": "ghost", "namespace": namespace}, "spec": {}}
    )
    await cluster.create(service(namespace))
    await loop.resync.first()
    assert loop.inventory.keys() == {Key(Kind.INFERENCE_SERVICE, namespace, "churn")}
    recorder = Recorder()
    loop.start(dict.fromkeys(Kind, recorder))
    try:
        await recorder.log.until((ghost.kind, ghost.namespace, ghost.name), 1)
        await recorder.log.until((Kind.INFERENCE_SERVICE, namespace, "churn"), 1)
    finally:
        await loop.stop()
