"""`status --watch` on a terminal: drawn in place, and honest about what it does not know."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
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
    """The other end of a terminal: what a person sees of it."""

    def __init__(self, reader: int) -> None:
        self._reader = reader
        self.text = ""

    async def shows(self, words: str) -> None:
        """Wait until the words were drawn."""
        while words not in self.text:
            chunk = await asyncio.to_thread(os.read, self._reader, 65536)
            self.text += chunk.decode(errors="replace")


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
        with (
            os.fdopen(theirs, "w") as screen,
            os.fdopen(ours, "rb", buffering=0),
            contextlib.redirect_stdout(screen),
        ):
            task = asyncio.create_task(watching.watch(services, options, _clock))
            yield Terminal(ours), task
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, UnreachableError):
                await task

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
