"""A newer operator finds what an older one made, and brings it to what it wants itself."""

from __future__ import annotations

from dataclasses import replace

from prometheus_client import CollectorRegistry

from regnant.controllers.metrics import ResourceMetrics
from regnant.controllers.registry import build_reconcilers
from regnant.manifests.platform import Platform
from regnant.probes.router import Prober
from tests.component.controllers.operators import PLATFORM, Operator
from tests.component.resources.documents import service, version

SERVICE = "InferenceService"


def installed_with(operator: Operator, platform: Platform, prober: Prober) -> Operator:
    reconcilers = build_reconcilers(
        operator.cluster,
        prober,
        platform,
        clock=operator.clock,
        wake=operator.woken.append,
        metrics=ResourceMetrics(CollectorRegistry()),
    )
    return replace(operator, reconcilers=reconcilers)


async def test_what_is_not_asked_for_any_more_goes_away(operator: Operator) -> None:
    async with Prober.open(port=operator.node.router.port) as prober:
        await upgraded(operator, prober)


async def upgraded(operator: Operator, prober: Prober) -> None:
    older = installed_with(operator, replace(PLATFORM, image_pull_secrets=("old",)), prober)
    await operator.create(version(operator.namespace, 1))
    await operator.create(service(operator.namespace))
    await older.settle(SERVICE, "shop")
    before = await operator.get("Deployment", "shop-router")
    assert before["spec"]["template"]["spec"]["imagePullSecrets"] == [{"name": "old"}]

    newer = installed_with(operator, PLATFORM, prober)
    await newer.settle(SERVICE, "shop")
    after = await operator.get("Deployment", "shop-router")
    assert "imagePullSecrets" not in after["spec"]["template"]["spec"]
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
