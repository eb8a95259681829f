"""A router in place of Envoy: the listener that the operator asks, on loopback.

It has the configuration that was brought to it and passes questions to the versions that it was
told run; what a version answers is the test's choice.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from regnant.manifests.router_config.clusters import servers_cluster
from regnant.manifests.routing import Variant

_PARTS = ("cluster_manager.cds", "listener_manager.lds", "http.users.rds.routes")
_INPUTS = [{"name": "features", "datatype": "FP64", "shape": [2, 1], "data": [0.5, 1.5]}]


def _outputs(label: int) -> list[dict[str, Any]]:
    return [{"name": "label", "datatype": "INT64", "shape": [2], "data": [0, label]}]


@dataclass
class RouterStandIn:
    """All routers of a test: they share one address."""

    port: int = 0
    revision: str = ""
    digests: dict[int, str] = field(default_factory=dict)
    """The versions that run, by number."""
    wrong: set[int] = field(default_factory=set)
    """The versions that answer their golden rows falsely."""
    other_columns: set[int] = field(default_factory=set)
    """The versions that take another tensor than the rest."""
    unhealthy: set[int] = field(default_factory=set)
    """The versions that it sends no users, as their health is not known yet."""
    asked: list[str] = field(default_factory=list)

    async def discovery(self, request: web.Request) -> web.Response:
        """What it took up, as Envoy says it: all of it, and nothing refused."""
        self.asked.append(request.path)
        counters = ("update_rejected", "update_failure")
        stats: list[dict[str, Any]] = [
            {"name": f"{part}.{counter}"} for part in _PARTS for counter in counters
        ]
        stats += [{"name": f"{part}.version_text", "value": self.revision} for part in _PARTS]
        return web.json_response({"stats": stats})

    async def tries(self, request: web.Request) -> web.Response:
        """Each version has a server, of which nobody asked anything."""
        self.asked.append(request.path)
        counters = [{"name": name} for name in ("rq_success", "rq_error", "rq_timeout")]
        address = {"socket_address": {"address": "10.0.0.1", "port_value": 8080}}
        statuses = [
            {
                "name": servers_cluster(Variant("", version, digest, 0)),
                "host_statuses": [
                    {
                        "address": address,
                        "stats": counters,
                        "health_status": {"failed_active_health_check": version in self.unhealthy},
                    }
                ],
            }
            for version, digest in self.digests.items()
        ]
        return web.json_response({"cluster_statuses": statuses})

    async def golden(self, request: web.Request) -> web.Response:
        sample = {
            "request": {"inputs": _INPUTS},
            "response": {"outputs": _outputs(1)},
            "tolerance": {"absolute": 1e-5, "relative": 1e-4},
        }
        return self._answer(request, sample)

    async def metadata(self, request: web.Request) -> web.Response:
        features = "income" if self._version(request) in self.other_columns else "features"
        tensors = [{"name": features, "datatype": "FP64", "shape": [-1, 1]}]
        label = [{"name": "label", "datatype": "INT64", "shape": [-1]}]
        return self._answer(request, {"name": "churn", "inputs": tensors, "outputs": label})

    async def infer(self, request: web.Request) -> web.Response:
        label = 0 if self._version(request) in self.wrong else 1
        return self._answer(request, {"outputs": _outputs(label)})

    def _answer(self, request: web.Request, document: dict[str, Any]) -> web.Response:
        self.asked.append(request.path)
        version = self._version(request)
        if version not in self.digests:
            return web.json_response({"error": "no such version"}, status=503)
        headers = {"x-regnant-version": str(version), "x-regnant-digest": self.digests[version]}
        return web.json_response(document, headers=headers)

    @staticmethod
    def _version(request: web.Request) -> int:
        return int(request.headers["x-regnant-verify-version"])


@asynccontextmanager
async def router_stand_in() -> AsyncIterator[RouterStandIn]:
    """The stand-in, listening."""
    stand_in = RouterStandIn()
    application = web.Application()
    application.router.add_get("/envoy/discovery", stand_in.discovery)
    application.router.add_get("/envoy/clusters", stand_in.tries)
    application.router.add_get("/regnant/v1/golden", stand_in.golden)
    application.router.add_get("/v2/models/{model}", stand_in.metadata)
    application.router.add_post("/v2/models/{model}/infer", stand_in.infer)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        stand_in.port = runner.addresses[0][1]
        yield stand_in
    finally:
        await runner.cleanup()
