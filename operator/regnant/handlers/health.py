"""What Kubernetes and Prometheus ask the process: is it alive, is it ready, what are its numbers.

A liveness that only proves that HTTP answers would keep a stuck operator for ever. Here a reason is
asked for: None means well, and any text is a 503 with that text.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

Trouble = Callable[[], str | None]
Answer = Callable[[web.Request], Awaitable[web.Response]]


class Ports(NamedTuple):
    """Where the servers listen; 0 takes any free port."""

    health: int
    metrics: int


@asynccontextmanager
async def serve(
    ports: Ports, *, alive: Trouble, ready: Trouble, registry: CollectorRegistry
) -> AsyncIterator[Ports]:
    """Answer on both ports while the context is open; gives the ports that were taken."""

    async def metrics(_: web.Request) -> web.Response:
        body = generate_latest(registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    probes = {"/healthz": _probe(alive), "/readyz": _probe(ready)}
    async with (
        _server(ports.health, probes) as health_port,
        _server(ports.metrics, {"/metrics": metrics}) as metrics_port,
    ):
        yield Ports(health_port, metrics_port)


def _probe(trouble: Trouble) -> Answer:
    async def answer(_: web.Request) -> web.Response:
        said = trouble()
        return web.Response(status=503 if said else 200, text=f"{said or 'ok'}\n")

    return answer


@asynccontextmanager
async def _server(port: int, routes: Mapping[str, Answer]) -> AsyncIterator[int]:
    application = web.Application()
    for path, handler in routes.items():
        application.router.add_get(path, handler)
    # A connection that is kept open would keep the process from ending.
    runner = web.AppRunner(application, access_log=None, keepalive_timeout=0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, None, port)
        await site.start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
