"""What is deleted is what was judged, whoever has its name by then."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry

from regnant.api.inference_service import InferenceServiceSpec, InferenceServiceStatus
from regnant.api.meta import Kind
from regnant.api.resources import INFERENCE_SERVICE, Resource
from regnant.cluster.client import Cluster
from regnant.cluster.errors import ConflictError
from regnant.cluster.kinds import Manifest
from regnant.controllers.metrics import ResourceMetrics
from regnant.controllers.queue import Key
from regnant.controllers.reconciler import Reconciler, Sighting
from regnant.lifecycle.decision import Child, Decision
from regnant.lifecycle.diagnosis import Fault
from tests.component.objects import child, reference, service

Service = Resource[InferenceServiceSpec, InferenceServiceStatus]


@dataclass
class Outpaced:
    """Sees a child that is to go, which somebody else deletes and makes again at that moment."""

    cluster: Cluster
    namespace: str
    remade: bool

    async def observe(
        self, resource: Service, obstacle: Fault | None
    ) -> Sighting[InferenceServiceStatus]:
        del obstacle
        manifest = child(self.namespace, "config", owner="churn")
        seen = await self.cluster.get(reference(manifest))
        assert seen is not None
        if self.remade:
            await self.cluster.delete(reference(manifest))
            await self.cluster.create(manifest)
        decision = Decision(resource.status, delete=(Child("ConfigMap", "config"),))
        return Sighting(lambda _: decision, {("ConfigMap", "config"): seen})


async def reconcile(cluster: Cluster, namespace: str, *, remade: bool) -> Manifest | None:
    """One round; the child as it is then."""
    await cluster.create(service(namespace))
    made = child(namespace, "config", owner="churn")
    await cluster.create(made)
    reconciler = Reconciler(
        INFERENCE_SERVICE,
        (InferenceServiceSpec, InferenceServiceStatus),
        Outpaced(cluster, namespace, remade),
        cluster,
        clock=lambda: datetime(2026, 1, 1, tzinfo=UTC),
        metrics=ResourceMetrics(CollectorRegistry()),
    )
    try:
        await reconciler.reconcile(Key(Kind.INFERENCE_SERVICE, namespace, "churn"))
    finally:
        left = await cluster.get(reference(made))
    return left


async def test_what_is_not_wanted_any_more_is_deleted(cluster: Cluster, namespace: str) -> None:
    assert await reconcile(cluster, namespace, remade=False) is None


async def test_what_was_made_again_under_the_name_is_left_and_looked_at_anew(
    cluster: Cluster, namespace: str
) -> None:
    with pytest.raises(ConflictError) as caught:
        await reconcile(cluster, namespace, remade=True)
    assert caught.value.transient
    assert await cluster.get(reference(child(namespace, "config", owner="churn")))
