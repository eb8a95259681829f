"""What becomes of a wish when somebody writes between the reading and the writing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from regnant.api.actions import Action
from regnant.cli import asking
from regnant.cli.arguments import Options, parse
from regnant.cli.errors import RefusedError, UnreachableError
from regnant.cli.service import Service
from regnant.cli.services import Services
from regnant.cluster.client import Cluster
from regnant.cluster.transport import Request
from tests.component.cli.conftest import MERGE, CommandLine, Stage

Write = Callable[[], Awaitable[None]]


class Interrupted(Services):
    """Somebody else writes right before we do, a number of times."""

    def __init__(self, cluster: Cluster, namespace: str, write: Write, times: int) -> None:
        super().__init__(cluster, namespace)
        self._write = write
        self.left = times

    async def ask(self, service: Service, action: Action, *, dry_run: bool) -> None:
        if self.left:
            self.left -= 1
            await self._write()
        await super().ask(service, action, dry_run=dry_run)


def options(*words: str) -> Options:
    return parse("regnant", words)


async def asked(stage: Stage, write: Write, *, times: int = 1) -> Interrupted:
    services = Interrupted(stage.cluster, stage.namespace, write, times)
    await asking.ask(services, options("promote", "churn"), lambda: datetime.now(UTC))
    return services


async def written(stage: Stage) -> str:
    found = json.loads(await stage.cluster.transport.send(Request("GET", stage.path)))
    return str(found["metadata"].get("annotations", {}).get("regnant.dev/action", ""))


async def test_an_operator_that_counts_meanwhile_is_no_obstacle(stage: Stage) -> None:
    await stage.set("splitting")
    tries = iter(range(1000, 2000))

    async def count() -> None:
        tally = {"challenger": {"tries": next(tries)}}
        await stage.patch_status({"rollout": {"stage": {"evidence": {"tally": tally}}}})

    services = await asked(stage, count, times=5)
    assert services.left == 0
    assert (await stage.asked())["action"] == "promote"


async def test_a_service_that_never_rests_is_given_up_with_nothing_asked(stage: Stage) -> None:
    await stage.set("splitting")
    tries = iter(range(1000, 2000))

    async def count() -> None:
        await stage.patch_status({"floor": next(tries)})

    with pytest.raises(UnreachableError, match="nothing was asked for"):
        await asked(stage, count, times=1000)
    assert not await written(stage)


async def test_a_wish_for_a_rollout_that_is_over_by_then_is_not_written(stage: Stage) -> None:
    await stage.set("splitting")

    async def move_on() -> None:
        await stage.patch_status({"rollout": {"id": "5-1b2c3d4e-1795279999"}})

    with pytest.raises(RefusedError, match="moved on while you asked"):
        await asked(stage, move_on)
    assert not await written(stage)


async def test_a_rollout_that_ends_by_then_leaves_nothing_to_promote(stage: Stage) -> None:
    await stage.set("splitting")

    async def end() -> None:
        await stage.patch_status({"rollout": None})

    with pytest.raises(RefusedError, match="nothing to promote"):
        await asked(stage, end)
    assert not await written(stage)


async def test_somebody_elses_wish_is_not_overwritten_unseen(stage: Stage) -> None:
    await stage.set("splitting")
    wish = json.dumps({"id": "b", "action": "abort", "by": "eve"})

    async def abort() -> None:
        body = {"metadata": {"annotations": {"regnant.dev/action": wish}}}
        await stage.cluster.transport.send(Request("PATCH", stage.path, (), body, MERGE))

    with pytest.raises(RefusedError, match="eve asked for abort"):
        await asked(stage, abort)
    assert await written(stage) == wish


async def test_a_wish_that_is_not_answered_yet_is_only_replaced_on_purpose(
    regnant: CommandLine, stage: Stage
) -> None:
    await stage.set("splitting")
    assert (await regnant("pause", "churn", "--no-wait")).code == 0
    before = await written(stage)
    ran = await regnant("abort", "churn", "--no-wait")
    assert ran.code == 1
    assert "regnant-admin asked for pause of churn" in ran.err
    assert "--force" in ran.err
    assert await written(stage) == before
    assert (await regnant("abort", "churn", "--no-wait", "--force")).code == 0
    assert (await stage.asked())["action"] == "abort"


async def test_a_wish_that_is_answered_is_in_nobodys_way(
    regnant: CommandLine, stage: Stage
) -> None:
    await stage.set("splitting")
    await regnant("pause", "churn", "--no-wait")
    await stage.answer()
    assert (await regnant("abort", "churn", "--no-wait")).code == 0
    assert (await stage.asked())["action"] == "abort"


async def test_force_does_not_overwrite_what_was_not_seen(stage: Stage) -> None:
    await stage.set("splitting")
    wish = json.dumps({"id": "b", "action": "pause", "by": "eve"})

    async def pause() -> None:
        body = {"metadata": {"annotations": {"regnant.dev/action": wish}}}
        await stage.cluster.transport.send(Request("PATCH", stage.path, (), body, MERGE))

    services = Interrupted(stage.cluster, stage.namespace, pause, 1)
    given = options("abort", "churn", "--force")
    with pytest.raises(RefusedError, match="eve asked for pause"):
        await asking.ask(services, given, lambda: datetime.now(UTC))
    assert await written(stage) == wish


async def test_a_service_made_anew_under_the_name_is_not_asked(stage: Stage) -> None:
    await stage.set("splitting")

    async def replace() -> None:
        await stage.cluster.transport.send(Request("DELETE", stage.path))
        await stage.set("serving")

    with pytest.raises(RefusedError, match="nothing to promote"):
        await asked(stage, replace)
    assert not await written(stage)


async def test_an_interrupt_while_writing_is_heeded_once_it_is_written(stage: Stage) -> None:
    await stage.set("splitting")
    us = asyncio.current_task()

    async def interrupt() -> None:
        assert us
        us.cancel()
        await asyncio.sleep(0)

    await asked(stage, interrupt)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.sleep(0)
    assert us
    assert us.uncancel() == 0
    assert (await stage.asked())["action"] == "promote"


async def test_an_interrupt_of_a_writing_that_is_too_late_leaves_nothing_asked(
    stage: Stage,
) -> None:
    await stage.set("splitting")
    us = asyncio.current_task()

    async def interrupt() -> None:
        assert us
        us.cancel()
        await stage.patch_status({"floor": 7})

    with pytest.raises(asyncio.CancelledError):
        await asked(stage, interrupt)
    assert us
    us.uncancel()
    assert not await written(stage)
