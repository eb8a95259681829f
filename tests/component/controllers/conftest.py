"""An operator without its loop: the tests decide what is reconciled when."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from prometheus_client import CollectorRegistry

from regnant.cluster.client import Cluster
from regnant.cluster.connection import Kubeconfig
from regnant.controllers.metrics import ResourceMetrics
from regnant.controllers.queue import Key
from regnant.controllers.registry import build_reconcilers
from regnant.probes.router import Prober
from tests.component.controllers.node import Node
from tests.component.controllers.operators import PLATFORM, Clock, ObservedCluster, Operator
from tests.component.controllers.routers import router_stand_in


@pytest.fixture
async def operator(access: Kubeconfig, cluster: Cluster, namespace: str) -> AsyncIterator[Operator]:
    """The reconcilers of all kinds in a fresh namespace."""
    clock = Clock()
    woken: list[Key] = []
    async with (
        ObservedCluster(access) as own,
        router_stand_in() as router,
        Prober.open(port=router.port) as prober,
    ):
        reconcilers = build_reconcilers(
            own,
            prober,
            PLATFORM,
            clock=clock,
            wake=woken.append,
            metrics=ResourceMetrics(CollectorRegistry()),
        )
        node = Node(cluster, namespace, router)
        yield Operator(own, namespace, reconcilers, clock, node, woken)
