"""What people ask for: bound to what they saw, written once, and waited for."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable

import pytest

from regnant.cluster.transport import Request
from tests.component.cli.conftest import MERGE, CommandLine, Stage, ended

Allow = Callable[..., Awaitable[None]]
TRANSITION = "4-0a1b2c3d-1795275600"


async def test_a_wish_is_bound_to_the_rollout_and_signed(
    regnant: CommandLine, stage: Stage
) -> None:
    await stage.set("splitting")
    answering = asyncio.create_task(stage.answer())
    ran = await regnant.installed("promote", "churn")
    await answering
    assert (ran.code, ran.out) == (0, "churn: promote done: the next stage begins\n")
    asked = await stage.asked()
    assert asked["action"] == "promote"
    assert asked["transition"] == TRANSITION
    assert asked["by"] == "regnant-admin"


@pytest.mark.parametrize(
    ("words", "action"),
    [
        (["promote", "--full"], {"action": "promoteFull"}),
        (["abort"], {"action": "abort"}),
        (["pause"], {"action": "pause"}),
        (["resume"], {"action": "resume"}),
        (["rollback", "--to", "churn-2"], {"action": "rollback", "version": 2}),
    ],
)
async def test_each_command_asks_for_its_action(
    regnant: CommandLine, stage: Stage, words: list[str], action: dict[str, object]
) -> None:
    await stage.set("splitting")
    command, *rest = words
    ran = await regnant(command, "churn", *rest, "--no-wait", "-o", "json")
    assert ran.code == 0
    assert ran.document["outcome"] == "Asked"
    assert action.items() <= ran.document["action"].items()
    assert action.items() <= (await stage.asked()).items()


async def test_a_retry_names_its_version(regnant: CommandLine, stage: Stage) -> None:
    await stage.set("rejected for errors")
    assert (await regnant("retry", "churn", "4", "--no-wait")).code == 0
    asked = await stage.asked()
    assert (asked["action"], asked["version"], asked["transition"]) == ("retry", 4, "")


async def test_a_rollback_without_a_version_returns_to_the_former(
    regnant: CommandLine, stage: Stage
) -> None:
    await stage.set("watching")
    assert (await regnant("rollback", "churn", "--no-wait")).code == 0
    assert (await stage.asked())["version"] == 3


async def test_what_the_operator_refuses_ends_with_1(regnant: CommandLine, stage: Stage) -> None:
    await stage.set("splitting")
    answering = asyncio.create_task(stage.answer("Refused", "the candidate is failing"))
    ran = await regnant.installed("promote", "churn", "-o", "json")
    await answering
    assert ran.code == 1
    assert ran.document["answer"]["outcome"] == "Refused"
    assert ran.document["message"] == "the candidate is failing"


@pytest.mark.parametrize(
    ("situation", "words", "why"),
    [
        ("serving", ["promote", "churn"], "nothing to promote"),
        ("serving", ["abort", "churn"], "nothing to abort"),
        ("splitting", ["abort", "churn", "--transition", "3-old-1"], "rollout 3-old-1 is over"),
        ("splitting", ["rollback", "churn"], "churn-3 is still the champion"),
        ("pinned challenger", ["rollback", "churn", "--transition", "3-old-1"], "none is open"),
    ],
)
async def test_what_makes_no_sense_is_refused_and_nothing_is_written(
    regnant: CommandLine, stage: Stage, situation: str, words: list[str], why: str
) -> None:
    await stage.set(situation)
    ran = await regnant(*words)
    assert ran.code == 1
    assert why in ran.err
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await stage.asked()


async def test_a_dry_run_is_checked_by_the_server_and_changes_nothing(
    regnant: CommandLine, stage: Stage, as_user: Callable[[str], CommandLine], allow: Allow
) -> None:
    await stage.set("splitting")
    ran = await regnant("abort", "churn", "--dry-run")
    assert (ran.code, ran.out) == (0, "churn: abort would be asked: nothing was changed\n")
    await allow("ben", "get")
    denied = await as_user("ben")("abort", "churn", "--dry-run")
    assert denied.code == 3
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await stage.asked()


async def test_an_operator_that_does_not_answer_ends_with_4(
    regnant: CommandLine, stage: Stage
) -> None:
    await stage.set("splitting")
    ran = await regnant.installed("pause", "churn", "--timeout", "1s", "-o", "json")
    assert ran.code == 4
    assert "stays asked for" in ran.err
    assert ran.document["outcome"] == "Asked"
    assert (await stage.asked())["action"] == "pause"


async def test_who_may_not_patch_is_told_so(
    as_user: Callable[[str], CommandLine], allow: Allow, stage: Stage
) -> None:
    await stage.set("splitting")
    await allow("mia", "get", "watch")
    ran = await as_user("mia")("promote", "churn")
    assert ran.code == 3
    assert "mia may not patch inferenceservices.regnant.dev in namespace" in ran.err
    assert ran.err.count("\n") == 1


async def test_who_may_patch_and_not_watch_is_told_that_it_was_asked_for(
    as_user: Callable[[str], CommandLine], allow: Allow, stage: Stage
) -> None:
    await stage.set("splitting")
    await allow("tom", "get", "patch")
    ran = await as_user("tom")("pause", "churn")
    assert ran.code == 3
    assert "tom may not watch" in ran.err
    assert "stays asked for" in ran.err
    assert (await stage.asked())["by"] == "tom"


async def test_somebody_elses_wish_in_its_place_ends_with_1(
    regnant: CommandLine, stage: Stage
) -> None:
    await stage.set("splitting")
    process = await regnant.start("promote", "churn", "-n", stage.namespace)
    await stage.asked()
    other = '{"id": "b", "action": "abort", "by": "eve"}'
    body = {"metadata": {"annotations": {"regnant.dev/action": other}}}
    await stage.cluster.transport.send(Request("PATCH", stage.path, (), body, MERGE))
    ran = await ended(process)
    assert ran.code == 1
    assert "eve asked for abort" in ran.err


async def test_a_service_that_is_deleted_meanwhile_ends_with_3(
    regnant: CommandLine, stage: Stage
) -> None:
    await stage.set("splitting")
    process = await regnant.start("promote", "churn", "-n", stage.namespace)
    await stage.asked()
    await stage.cluster.transport.send(Request("DELETE", stage.path))
    ran = await ended(process)
    assert ran.code == 3
    assert "deleted" in ran.err


async def test_an_interrupt_says_what_stays_asked_for(regnant: CommandLine, stage: Stage) -> None:
    await stage.set("splitting")
    process = await regnant.start("pause", "churn", "-n", stage.namespace)
    await stage.asked()
    process.send_signal(signal.SIGINT)
    ran = await ended(process)
    assert ran.code == 130
    assert "pause stays asked for" in ran.err
