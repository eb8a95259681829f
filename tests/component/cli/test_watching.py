"""`status --watch` on a terminal: drawn in place, and honest about what it does not know."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime

import pytest

from e2e.cluster.control_plane import ControlPlane
from regnant.cli import watching
from regnant.cli.arguments import parse
from regnant.cli.errors import UnreachableError
from regnant.cli.services import Services
from regnant.cluster.transport import Request
from tests.component import objects
from tests.component.cli.conftest import Stage

Watching = asyncio.Task[None]


def _clock() -> datetime:
    return datetime.now(UTC)


class Terminal:
    """The other end of a terminal: what a person sees of it.

    It is read all the time, as a real one is: a terminal holds a few pages, and whoever draws on a
    full one stands still until somebody reads it.
    """

    def __init__(self, reader: int) -> None:
        self.text = ""
        self._drawn = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._reading = threading.Thread(target=self._read, args=(reader, loop), daemon=True)
        self._reading.start()

    async def shows(self, words: str) -> None:
        """Wait until the words were drawn."""
        while words not in self.text:
            self._drawn.clear()
            await self._drawn.wait()

    def end(self) -> None:
        """Return once nothing more can come, as the other end was closed."""
        self._reading.join()

    def _read(self, reader: int, loop: asyncio.AbstractEventLoop) -> None:
        with contextlib.suppress(OSError):
            while chunk := os.read(reader, 65536):
                loop.call_soon_threadsafe(self._take, chunk.decode(errors="replace"))

    def _take(self, text: str) -> None:
        self.text += text
        self._drawn.set()


Watch = Callable[..., AbstractAsyncContextManager[tuple[Terminal, Watching]]]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Watch services on a terminal of 100 columns."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LINES", "50")

    @asynccontextmanager
    async def watch(stage: Stage, *words: str) -> AsyncIterator[tuple[Terminal, Watching]]:
        ours, theirs = pty.openpty()
        options = parse("regnant", ["status", *words, "--watch"])
        services = Services(stage.cluster, stage.namespace)
        with os.fdopen(ours, "rb", buffering=0):
            seen = Terminal(ours)
            with os.fdopen(theirs, "w") as screen, contextlib.redirect_stdout(screen):
                task = asyncio.create_task(watching.watch(services, options, _clock))
                try:
                    yield seen, task
                finally:
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError, UnreachableError):
                        await task
            seen.end()

    return watch


async def test_a_change_is_drawn_and_a_deletion_ends_it(
    terminal: Watch,
    stage: Stage,
) -> None:
    await stage.set("splitting")
    async with terminal(stage, "churn") as (seen, task):
        await seen.shows("[25 %]")
        await stage.patch_status({"phase": "Shadowing"})
        await seen.shows("Shadowing")
        await stage.cluster.transport.send(Request("DELETE", stage.path))
        with pytest.raises(UnreachableError, match="churn was deleted"):
            await task


async def test_all_services_are_drawn_and_those_that_go_leave(
    terminal: Watch,
    stage: Stage,
) -> None:
    await stage.set("splitting")
    async with terminal(stage) as (seen, task):
        await seen.shows("churn-4 25 %")
        await stage.cluster.transport.send(Request("DELETE", stage.path))
        await stage.cluster.create(objects.service(stage.namespace, "other"))
        await seen.shows("other")
        assert "churn" not in seen.text.rsplit("WAITS FOR", 1)[1]
        assert not task.done()


async def test_an_outage_is_told_and_survived(
    terminal: Watch,
    stage: Stage,
    control_plane: ControlPlane,
) -> None:
    await stage.set("splitting")
    async with terminal(stage, "churn") as (seen, task):
        await seen.shows("[25 %]")
        control_plane.stop_api_server()
        try:
            await seen.shows("not up to date")
        finally:
            await asyncio.to_thread(control_plane.start)
        await stage.patch_status({"phase": "Promoting"})
        await seen.shows("Promoting")
        assert not task.done()
