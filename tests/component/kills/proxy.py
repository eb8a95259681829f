"""A proxy in front of the API server that counts an operator's writes and kills it at one of them.

The operator speaks plain HTTP to it, and it speaks to the API server as an administrator. Every
write about one subject is counted: a service, its children, the versions of its model line, and the
Events, as a death between a status and its Event is one like any other. There are no renewals of a
Lease, as these operators are alone.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import aiohttp
from aiohttp import web
from yarl import URL

from e2e.cluster.control_plane import COMPONENT_CONTEXT
from regnant.cluster.connection import Kubeconfig, credentials

_WRITES = {"POST", "PUT", "PATCH", "DELETE"}
_FORWARDED = ("Accept", "Content-Type")
_LARGEST = 64 * 1024 * 1024


class Moment(StrEnum):
    """When the operator dies at a write."""

    BEFORE = "before it reached the API server"
    AFTER = "once it was done, and before the operator knew"


@dataclass(frozen=True, slots=True)
class Kill:
    """The death that a run is to have.

    The write is told by its name and not by its place alone: what is done for the service and for
    its versions goes on side by side, and comes in another order each time.
    """

    write: str
    nth: int
    """Which of the writes of that name."""
    moment: Moment

    def __str__(self) -> str:
        return f"killed at {self.write} ({self.nth}), {self.moment}"


@dataclass
class Count:
    """The writes of one run, and what is to happen at one of them."""

    subject: str
    kill: Kill | None
    strike: Callable[[], None]
    """Ends the operator at once."""
    writes: list[str] = field(default_factory=list)
    struck: bool = False

    def add(self, write: str) -> Moment | None:
        """Count a write; when the operator is to die, if it is at this one."""
        self.writes.append(write)
        kill = self.kill
        if kill is None or (kill.write, kill.nth) != (write, self.writes.count(write)):
            return None
        return kill.moment


class WriteProxy:
    """Passes an operator's requests on until it is killed, and then no more until the next one."""

    def __init__(self, server: str, session: aiohttp.ClientSession) -> None:
        self._server = server
        self._session = session
        self._closed = False
        self.count: Count | None = None

    def reopen(self) -> None:
        """Serve the next operator. What the dead one had sent and nobody had read is lost."""
        self._closed = False

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Pass on one request, or let it be the last."""
        body = await request.read()
        if self._closed:
            return _hang_up(request)
        kill = self._kill_due(request, body)
        if kill is Moment.BEFORE:
            return self._strike(request)
        if "watch" in request.query:
            return await self._stream(request)
        answer = await self._forward(request, body)
        return self._strike(request) if kill else answer

    def _kill_due(self, request: web.Request, body: bytes) -> Moment | None:
        """Count the request if it is a write about the subject; the kill, if it is the one."""
        count = self.count
        if count is None or request.method not in _WRITES:
            return None
        if count.subject not in request.path and count.subject.encode() not in body:
            return None
        return count.add(_name(request, body, count.subject))

    def _strike(self, request: web.Request) -> web.Response:
        assert self.count
        self._closed = self.count.struck = True
        self.count.strike()
        return _hang_up(request)

    async def _forward(self, request: web.Request, body: bytes) -> web.Response:
        async with self._ask(request, body) as answer:
            kind = {"Content-Type": answer.headers.get("Content-Type", "")}
            return web.Response(status=answer.status, body=await answer.read(), headers=kind)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        async with self._ask(request, b"") as answer:
            kind = {"Content-Type": answer.headers.get("Content-Type", "")}
            response = web.StreamResponse(status=answer.status, headers=kind)
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            return response

    def _ask(self, request: web.Request, body: bytes) -> aiohttp.client._RequestContextManager:
        url = URL(self._server + request.raw_path, encoded=True)
        headers = {name: request.headers[name] for name in _FORWARDED if name in request.headers}
        return self._session.request(request.method, url, headers=headers, data=body or None)


def _hang_up(request: web.Request) -> web.Response:
    """Break the connection without an answer."""
    if request.transport:
        request.transport.abort()
    return web.Response()


def _name(request: web.Request, body: bytes, subject: str) -> str:
    """The write in a few words, the same in every run."""
    _, _, place = request.path.partition("/namespaces/")[2].partition("/")
    document = json.loads(body)
    said = document.get("reason", "") or document.get("status", {}).get("phase", "")
    return f"{request.method} {place.replace(subject, '')} {said}".strip()


@asynccontextmanager
async def write_proxy(
    access: Kubeconfig, directory: Path
) -> AsyncIterator[tuple[WriteProxy, Kubeconfig]]:
    """A proxy, and the access that goes through it."""
    known = await credentials(access)
    trust = ssl.create_default_context(cafile=known.ca_file)
    assert known.certificate_file
    trust.load_cert_chain(known.certificate_file, known.key_file)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=trust, limit=0),
        headers={"Accept-Encoding": "identity"},
        timeout=aiohttp.ClientTimeout(total=None),
    ) as session:
        proxy = WriteProxy(known.server, session)
        application = web.Application(client_max_size=_LARGEST)
        application.router.add_route("*", "/{path:.*}", proxy.handle)
        # A watch whose operator is dead ends with its connection.
        runner = web.AppRunner(application, access_log=None, handler_cancellation=True)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield proxy, _access(access, directory, runner.addresses[0][1])
        finally:
            await runner.cleanup()


def _access(direct: Kubeconfig, directory: Path, port: int) -> Kubeconfig:
    config = json.loads(direct.path.read_text())
    config["clusters"][0]["cluster"] = {"server": f"http://127.0.0.1:{port}"}
    kubeconfig = directory / f"kubeconfig-{port}"
    kubeconfig.write_text(json.dumps(config))
    return Kubeconfig(kubeconfig, COMPONENT_CONTEXT)
