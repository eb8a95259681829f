"""Loopback addresses as pods have them: each pod its own, and all of a kind the same port.

The operator asks pods at ports that nothing can change, so the stand-ins listen on the real ones.
Which pod is asked is told by the address.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from regnant.manifests.router_config.clusters import servers_cluster
from regnant.manifests.router_config.place import VERIFICATION_PORT
from regnant.manifests.routing import Variant
from regnant.manifests.server import PORT as SERVER_PORT
from regnant.probes.server import OUTCOMES, STATISTICS
from tests.component.controllers.routers import RouterStandIn
from tests.component.kills.traffic import RouterPod, ServerPod, Traffic


class RouterDoor(RouterStandIn):
    """The listener of one router for the operator; it tells what the router really counted."""

    def __init__(self, traffic: Traffic, pod: RouterPod) -> None:
        super().__init__()
        self._traffic = traffic
        self._pod = pod

    def bring_up_to_date(self) -> None:
        """Count what came, and pass questions to the versions that run now."""
        self._traffic.change()
        self.revision = self._pod.configuration.revision
        self.digests = {one.version: one.digest for one in self._traffic.servers.values()}

    async def tries(self, request: web.Request) -> web.Response:
        """What it counted at each host, by the clusters that it knows."""
        known = self._pod.configuration.clusters - self._pod.configuration.members.keys()
        statuses = [
            {"name": name, "host_statuses": [self._host(name, server)]}
            for cluster, server in self._traffic.servers.items()
            for name in (cluster, f"{cluster}-shadow")
            if name in known
        ]
        return web.json_response({"cluster_statuses": statuses})

    def _host(self, cluster: str, server: ServerPod) -> dict[str, Any]:
        tried = self._pod.tries[cluster]
        counts = {"rq_success": tried.succeeded, "rq_error": tried.failed, "rq_timeout": 0}
        return {
            "address": {"socket_address": {"address": server.address, "port_value": SERVER_PORT}},
            "stats": [{"name": name, "value": str(count)} for name, count in counts.items()],
            "health_status": {},
        }


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Page = Callable[[RouterDoor, web.Request], Awaitable[web.Response]]


class Network:
    """Gives out addresses, and answers at them."""

    def __init__(self, routers: web.AppRunner, servers: web.AppRunner) -> None:
        self._addresses = _addresses()
        self._runners = {VERIFICATION_PORT: routers, SERVER_PORT: servers}
        self.doors: dict[str, RouterDoor] = {}
        self.servers: dict[str, tuple[Traffic, ServerPod]] = {}
        self._sites: dict[str, web.TCPSite] = {}

    async def start_router(self, traffic: Traffic, name: str) -> str:
        """A router without a configuration yet; its address."""
        address = await self._listen(VERIFICATION_PORT)
        pod = traffic.routers[name] = RouterPod()
        self.doors[address] = RouterDoor(traffic, pod)
        return address

    async def start_server(
        self, traffic: Traffic, version: int, digest: str, *, fails: bool
    ) -> str:
        """The server of a version; its address."""
        address = await self._listen(SERVER_PORT)
        pod = ServerPod(address, version, digest, fails)
        traffic.change()
        traffic.servers[servers_cluster(Variant("", version, digest, 0))] = pod
        self.servers[address] = (traffic, pod)
        return address

    async def stop(self, address: str) -> None:
        """The pod at this address goes, whoever still wants it."""
        self.doors.pop(address, None)
        traffic, pod = self.servers.pop(address, (None, None))
        if traffic and pod:
            traffic.change()
            del traffic.servers[servers_cluster(Variant("", pod.version, pod.digest, 0))]
            traffic.check()
        await self._sites.pop(address).stop()

    async def _listen(self, port: int) -> str:
        """The next address where nobody else listens on the port."""
        for address in self._addresses:
            site = web.TCPSite(self._runners[port], address, port)
            try:
                await site.start()
            except OSError:
                await site.stop()
                continue
            self._sites[address] = site
            return address
        raise AssertionError("there are no addresses left")


def _addresses() -> Iterator[str]:
    """Other sessions on this machine begin elsewhere."""
    start = random.randrange(1, 120 * 2**16)
    for number in itertools.count(start):
        high, middle, low = number >> 16, number >> 8 & 255, number & 255
        if 0 < low < 255:
            yield f"127.{high % 120 + 64}.{middle}.{low}"


@asynccontextmanager
async def network() -> AsyncIterator[Network]:
    """A network without pods."""
    routers, servers = web.Application(), web.Application()
    runners = [web.AppRunner(one, access_log=None) for one in (routers, servers)]
    made = Network(*runners)

    def ask(page: Page) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            door = made.doors[_asked(request)]
            door.bring_up_to_date()
            return await page(door, request)

        return answer

    async def statistics(request: web.Request) -> web.Response:
        traffic, pod = made.servers[_asked(request)]
        traffic.change()
        return pod.statistics()

    async def outcomes(request: web.Request) -> web.Response:
        traffic, pod = made.servers[_asked(request)]
        traffic.change()
        return pod.page(int(request.query["after"]))

    routers.router.add_get("/envoy/discovery", ask(RouterDoor.discovery))
    routers.router.add_get("/envoy/clusters", ask(RouterDoor.tries))
    routers.router.add_get("/regnant/v1/golden", ask(RouterDoor.golden))
    routers.router.add_get("/v2/models/{model}", ask(RouterDoor.metadata))
    routers.router.add_post("/v2/models/{model}/infer", ask(RouterDoor.infer))
    servers.router.add_get(STATISTICS, statistics)
    servers.router.add_get(OUTCOMES, outcomes)
    for runner in runners:
        await runner.setup()
    try:
        yield made
    finally:
        for runner in runners:
            await runner.cleanup()


def _asked(request: web.Request) -> str:
    """The address of the pod that is asked."""
    assert request.transport
    return str(request.transport.get_extra_info("sockname")[0])
