"""Pods that are only objects, and what routers and servers in their place tell the operator.

They are the stand-ins of the component tests, on loopback addresses of their own. Their pages are
as long as the real ones, since reading them is part of what is measured.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from aiohttp import web

from e2e.rollouts import NEVER, step
from regnant.api.latency import BUCKETS, FIRST_MICROSECONDS, GROWTH
from regnant.cluster.client import Cluster
from regnant.cluster.kinds import Manifest, Ref
from regnant.manifests import names
from regnant.manifests.router_config.clusters import servers_cluster, shadow_cluster
from regnant.manifests.router_config.place import VERIFICATION_PORT
from regnant.manifests.routing import Variant
from regnant.manifests.server import PORT as SERVER_PORT
from tests.component.controllers.node import Node
from tests.component.controllers.routers import RouterStandIn
from tests.component.objects import make_namespace
from tests.component.resources.documents import service, version

PER_SECOND = 20
"""Requests of users of each service."""
_SERVICE = "shop"
_DIGESTS = {1: "sha256:" + "a" * 64, 2: "sha256:" + "b" * 64}
_ENVOY_COUNTERS = (
    *("cx_connect_fail", "cx_total", "rq_error", "rq_success", "rq_timeout", "rq_total"),
)
_ENVOY_GAUGES = ("cx_active", "rq_active")


class Site(Node):
    """One service's share of a node: each of its pods has an address of its own."""

    def __init__(self, cluster: Cluster, namespace: str, number: int) -> None:
        super().__init__(cluster, namespace, Pages(number))
        self._addresses = {
            names.server(_SERVICE, version, digest): server_address(number, version)
            for version, digest in _DIGESTS.items()
        }
        self._own = router_address(number)
        self._reported: dict[str, Manifest] = {}

    async def challenge(self) -> None:
        """Register a second version."""
        await self.cluster.create(version(self.namespace, 2, digest=_DIGESTS[2]))

    async def rests(self, phase: str) -> bool:
        """Whether nothing but counting is left to do in a phase."""
        found = await self.cluster.get(Ref("InferenceService", self.namespace, _SERVICE))
        status: Manifest = (found or {}).get("status", {})
        stage = status.get("rollout", {}).get("stage", {})
        counts = phase == "Serving" or "evidence" in stage
        return bool(status.get("phase") == phase and counts)

    async def _report(self, pod: str, status: Manifest) -> None:
        """A kubelet does not say the same again either."""
        if self._reported.get(pod) != status:
            await super()._report(pod, status)
            self._reported[pod] = status

    def _condition_of(self, deployment: str) -> Manifest:
        address = self._addresses.get(deployment, self._own)
        return {**super()._condition_of(deployment), "podIP": address}


class Pages(RouterStandIn):
    """A router whose page of clusters is as long as Envoy's, and counts users' requests."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number
        self._began = time.monotonic()

    async def tries(self, request: web.Request) -> web.Response:
        """As many requests as there were by now, half of them to each version."""
        del request
        count = int((time.monotonic() - self._began) * PER_SECOND / 2)
        statuses = [
            _cluster_page(cluster, server_address(self._number, number), count)
            for number, digest in self.digests.items()
            for cluster in (
                servers_cluster(Variant("", number, digest, 0)),
                shadow_cluster(Variant("", number, digest, 0)),
            )
        ]
        return web.json_response({"cluster_statuses": statuses})

    def statistics(self, number: int) -> dict[str, Any]:
        """What a server of a version tells."""
        count = int((time.monotonic() - self._began) * PER_SECOND / 2)
        return {
            "boot": "e03e3b9aa244cf6d",
            "model": "churn",
            "version": str(number),
            "digest": _DIGESTS[number],
            **_traffic(count),
            "shadow": _traffic(0),
            "outcomes": {"kept": 0, "dropped": 0, "lastSequence": 0},
        }


@asynccontextmanager
async def site(cluster: Cluster, number: int) -> AsyncIterator[Site]:
    """A service with one version, and the addresses at which its pods answer."""
    namespace = f"upkeep-{number}"
    await make_namespace(cluster, namespace)
    made = Site(cluster, namespace, number)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(_listening(_router(made), router_address(number)))
        for one in _DIGESTS:
            address = server_address(number, one)
            await stack.enter_async_context(_listening(_server(made, one), address, SERVER_PORT))
        endless = step(50, requests=NEVER, maxDuration="24h")
        spec: dict[str, Any] = {"rollout": {"steps": [endless]}}
        await cluster.create(version(namespace, 1, digest=_DIGESTS[1]))
        await cluster.create(service(namespace, _SERVICE, **spec))
        yield made


def _router(site: Site) -> web.Application:
    """What a router answers the operator."""
    pages, application = site.router, web.Application()
    application.router.add_get("/envoy/discovery", pages.discovery)
    application.router.add_get("/envoy/clusters", pages.tries)
    application.router.add_get("/regnant/v1/golden", pages.golden)
    application.router.add_get("/v2/models/{model}", pages.metadata)
    application.router.add_post("/v2/models/{model}/infer", pages.infer)
    return application


def _server(site: Site, number: int) -> web.Application:
    """What a server answers the operator."""
    pages, application = site.router, web.Application()
    assert isinstance(pages, Pages)

    async def statistics(_: web.Request) -> web.Response:
        return web.json_response(pages.statistics(number))

    application.router.add_get("/regnant/v1/stats", statistics)
    return application


@asynccontextmanager
async def _listening(
    application: web.Application, address: str, port: int = VERIFICATION_PORT
) -> AsyncIterator[None]:
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, address, port).start()
        yield
    finally:
        await runner.cleanup()


def router_address(number: int) -> str:
    """A loopback address for the router of a service."""
    return f"127.1.{number}.1"


def server_address(number: int, version: int) -> str:
    """A loopback address for the server of a version."""
    return f"127.1.{number}.{version + 1}"


def _cluster_page(name: str, address: str, count: int) -> dict[str, Any]:
    """As Envoy tells of a cluster with one host."""
    values = {"rq_success": count, "rq_total": count, "cx_total": 4, "cx_active": 4}
    stats = [
        *({"name": one, "value": str(values.get(one, 0))} for one in _ENVOY_COUNTERS),
        *(
            {"type": "GAUGE", "name": one, "value": str(values.get(one, 0))}
            for one in _ENVOY_GAUGES
        ),
    ]
    host = {
        "address": {"socket_address": {"address": address, "port_value": SERVER_PORT}},
        "stats": stats,
        "health_status": {"eds_health_status": "HEALTHY"},
        "weight": 1,
        "hostname": f"{name}.upkeep.svc",
        "locality": {},
    }
    breakers = [
        {"priority": priority, "max_connections": 1024, "max_pending_requests": 1024}
        for priority in ("DEFAULT", "HIGH")
    ]
    return {
        "name": name,
        "added_via_api": True,
        "host_statuses": [host],
        "circuit_breakers": {"thresholds": breakers},
        "observability_name": name,
    }


def _traffic(count: int) -> dict[str, Any]:
    latency = [0] * BUCKETS
    latency[20], latency[21] = count - count // 3, count // 3
    return {
        "requests": {"ok": count, "client_error": 0, "server_error": 0},
        "nonFinite": 0,
        "latency": {
            "unit": "us",
            "growth": GROWTH,
            "first": FIRST_MICROSECONDS,
            "counts": latency,
        },
    }
