"""Each version gets its share, and a user stays with the version that answered first."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from regnant.manifests.routing import Sticky
from tests.unit.router.running_router import LOOPBACK, Router, Server, running_router
from tests.unit.router.test_challenger_costs_users_nothing import split
from tests.unit.router.test_routes_change_without_errors import INFER, OpenLoop

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

HEADER = Sticky(header="x-user-id")
COOKIE = Sticky(cookie="regnant_user", cookie_ttl=timedelta(hours=2))
USERS = [f"user-{number}" for number in range(300)]
CALLERS = 8


async def versions(router: Router, headers: Iterable[str]) -> list[str]:
    """Who answers requests that carry one more header line each, in their order."""
    lines = list(enumerate(headers))
    answers: dict[int, str] = {}
    todo = iter(lines)
    await asyncio.gather(*(_ask(router.place.users_port, todo, answers) for _ in range(CALLERS)))
    return [answers[number] for number, _ in lines]


async def _ask(port: int, todo: Iterator[tuple[int, str]], answers: dict[int, str]) -> None:
    """One caller, whose connection is kept: a client's own work would be most of the time."""
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    for number, line in todo:
        more = f"{line}\r\n" if line else ""
        writer.write(f"GET {INFER} HTTP/1.1\r\nHost: a\r\n{more}\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        assert head.startswith("http/1.1 200"), head
        await reader.readexactly(int(_header(head, "content-length")))
        answers[number] = _header(head, "x-regnant-version")
    writer.close()
    await writer.wait_closed()


def _header(head: str, name: str) -> str:
    return head.partition(f"\r\n{name}: ")[2].partition("\r\n")[0]


async def given_the_challenger(router: Router, users: Iterable[str] = USERS) -> set[str]:
    found = await versions(router, (f"x-user-id: {user}" for user in users))
    return {user for user, version in zip(users, found, strict=True) if version == "4"}


async def test_the_observed_split_is_within_two_percent_of_the_weight(
    tmp_path: Path, old: Server, new: Server
) -> None:
    """Chance alone misses it once in 40,000 runs: 2 % are 4.2 standard deviations."""
    async with running_router(tmp_path / "config", split(old, new, 10)) as router:
        await router.until_reached(new)
        found = Counter(await versions(router, [""] * 4_000))
    assert set(found) == {"3", "4"}
    assert abs(100 * found["4"] / 4_000 - 10) < 2


@pytest.mark.parametrize(("weight", "version"), [(0, "3"), (100, "4")])
async def test_all_or_nothing_is_exact(
    tmp_path: Path, old: Server, new: Server, weight: int, version: str
) -> None:
    async with running_router(tmp_path / "config", split(old, new, weight)) as router:
        await router.until_reached(new)
        assert set(await versions(router, [""] * 300)) == {version}


async def test_users_who_were_given_the_challenger_keep_it_while_its_weight_grows(
    tmp_path: Path, old: Server, new: Server
) -> None:
    routing = replace(split(old, new), sticky=HEADER)
    given = []
    async with running_router(tmp_path / "config", replace(routing, weight=10)) as router:
        await router.until_reached(new)
        for weight in (10, 25, 50, 100):
            await router.publish(replace(routing, weight=weight))
            given.append(await given_the_challenger(router))
    assert set() < given[0] < given[1] < given[2] < given[3] == set(USERS)
    for users, weight in zip(given, (10, 25, 50), strict=False):
        assert abs(100 * len(users) / len(USERS) - weight) < 8


async def test_a_user_is_answered_by_one_version(tmp_path: Path, old: Server, new: Server) -> None:
    routing = replace(split(old, new, 50), sticky=HEADER)
    async with running_router(tmp_path / "config", routing) as router:
        await router.until_reached(new)
        given = [await given_the_challenger(router, USERS[:200]) for _ in range(4)]
    assert given[0]
    assert given == [given[0]] * 4


async def test_two_routers_agree_on_a_user(tmp_path: Path, old: Server, new: Server) -> None:
    routing = replace(split(old, new, 50), sticky=HEADER)
    async with (
        running_router(tmp_path / "one" / "config", routing) as one,
        running_router(tmp_path / "two" / "config", routing) as other,
    ):
        await one.until_reached(new)
        await other.until_reached(new)
        assert await given_the_challenger(one) == await given_the_challenger(other)


async def test_requests_without_the_header_are_split_at_random(
    tmp_path: Path, old: Server, new: Server
) -> None:
    routing = replace(split(old, new, 50), sticky=HEADER)
    async with running_router(tmp_path / "config", routing) as router:
        await router.until_reached(new)
        found = Counter(await versions(router, [""] * 400))
    assert min(found["3"], found["4"]) > 100


async def test_a_user_without_a_cookie_is_given_one_that_keeps_the_first_version(
    tmp_path: Path, old: Server, new: Server
) -> None:
    routing = replace(split(old, new, 30), sticky=COOKIE)
    first: dict[str, str] = {}
    async with running_router(tmp_path / "config", routing) as router:
        await router.until_reached(new)
        for _ in range(60):
            router.users.cookies.clear()
            answer = await router.users.get(INFER)
            first[answer.cookies["regnant_user"]] = answer.headers["x-regnant-version"]
        words = answer.headers["set-cookie"].lower().split("; ")
        router.users.cookies.clear()
        lines = [f"cookie: other=1; regnant_user={value}" for value in first]
        later = [await versions(router, lines) for _ in range(3)]
        again = await router.users.get(INFER, headers={"cookie": "regnant_user=mine"})
    assert set(first.values()) == {"3", "4"}
    assert later == [list(first.values())] * 3
    assert {"max-age=7200", "path=/", "httponly", "samesite=lax"} == set(words[1:])
    assert "set-cookie" not in again.headers


async def test_users_with_a_cookie_keep_the_challenger_while_its_weight_grows(
    tmp_path: Path, old: Server, new: Server
) -> None:
    routing = replace(split(old, new), sticky=COOKIE)
    given = []
    async with running_router(tmp_path / "config", replace(routing, weight=10)) as router:
        await router.until_reached(new)
        for weight in (10, 25, 50):
            await router.publish(replace(routing, weight=weight))
            found = await versions(router, (f"cookie: regnant_user={user}" for user in USERS))
            pairs = zip(USERS, found, strict=True)
            given.append({user for user, version in pairs if version == "4"})
    assert set() < given[0] < given[1] < given[2]


async def test_twenty_changes_of_weight_under_load_fail_no_request(
    tmp_path: Path, old: Server, new: Server
) -> None:
    routing = split(old, new)
    async with running_router(tmp_path / "config", replace(routing, weight=0)) as router:
        await router.until_reached(old)
        await router.until_reached(new)
        load = OpenLoop(router.users, {}, "x-regnant-version")
        sending = asyncio.create_task(load.run())
        for weight in (1, 10, 25, 50, 100, 0) * 3 + (50, 0):
            await router.publish(replace(routing, weight=weight, shadow=100 - weight))
        await router.publish(replace(routing, weight=0, challenger=""))
        outcomes = await load.stop()
        await sending
        refused = await router.statistic("envoy_http_rds_update_rejected")
    assert set(outcomes) == {"3", "4"}
    assert refused == 0
