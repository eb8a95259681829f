"""A challenger gets copies of the champion's requests, and no user can tell."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import pytest

from regnant.manifests.router_config.clusters import shadow_cluster
from tests.unit.router.running_router import LOOPBACK, Router, Server, running_router, until
from tests.unit.router.test_challenger_costs_users_nothing import split
from tests.unit.router.test_routes_change_without_errors import INFER
from tests.unit.router.test_split import versions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from regnant.manifests.routing import Routing

MOST_COPIES = 16


def shadowed(old: Server, new: Server, percent: int = 100, weight: int = 0) -> Routing:
    return replace(split(old, new, weight), shadow=percent)


def got(server: Server, count: int) -> Callable[[], Awaitable[bool]]:
    async def has_them() -> bool:
        return server.answered >= count

    return has_them


async def in_shadow(router: Router, new: Server, name: str) -> int:
    """A counter of the challenger's third cluster; 0 before anything was counted."""
    cluster = shadow_cluster(new.variant)
    text = (await router.operator.get("/envoy/stats/prometheus")).text
    wanted = f'envoy_cluster_{name}{{envoy_cluster_name="{cluster}"}}'
    return sum(
        int(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(wanted)
    )


async def test_a_copy_is_the_request_with_its_id_and_its_answer_is_never_seen(
    tmp_path: Path, old: Server, new: Server
) -> None:
    new.padding = 100_000
    async with running_router(tmp_path / "config", shadowed(old, new)) as router:
        await router.until_reached(old)
        answers = [
            await router.users.post(
                INFER, content=b"x" * size, headers={"x-request-id": f"id-{size}"}
            )
            for size in (0, 10, 2**22)
        ]
        await until(got(new, 3), "the challenger has the copies")
    assert {answer.headers["x-regnant-version"] for answer in answers} == {"3"}
    assert {len(answer.content) for answer in answers} == {len(answers[0].content)}
    assert sorted(new.bodies) == old.bodies == [0, 10, 2**22]
    ids = [headers["x-request-id"] for headers in old.headers]
    assert sorted(headers["x-request-id"] for headers in new.headers) == sorted(ids)
    assert {headers["host"] for headers in new.headers} == {old.headers[0]["host"]}


async def test_a_server_can_tell_a_copy_and_a_user_cannot_pretend_to_be_one(
    tmp_path: Path, old: Server, new: Server
) -> None:
    claims = {"x-regnant-shadow": "true", "x-regnant-copy-to": "admin"}
    async with running_router(tmp_path / "config", shadowed(old, new)) as router:
        await router.until_reached(old)
        await router.users.post(INFER, json={}, headers=claims)
        await until(got(new, 1), "the challenger has the copy")
    assert new.headers[0]["x-regnant-shadow"] == "true"
    assert "x-regnant-shadow" not in old.headers[0]
    assert "x-regnant-copy-to" not in new.headers[0]


async def test_only_the_champions_requests_are_copied(
    tmp_path: Path, old: Server, new: Server
) -> None:
    routing = shadowed(old, new, weight=50)
    async with running_router(tmp_path / "config", routing) as router:
        await router.until_reached(new)
        found = await versions(router, [""] * 100)
        await until(got(new, 100), "the challenger has its requests and the copies")
        copied = await in_shadow(router, new, "upstream_rq_total")
    assert copied == found.count("3") == old.answered
    assert new.answered == 100


async def test_as_many_requests_are_copied_as_is_asked_for(
    tmp_path: Path, old: Server, new: Server
) -> None:
    async with running_router(tmp_path / "config", shadowed(old, new, percent=30)) as router:
        await router.until_reached(old)
        await versions(router, [""] * 1_000)
        copied = await in_shadow(router, new, "upstream_rq_total")
        dropped = await in_shadow(router, new, "upstream_rq_pending_overflow")
    assert abs(copied + dropped - 300) < 75


@pytest.mark.parametrize("fault", ["", "reset", "cut"])
async def test_a_copy_that_fails_fails_no_user_and_is_not_tried_again(
    tmp_path: Path, old: Server, new: Server, fault: Literal["", "reset", "cut"]
) -> None:
    new.fault, new.status = fault, 500
    async with running_router(tmp_path / "config", shadowed(old, new)) as router:
        await router.until_reached(old)
        for _ in range(20):
            answer = await router.users.post(INFER, json={})
            assert (answer.status_code, answer.headers["x-regnant-version"]) == (200, "3")
        await until(got(new, 20), "the challenger has the copies")
        assert await in_shadow(router, new, "upstream_rq_retry") == 0
    assert new.answered == 20


async def test_copies_that_hang_hold_up_no_user_and_are_bounded(
    tmp_path: Path, old: Server, new: Server
) -> None:
    """Every user has an answer while not one copy has."""
    new.fault = "hang"
    async with running_router(tmp_path / "config", shadowed(old, new)) as router:
        await router.until_reached(old)
        found = await versions(router, [""] * 200)

        async def full() -> bool:
            return new.hanging == MOST_COPIES

        await until(full, "all that may hang hangs")
        dropped = await in_shadow(router, new, "upstream_rq_pending_overflow")
        assert (new.hanging, new.answered) == (MOST_COPIES, MOST_COPIES)
    assert found == ["3"] * 200
    assert dropped >= 200 - 2 * MOST_COPIES


async def test_a_challenger_that_reads_no_copy_holds_up_no_user(
    tmp_path: Path, old: Server, new: Server
) -> None:
    """Its side of every connection is full; a large request must not wait for it."""
    body = b"x" * (8 * 1024 * 1024)
    async with (
        deaf() as new.port,
        running_router(tmp_path / "config", shadowed(old, new)) as router,
    ):
        await router.until_reached(old)
        for _ in range(3):
            answer = await router.users.post(INFER, content=body)
            assert (answer.status_code, answer.headers["x-regnant-version"]) == (200, "3")
        assert await in_shadow(router, new, "upstream_rq_active") == 3
    assert old.bodies == [len(body)] * 3


class Deaf(asyncio.Protocol):
    """Takes a connection and reads nothing from it."""

    def __init__(self, taken: list[asyncio.Transport]) -> None:
        self._taken = taken

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        self._taken.append(transport)


@asynccontextmanager
async def deaf() -> AsyncIterator[int]:
    """The port of a server that takes every connection and reads from none."""
    taken: list[asyncio.Transport] = []
    server = await asyncio.get_running_loop().create_server(lambda: Deaf(taken), LOOPBACK, 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        for transport in taken:
            transport.abort()


async def test_without_a_share_of_copies_there_are_none(
    tmp_path: Path, old: Server, new: Server
) -> None:
    async with running_router(tmp_path / "config", shadowed(old, new, percent=0)) as router:
        await router.until_reached(old)
        await versions(router, [""] * 50)
        assert await in_shadow(router, new, "upstream_rq_total") == 0
    assert (old.answered, new.answered) == (50, 0)
