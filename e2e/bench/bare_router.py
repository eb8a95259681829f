"""Envoy as a proxy and nothing else, the peer that Regnant's routers are compared with.

One listener, one route, one cluster with one address; every option is Envoy's default. It checks no
health, tries nothing twice, copies nothing, and tells nobody which version answered.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from e2e.bench.closed_loop import LOOPBACK, Target
from tests.unit.ports import free_port
from tests.unit.router.running_router import envoy_binary, until

_API = "type.googleapis.com/envoy.extensions.filters"


@asynccontextmanager
async def bare_router(directory: Path, server: Target) -> AsyncIterator[Target]:
    """Run it in front of one server."""
    port = free_port()
    file = directory / "bare.json"
    file.write_text(json.dumps(_configuration(port, server.port)))
    process = await asyncio.create_subprocess_exec(
        str(envoy_binary()),
        *("--config-path", str(file), "--concurrency", "1", "--log-level", "error"),
        "--disable-hot-restart",
    )

    async def listens() -> bool:
        try:
            _, writer = await asyncio.open_connection(LOOPBACK, port)
        except ConnectionRefusedError:
            return False
        writer.close()
        return True

    try:
        await until(listens, "the bare router listens")
        yield Target(port, process.pid)
    finally:
        process.terminate()
        await process.wait()


def _configuration(port: int, server_port: int) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": _address(server_port)}}
    cluster = {
        "name": "server",
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": "server",
            "endpoints": [{"lb_endpoints": [endpoint]}],
        },
    }
    route = {"match": {"prefix": "/"}, "route": {"cluster": "server"}}
    manager = {
        "@type": f"{_API}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "users",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{_API}.http.router.v3.Router"},
            }
        ],
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    listener = {
        "name": "users",
        "address": _address(port),
        "filter_chains": [{"filters": filters}],
    }
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": LOOPBACK, "port_value": port}}
