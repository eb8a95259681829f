"""What a router counts for each version's servers, and what not: the evidence is made of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from regnant.manifests.router_config.clusters import servers_cluster, shadow_cluster
from tests.unit.router.running_router import Router, Server, running_router, serving, until
from tests.unit.router.test_challenger_costs_users_nothing import split
from tests.unit.router.test_routes_change_without_errors import INFER

if TYPE_CHECKING:
    from pathlib import Path

    from regnant.manifests.routing import Routing

COUNTED = ("rq_total", "rq_success", "rq_error", "rq_timeout", "cx_connect_fail")
Counts = tuple[int, ...]


async def counts(router: Router, cluster: str) -> Counts:
    """The counters of a cluster's one host, in the order of COUNTED."""
    stats = (await _host(router, cluster))["stats"]
    assert isinstance(stats, list)
    found = {one["name"]: int(one.get("value", 0)) for one in stats}
    return tuple(found[name] for name in COUNTED)


async def is_left_out(router: Router, server: Server) -> bool:
    health = (await _host(router, servers_cluster(server.variant)))["health_status"]
    assert isinstance(health, dict)
    return bool(health.get("failed_outlier_check", False))


async def _host(router: Router, cluster: str) -> dict[str, object]:
    page = (await router.operator.get("/envoy/clusters?format=json")).json()
    (found,) = [one for one in page["cluster_statuses"] if one["name"] == cluster]
    (host,) = found["host_statuses"]
    assert isinstance(host, dict)
    return host


async def counted(
    path: Path, routing: Routing, old: Server, new: Server, requests: int
) -> tuple[Counts, Counts]:
    """What the champion's and the challenger's servers are counted for."""
    async with running_router(path / "config", routing) as router:
        await router.until_reached(old)
        await router.until_reached(new)
        for _ in range(requests):
            assert (await router.users.post(INFER, json={})).status_code < 500
        return (
            await counts(router, servers_cluster(old.variant)),
            await counts(router, servers_cluster(new.variant)),
        )


async def test_an_answer_is_a_success_whoever_is_at_fault_below_500(
    tmp_path: Path, old: Server, new: Server
) -> None:
    new.status = 422
    found = await counted(tmp_path, split(old, new), old, new, 5)
    assert found == ((0, 0, 0, 0, 0), (5, 5, 0, 0, 0))


async def test_500_is_an_error_of_the_challenger_and_a_success_of_its_champion(
    tmp_path: Path, old: Server, new: Server
) -> None:
    new.status = 500
    found = await counted(tmp_path, split(old, new), old, new, 5)
    assert found == ((5, 5, 0, 0, 0), (5, 0, 5, 0, 0))


async def test_a_connection_that_closes_before_the_answer_is_an_error(
    tmp_path: Path, old: Server, new: Server
) -> None:
    new.fault = "reset"
    found = await counted(tmp_path, split(old, new), old, new, 2)
    assert found == ((2, 2, 0, 0, 0), (2, 0, 2, 0, 0))


async def test_an_answer_that_breaks_off_is_an_error(
    tmp_path: Path, old: Server, new: Server
) -> None:
    new.fault = "cut"
    found = await counted(tmp_path, split(old, new), old, new, 2)
    assert found == ((2, 2, 0, 0, 0), (2, 0, 2, 0, 0))


async def test_a_try_whose_time_is_over_is_an_error_and_a_timeout(
    tmp_path: Path, old: Server, new: Server
) -> None:
    new.fault = "hang"
    routing = split(old, new, attempt_timeout=timedelta(milliseconds=500))
    found = await counted(tmp_path, routing, old, new, 2)
    assert found == ((2, 2, 0, 0, 0), (2, 0, 2, 2, 0))


async def test_a_refused_connection_is_an_error_and_no_request(tmp_path: Path, old: Server) -> None:
    async with serving(Server(4)) as new:
        routing = split(old, new)
    async with running_router(tmp_path / "config", routing) as router:
        await router.until_reached(old)
        await router.users.post(INFER, json={})
        total, success, error, timeout, refused = await counts(router, servers_cluster(new.variant))
    assert (total, success, timeout) == (0, 0, 0)
    assert error in {0, 1}, "left out already, if its health was asked for before"
    assert refused >= error


async def test_a_champions_own_error_is_counted_once_and_at_the_champion(
    tmp_path: Path, old: Server, new: Server
) -> None:
    old.status = 500
    async with running_router(tmp_path / "config", split(old, new, weight=0)) as router:
        await router.until_reached(new)
        answers = [await router.users.post(INFER, json={}) for _ in range(3)]
        champion = await counts(router, servers_cluster(old.variant))
        challenger = await counts(router, servers_cluster(new.variant))
    assert [answer.status_code for answer in answers] == [500] * 3
    assert (champion, challenger) == ((3, 0, 3, 0, 0), (0, 0, 0, 0, 0))


