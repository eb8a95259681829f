"""A connection to the API server that a test can cut, and keep cut."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

from e2e.cluster.control_plane import COMPONENT_CONTEXT, ControlPlane
from regnant.cluster.connection import Kubeconfig


class FlakyLink:
    """Passes bytes between any client and the API server until it is cut."""

    def __init__(self, plane: ControlPlane) -> None:
        self._target = (plane.endpoints.address, plane.endpoints.api_port)
        self._pipes: set[asyncio.Task[None]] = set()
        self._open = asyncio.Event()
        self._open.set()

    def cut(self) -> None:
        """Break every connection, and let new ones wait until `mend`."""
        self._open.clear()
        self.break_off()

    def break_off(self) -> None:
        """Break every connection; new ones are served."""
        for pipe in self._pipes:
            pipe.cancel()

    async def end(self) -> None:
        """Break every connection, and return when they are gone."""
        self.break_off()
        await asyncio.gather(*self._pipes, return_exceptions=True)
        # An aborted connection is gone one turn of the loop later.
        await asyncio.sleep(0)

    def mend(self) -> None:
        """Serve new connections."""
        self._open.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection."""
        pipe = asyncio.current_task()
        assert pipe is not None
        self._pipes.add(pipe)
        try:
            await self._open.wait()
            upstream = await asyncio.open_connection(*self._target)
            with contextlib.closing(upstream[1]):
                async with asyncio.TaskGroup() as both:
                    both.create_task(_copy(reader, upstream[1]))
                    both.create_task(_copy(upstream[0], writer))
        except (asyncio.CancelledError, OSError, ExceptionGroup):
            # A task of the server that ends as cancelled is reported as an error.
            pass
        finally:
            self._pipes.discard(pipe)
            writer.transport.abort()


@contextlib.asynccontextmanager
async def flaky_link(
    plane: ControlPlane, directory: Path
) -> AsyncIterator[tuple[FlakyLink, Kubeconfig]]:
    """A link, and the access that goes through it."""
    link = FlakyLink(plane)
    server = await asyncio.start_server(link.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    config = json.loads(plane.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{port}"
    kubeconfig = directory / "kubeconfig"
    kubeconfig.write_text(json.dumps(config))
    try:
        yield link, Kubeconfig(kubeconfig, COMPONENT_CONTEXT)
    finally:
        server.close()
        await link.end()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()
