"""The server in a thread of the test's process, on the event loop that it has in a pod."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import httpx
import uvloop

from regnant.serving.__main__ import prove
from regnant.serving.listener import Listener
from regnant.serving.settings import Limits, Settings
from tests.unit.serving.bundles import MODEL_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.serving.bundles import Written

LOOPBACK = "127.0.0.1"
INFER = f"/v2/models/{MODEL_NAME}/infer"


class RunningServer:
    """A server, a client for it, and raw connections to it."""

    def __init__(
        self,
        port: int,
        client: httpx.Client,
        listener: Listener,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.port = port
        self.client = client
        self.listener = listener
        self.loop = loop

    def infer(self, document: object, path: str = INFER) -> httpx.Response:
        return self.client.post(path, json=document)

    @contextmanager
    def connection(self) -> Iterator[socket.socket]:
        with socket.create_connection((LOOPBACK, self.port), timeout=20) as raw:
            yield raw

    def exchange(self, sent: bytes) -> bytes:
        """Send bytes, and return all that comes until the server closes."""
        with self.connection() as raw:
            raw.sendall(sent)
            return read_all(raw)


def settings_for(
    written: Written,
    limits: Limits | None = None,
    *,
    threads: int = 1,
    finish_seconds: float = 5,
    drain_seconds: float = 0,
) -> Settings:
    return Settings(
        bundle_dir=written.directory,
        bundle_digest=written.digest,
        model_name=MODEL_NAME,
        model_version="3",
        port=0,
        host=LOOPBACK,
        drain_seconds=drain_seconds,
        finish_seconds=finish_seconds,
        threads=threads,
        limits=limits or Limits(),
    )


@contextmanager
def running_server(
    written: Written,
    limits: Limits | None = None,
    *,
    threads: int = 1,
    finish_seconds: float = 5,
    drain_seconds: float = 0,
) -> Iterator[RunningServer]:
    settings = settings_for(
        written,
        limits,
        threads=threads,
        finish_seconds=finish_seconds,
        drain_seconds=drain_seconds,
    )
    opened: list[tuple[int, Listener, asyncio.AbstractEventLoop]] = []
    is_open = threading.Event()

    async def serve() -> None:
        routes = prove(settings)
        listener = Listener(settings, routes)
        opened.append((await listener.open(), listener, asyncio.get_running_loop()))
        is_open.set()
        await listener.run()
        routes.close()

    def run() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run)
    thread.start()
    assert is_open.wait(20)
    port, listener, loop = opened[0]
    try:
        with httpx.Client(base_url=f"http://{LOOPBACK}:{port}", trust_env=False) as client:
            yield RunningServer(port, client, listener, loop)
    finally:
        # A test may have stopped it already, and then its loop is closed.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(listener.stop)
        thread.join(20)
    assert not thread.is_alive()


def read_all(raw: socket.socket) -> bytes:
    received = bytearray()
    while chunk := raw.recv(65536):
        received += chunk
    return bytes(received)


def read_responses(raw: socket.socket, count: int) -> list[tuple[int, bytes]]:
    """Read so many responses, each a status and a body, from a connection that stays open."""
    stream = raw.makefile("rb")
    found = []
    for _ in range(count):
        status = int(stream.readline().split()[1])
        length = 0
        while (line := stream.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        found.append((status, stream.read(length)))
    return found
