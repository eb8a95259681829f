"""What a challenger fails at, its champion answers, and never the other way round."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

import pytest

from regnant.manifests.router_config.tries import MOST_HELD_BYTES, NON_FINITE_HEADER
from regnant.manifests.routing import Routing
from tests.unit.router.running_router import Router, Server, running_router, serving, until
from tests.unit.router.test_routes_change_without_errors import OpenLoop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    import httpx

INFER = "/v2/models/churn/infer"
SHORT = timedelta(milliseconds=200)


def split(
    old: Server, new: Server, weight: int = 100, attempt_timeout: timedelta | None = None
) -> Routing:
    return Routing(
        service="churn",
        namespace="default",
        model="churn",
        variants=(old.variant, new.variant),
        champion=old.digest,
        challenger=new.digest,
        weight=weight,
        attempt_timeout=attempt_timeout,
    )


async def asked(router: Router, count: int) -> list[httpx.Response]:
    return [await router.users.post(INFER, json={}) for _ in range(count)]


def answers_by(load: OpenLoop, count: int) -> Callable[[], Awaitable[bool]]:
    async def there_are() -> bool:
        return load.outcomes.count("4") >= count

    return there_are


def asked_more(server: Server, count: int) -> Callable[[], Awaitable[bool]]:
    wanted = server.answered + count

    async def was_asked() -> bool:
        return server.answered >= wanted

    return was_asked


@pytest.mark.parametrize("fault", ["reset", "cut"])
async def test_answers_that_break_off_cost_users_nothing(
    tmp_path: Path, old: Server, new: Server, fault: Literal["reset", "cut"]
) -> None:
    new.fault = fault
    async with running_router(tmp_path / "config", split(old, new)) as router:
        await router.until_reached(new)
        answers = await asked(router, 100)
    assert [answer.status_code for answer in answers] == [200] * 100
    assert {answer.headers["x-regnant-version"] for answer in answers} == {"3"}
    assert {answer.json()["path"] for answer in answers} == {INFER}
    assert new.answered > 0


async def test_a_challenger_that_answers_500_costs_users_nothing(
    tmp_path: Path, old: Server, new: Server
) -> None:
    new.status = 500
    async with running_router(tmp_path / "config", split(old, new, weight=50)) as router:
        await router.until_reached(new)
        answers = await asked(router, 200)
    assert [answer.status_code for answer in answers] == [200] * 200
    assert {answer.headers["x-regnant-version"] for answer in answers} == {"3"}
    assert new.answered > 0


async def test_a_number_that_is_none_is_asked_of_the_champion_instead(
    tmp_path: Path, old: Server, new: Server
) -> None:
    new.non_finite = True
    async with running_router(tmp_path / "config", split(old, new)) as router:
        await router.until_reached(new)
        answers = await asked(router, 50)
    assert {answer.headers["x-regnant-version"] for answer in answers} == {"3"}
    assert not any(NON_FINITE_HEADER in answer.headers for answer in answers)
    assert new.answered > 0


async def test_where_no_version_knows_a_number_the_user_gets_the_answer_without_it(
    tmp_path: Path, old: Server, new: Server
) -> None:
    new.non_finite = old.non_finite = True
    async with running_router(tmp_path / "config", split(old, new)) as router:
        await router.until_reached(new)
        answers = await asked(router, 10)
    assert [answer.status_code for answer in answers] == [200] * 10
    assert {answer.headers[NON_FINITE_HEADER] for answer in answers} == {"true"}


async def test_a_challenger_that_hangs_costs_users_nothing(
    tmp_path: Path, old: Server, new: Server
) -> None:
    new.fault = "hang"
    routing = split(old, new, attempt_timeout=timedelta(seconds=1))
    async with running_router(tmp_path / "config", routing) as router:
        await router.until_reached(new)
        await router.until_reached(old)
        answers = await asyncio.gather(*(router.users.post(INFER, json={}) for _ in range(20)))
    assert [answer.status_code for answer in answers] == [200] * 20
    assert {answer.headers["x-regnant-version"] for answer in answers} == {"3"}
    assert new.answered > 0


async def test_a_challenger_that_is_not_there_costs_users_nothing(
    tmp_path: Path, old: Server
) -> None:
    async with serving(Server(4)) as new:
        routing = split(old, new, attempt_timeout=SHORT)
    async with running_router(tmp_path / "config", routing) as router:
        answers = await asked(router, 100)
    assert [answer.status_code for answer in answers] == [200] * 100
    assert (old.answered, new.answered) == (100, 0)


async def test_a_challenger_that_dies_under_load_costs_users_nothing(
    tmp_path: Path, old: Server
) -> None:
    async with serving(Server(4)) as new:
        routing = split(old, new, weight=50)
        async with running_router(tmp_path / "config", routing) as router:
            await router.until_reached(new)
            load = OpenLoop(router.users, {}, "x-regnant-version")
            sending = asyncio.create_task(load.run())
            await until(answers_by(load, 20), "the challenger answers")
            new.fault = "reset"
            await until(asked_more(new, 5), "the challenger fails")
            outcomes = await load.stop()
            await sending
    assert set(outcomes) == {"3", "4"}


async def test_a_champion_that_fails_is_not_answered_for_by_its_challenger(
    tmp_path: Path, old: Server, new: Server
) -> None:
    """Nor is its failure tried again: the same request would fail twice, and be counted twice."""
    old.status = 500
    async with running_router(tmp_path / "config", split(old, new, weight=0)) as router:
        await router.until_reached(new)
        answers = await asked(router, 5)
    assert [answer.status_code for answer in answers] == [500] * 5
    assert (old.answered, new.answered) == (5, 0)


async def test_a_champion_has_all_of_its_time_whatever_the_challenger_has(
    tmp_path: Path, old: Server, new: Server
) -> None:
    old.delay = 3 * SHORT.total_seconds()
    routing = split(old, new, weight=1, attempt_timeout=SHORT)
    async with running_router(tmp_path / "config", routing) as router:
        await router.until_reached(old)
        await router.until_reached(new)
        answers = await asyncio.gather(*(router.users.post(INFER, json={}) for _ in range(20)))
    assert [answer.status_code for answer in answers] == [200] * 20
    assert old.answered == sum(answer.headers["x-regnant-version"] == "3" for answer in answers)


async def test_a_champion_that_stands_in_has_no_more_time_than_the_challenger_had(
    tmp_path: Path, old: Server, new: Server
) -> None:
    """The one case that costs users: a time for tries that the champion itself cannot keep."""
    new.status, old.delay = 500, 3 * SHORT.total_seconds()
    async with running_router(
        tmp_path / "config", split(old, new, attempt_timeout=SHORT)
    ) as router:
        await router.until_reached(old)
        await router.until_reached(new)
        (short,) = await asked(router, 1)
        await router.publish(split(old, new, attempt_timeout=10 * SHORT))
        (enough,) = await asked(router, 1)
    assert (short.status_code >= 500, enough.status_code) == (True, 200)


async def test_a_short_time_for_a_try_is_kept_by_a_version_that_took_over(
    tmp_path: Path, old: Server, new: Server
) -> None:
    new.fault = "hang"
    routing = Routing(
        service="churn",
        namespace="default",
        model="churn",
        variants=(old.variant, new.variant),
        champion=new.digest,
        fallback=old.digest,
        request_timeout=timedelta(hours=1),
        attempt_timeout=SHORT,
    )
    async with running_router(tmp_path / "config", routing) as router:
        await router.until_reached(new)
        answer = await router.users.post(INFER, json={})
    assert (answer.status_code, answer.headers["x-regnant-version"]) == (200, "3")
    assert new.answered == 1


async def test_an_answer_says_how_often_the_challenger_and_its_champion_were_tried(
    tmp_path: Path, old: Server, new: Server
) -> None:
    async with running_router(tmp_path / "config", split(old, new)) as router:
        await router.until_reached(new)
        (well,) = await asked(router, 1)
        new.status = 500
        (failed,) = await asked(router, 1)
        await router.publish(split(old, new, weight=0))
        (own,) = await asked(router, 1)
    assert (well.headers["x-regnant-version"], well.headers["x-regnant-tries"]) == ("4", "1")
    assert (failed.headers["x-regnant-version"], failed.headers["x-regnant-tries"]) == ("3", "2")
    assert "x-regnant-tries" not in own.headers


@pytest.mark.parametrize("size", [0, 100_000, MOST_HELD_BYTES, 3 * MOST_HELD_BYTES, 2**25])
async def test_an_answer_of_any_size_arrives_whole(
    tmp_path: Path, old: Server, new: Server, size: int
) -> None:
    new.padding = size
    async with running_router(tmp_path / "config", split(old, new)) as router:
        await router.until_reached(new)
        (answer,) = await asked(router, 1)
    assert (answer.status_code, answer.headers["x-regnant-version"]) == (200, "4")
    assert answer.json()["padding"] == "x" * size