async def test_a_try_under_way_is_neither_success_nor_error(
    tmp_path: Path, old: Server, new: Server
) -> None:
    new.fault = "hang"
    async with running_router(tmp_path / "config", split(old, new)) as router:
        await router.until_reached(new)
        asked = asyncio.create_task(router.users.post(INFER, json={}))

        async def it_hangs() -> bool:
            return new.hanging == 1

        await until(it_hangs, "the request is with the challenger")
        found = await counts(router, servers_cluster(new.variant))
        new.fault = ""
        new.released.set()
        await asked
    assert found == (1, 0, 0, 0, 0)


async def test_copies_are_counted_in_a_cluster_of_their_own(
    tmp_path: Path, old: Server, new: Server
) -> None:
    new.status = 500
    routing = replace(split(old, new, weight=0), shadow=100)
    async with running_router(tmp_path / "config", routing) as router:
        await router.until_reached(new)
        for _ in range(5):
            await router.users.post(INFER, json={})

        async def all_copied() -> bool:
            return await counts(router, shadow_cluster(new.variant)) == (5, 0, 5, 0, 0)

        await until(all_copied, "the copies are counted")
        assert await counts(router, servers_cluster(new.variant)) == (0, 0, 0, 0, 0)
        assert await counts(router, servers_cluster(old.variant)) == (5, 5, 0, 0, 0)


async def test_a_copy_that_takes_longer_than_a_try_is_ended_and_an_error(
    tmp_path: Path, old: Server, new: Server
) -> None:
    new.fault = "hang"
    routing = split(old, new, 0, attempt_timeout=timedelta(milliseconds=300))
    async with running_router(tmp_path / "config", replace(routing, shadow=100)) as router:
        await router.until_reached(old)
        for _ in range(3):
            assert (await router.users.post(INFER, json={})).status_code == 200

        async def ended() -> bool:
            _, success, error, *_ = await counts(router, shadow_cluster(new.variant))
            return (success, error) == (0, 3)

        await until(ended, "every copy is an error")


async def test_the_operators_own_requests_are_counted_with_the_users(
    tmp_path: Path, old: Server, new: Server
) -> None:
    async with running_router(tmp_path / "config", split(old, new)) as router:
        await router.until_reached(new)
        await router.operator.get("/regnant/v1/golden", headers={"x-regnant-verify-version": "4"})
        found = await counts(router, servers_cluster(new.variant))
    assert found == (1, 1, 0, 0, 0)


async def test_no_change_of_stage_lets_a_counter_start_anew(
    tmp_path: Path, old: Server, new: Server
) -> None:
    routing = split(old, new, weight=50)
    async with running_router(tmp_path / "config", routing) as router:
        await router.until_reached(old)
        await router.until_reached(new)
        for stage in (
            routing,
            replace(routing, weight=100, shadow=100),
            replace(routing, weight=0, challenger="", champion=new.digest, fallback=old.digest),
            replace(routing, weight=0, challenger=""),
        ):
            await router.publish(stage)
            await asyncio.gather(*(router.users.post(INFER, json={}) for _ in range(10)))
        found = [await counts(router, servers_cluster(one.variant)) for one in (old, new)]
    assert found[0][0] + found[1][0] == 40
    assert found[0][1] + found[1][1] == 40


async def test_a_server_that_only_fails_is_left_out_and_shown_to_be(
    tmp_path: Path, old: Server, new: Server
) -> None:
    new.status = 500
    async with running_router(tmp_path / "config", split(old, new)) as router:
        await router.until_reached(new)
        assert not await is_left_out(router, new)

        async def left_out() -> bool:
            assert (await router.users.post(INFER, json={})).status_code == 200
            return await is_left_out(router, new)

        await until(left_out, "the challenger's server is left out")
        assert await counts(router, servers_cluster(new.variant)) == (10, 0, 10, 0, 0)


async def test_a_server_that_takes_connections_and_hangs_is_asked_on(
    tmp_path: Path, old: Server, new: Server
) -> None:
    """Every connection that is made lets Envoy's count of failures in a row start anew."""
    new.fault = "hang"
    routing = split(old, new, attempt_timeout=timedelta(milliseconds=200))
    async with running_router(tmp_path / "config", routing) as router:
        await router.until_reached(old)
        await router.until_reached(new)
        for _ in range(5):
            assert (await router.users.post(INFER, json={})).status_code == 200
        assert not await is_left_out(router, new)
        assert await counts(router, servers_cluster(new.variant)) == (5, 0, 5, 5, 0)
