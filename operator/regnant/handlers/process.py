"""One operator from its start to its end.

Reach the cluster, lead if there are others, list everything, then watch and reconcile until a
signal comes. At the end nothing new is taken, what is being worked on is finished, and the Lease is
given back. An operator that lost its Lease, or any of its tasks, stops working at once and exits
with 1; its successor begins from what the cluster says.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import kopf
from kopf._core.engines.peering import Identity
from prometheus_client import GC_COLLECTOR, CollectorRegistry, PlatformCollector, ProcessCollector

from regnant.api.meta import Kind
from regnant.cluster.client import Cluster
from regnant.cluster.kinds import Ref
from regnant.cluster.leadership import Leadership
from regnant.controllers.metrics import ResourceMetrics
from regnant.controllers.registry import Reconciles, build_reconcilers
from regnant.handlers import health, wakeups
from regnant.handlers.loop import Loop
from regnant.handlers.settings import Settings
from regnant.probes import Prober

LEASE = "regnant-operator"

Build = Callable[[Cluster, Prober, Loop, ResourceMetrics], Mapping[Kind, Reconciles]]


@dataclass
class Stage:
    """How far the process has come, for /readyz."""

    standing_by: bool = False
    watching: asyncio.Event = field(default_factory=asyncio.Event)


async def run(settings: Settings, *, build: Build | None = None) -> int:
    """Operate until a signal comes; the process's exit code."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    registry.register(GC_COLLECTOR)
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(Cluster(settings.access))
        prober = await stack.enter_async_context(Prober.open())
        loop = Loop(settings, cluster, registry)
        reconcilers = (build or _standard(settings))(
            cluster, prober, loop, ResourceMetrics(registry)
        )
        stage = Stage()
        await stack.enter_async_context(
            health.serve(
                health.Ports(settings.health_port, settings.metrics_port),
                alive=loop.stuck,
                ready=lambda: _unready(stage, loop),
                registry=registry,
            )
        )
        leadership = await stack.enter_async_context(_leading(settings, cluster, stage))
        await loop.resync.first()
        await _operate(settings, loop, reconcilers, leadership, stage)
    return 1 if loop.failed else 0


def _standard(settings: Settings) -> Build:
    """The reconcilers of the three kinds."""

    def build(
        cluster: Cluster, prober: Prober, loop: Loop, metrics: ResourceMetrics
    ) -> Mapping[Kind, Reconciles]:
        return build_reconcilers(
            cluster,
            prober,
            settings.platform,
            clock=lambda: datetime.now(UTC),
            wake=loop.queue.add,
            metrics=metrics,
            listen=loop.queue.listen,
        )

    return build


@asynccontextmanager
async def _leading(
    settings: Settings, cluster: Cluster, stage: Stage
) -> AsyncIterator[Leadership | None]:
    """Lead, if leaders are elected; the Lease is given back in the end.

    Standing by is being ready, or an upgrade would never end.
    """
    if not settings.leader_elect:
        yield None
        return
    leadership = Leadership(cluster, Ref("Lease", settings.home, LEASE), settings.identity)
    stage.standing_by = True
    await leadership.acquire()
    stage.standing_by = False
    try:
        yield leadership
    finally:
        await leadership.release()


async def _operate(
    settings: Settings,
    loop: Loop,
    reconcilers: Mapping[Kind, Reconciles],
    leadership: Leadership | None,
    stage: Stage,
) -> None:
    """Run kopf, and the loop between its start-up and its clean-up."""
    registry = kopf.OperatorRegistry()
    wakeups.log_in(registry, settings.access)
    wakeups.watch_resources(registry, loop.inventory, loop.queue)

    @kopf.on.startup(registry=registry)
    async def start(**_: Any) -> None:
        loop.start(reconcilers)
        if leadership is not None:
            loop.spawn(leadership.hold(), "the leadership")

    @kopf.on.cleanup(registry=registry)
    async def stop(**_: Any) -> None:
        await loop.stop()

    await kopf.operator(
        registry=registry,
        settings=wakeups.operator_settings(),
        # Without it kopf looks the user up by name, and a container's user has none.
        identity=Identity(settings.identity),
        standalone=True,
        clusterwide=not settings.namespaces,
        namespaces=settings.namespaces,
        ready_flag=stage.watching,
        stop_flag=loop.ending,
    )


def _unready(stage: Stage, loop: Loop) -> str | None:
    if stage.standing_by:
        return None
    if not stage.watching.is_set():
        return "the resources are not watched yet"
    return loop.waiting_for()
