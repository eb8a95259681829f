"""A real Envoy on loopback, fed as the kubelet feeds it, in front of tiny real servers."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import httpx
from aiohttp import web

from regnant.manifests.router_config import Place, router_files
from regnant.manifests.router_config.tries import NON_FINITE_HEADER
from regnant.manifests.routing import Variant
from tests.unit.ports import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from regnant.manifests.routing import Routing

LOOPBACK = "127.0.0.1"
DEADLINE = 20
PARTS = {
    "cds.json": "cluster_manager.cds",
    "lds.json": "listener_manager.lds",
    "rds.json": "http.users.rds.routes",
}
"""By which name a router tells of each of its files."""


def envoy_binary() -> Path:
    """The binary itself: the wheel's own command is a Python script in front of it."""
    spec = find_spec("envoy")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "_bin" / "envoy"


@dataclass
class Server:
    """A server of one version, whose behaviour a test may change at any time."""

    version: int
    port: int = 0
    status: int = 200
    ready: bool = True
    delay: float = 0.0
    padding: int = 0
    non_finite: bool = False
    """It says that its answers hold a number that is none."""
    fault: Literal["", "reset", "cut", "hang"] = ""
    """What goes wrong instead of an answer: no head, half of a body, or nothing at all."""
    broken: int = 0
    """How many of the first requests it breaks off, as if it had died of them."""
    hanging: int = 0
    """How many requests hang."""
    released: asyncio.Event = field(default_factory=asyncio.Event)
    """Set, to answer what hangs."""
    answered: int = 0
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[int] = field(default_factory=list)

    @property
    def variant(self) -> Variant:
        return Variant(LOOPBACK, self.version, f"sha256:{self.version:064x}", self.port)

    @property
    def digest(self) -> str:
        return self.variant.digest

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/ready"):
            own = f"/versions/{self.version}/ready"
            status = 200 if self.ready else 503
            return web.json_response({}, status=status if request.path.endswith(own) else 404)
        body = await request.read()
        self.answered += 1
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        self.bodies.append(len(body))
        await asyncio.sleep(self.delay)
        if self.fault == "hang":
            await self._hang()
        elif self.fault or self.answered <= self.broken:
            return await self._break_off(request)
        content = {"path": request.path, "padding": "x" * self.padding}
        return web.json_response(content, status=self.status, headers=self.named)

    async def _hang(self) -> None:
        self.hanging += 1
        try:
            await self.released.wait()
        finally:
            self.hanging -= 1

    async def _break_off(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={**self.named, "content-length": "1000"})
        if request.transport is not None:
            if self.fault == "cut":
                await answer.prepare(request)
                await answer.write(b"x" * 500)
            request.transport.close()
        return answer

    @property
    def named(self) -> dict[str, str]:
        said = {NON_FINITE_HEADER: "true"} if self.non_finite else {}
        return {"x-regnant-version": str(self.version), "x-regnant-digest": self.digest} | said


@asynccontextmanager
async def serving(server: Server) -> AsyncIterator[Server]:
    application = web.Application(client_max_size=2**25)
    application.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(application, shutdown_timeout=0.5)
    await runner.setup()
    site = web.TCPSite(runner, LOOPBACK, server.port)
    await site.start()
    assert site._server is not None
    assert isinstance(site._server, asyncio.Server)
    server.port = site._server.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        server.released.set()
        await runner.cleanup()


class Directory:
    """A mounted ConfigMap: one link is swapped, and with it every file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._count = 0

    def publish(self, files: dict[str, str]) -> None:
        self._count += 1
        content = self._path / f"..{self._count}"
        content.mkdir(parents=True)
        for name, text in files.items():
            (content / name).write_text(text)
            link = self._path / name
            if not link.is_symlink():
                link.symlink_to(Path("..data") / name)
        fresh = self._path / "..data_tmp"
        fresh.symlink_to(content.name)
        fresh.rename(self._path / "..data")


@dataclass
class Router:
    """A running Envoy with clients for its two doors."""

    place: Place
    directory: Directory
    users: httpx.AsyncClient
    operator: httpx.AsyncClient
    process: asyncio.subprocess.Process

    async def publish(self, routing: Routing) -> None:
        """Publish a routing and wait until the router has taken up all of it."""
        self.directory.publish(router_files(routing, self.place))
        await self.until_revision(routing.revision)

    async def until_revision(self, revision: str) -> None:
        await until(lambda: self._shows(revision), f"all of the router is at revision {revision}")

    async def until_reached(self, server: Server) -> None:
        """Wait until the router knows that a version's server is healthy."""
        name = f"version-{server.version}-"

        async def is_healthy() -> bool:
            text = (await self.operator.get("/envoy/clusters")).text
            lines = [line for line in text.splitlines() if line.startswith(name)]
            return any(line.endswith("::health_flags::healthy") for line in lines)

        await until(is_healthy, f"version {server.version} is healthy")

    async def statistic(self, name: str) -> int:
        text = (await self.operator.get("/envoy/stats/prometheus")).text
        return sum(
            int(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name)
        )

    async def _shows(self, revision: str) -> bool:
        try:
            answer = await self.operator.get("/envoy/discovery")
        except httpx.TransportError:
            return False
        if answer.status_code != 200:
            return False
        # What a router does not know yet may have no value, or no line at all.
        shown = {one["name"]: one.get("value", "") for one in answer.json()["stats"]}
        return all(shown.get(f"{part}.version_text") == revision for part in PARTS.values())


async def until(condition: object, what: str) -> None:
    assert callable(condition)
    try:
        async with asyncio.timeout(DEADLINE):
            while not await condition():  # noqa: ASYNC110 - another process sets no event
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"not within {DEADLINE} s: {what}") from None


@asynccontextmanager
async def running_router(path: Path, routing: Routing) -> AsyncIterator[Router]:
    place = Place(str(path), LOOPBACK, free_port(), free_port(), free_port(), drain_seconds=1)
    directory = Directory(path)
    directory.publish(router_files(routing, place))
    log = (path.parent / "envoy.log").open("wb")
    process = await asyncio.create_subprocess_exec(
        str(envoy_binary()),
        *place.arguments,
        stdout=log,
        stderr=log,
    )
    base = f"http://{LOOPBACK}"
    try:
        async with (
            httpx.AsyncClient(base_url=f"{base}:{place.users_port}", trust_env=False) as users,
            httpx.AsyncClient(
                base_url=f"{base}:{place.verification_port}", trust_env=False
            ) as operator,
        ):
            router = Router(place, directory, users, operator, process)
            await router.until_revision(routing.revision)
            yield router
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        log.close()
