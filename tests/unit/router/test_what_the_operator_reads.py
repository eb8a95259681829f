"""What the operator reads of a real router: the counts of each host, and what was refused."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from regnant.manifests.router_config import router_files
from regnant.manifests.router_config.clusters import servers_cluster, shadow_cluster
from regnant.manifests.routing import Routing
from regnant.probes import Prober
from regnant.probes.statistics import Discovery, Part, Tries
from tests.unit.router.running_router import LOOPBACK, Router, Server, running_router, until
from tests.unit.router.test_challenger_costs_users_nothing import INFER, split

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@asynccontextmanager
async def asked(path: Path, old: Server, new: Server) -> AsyncIterator[tuple[Router, Prober]]:
    """A router that gives every request to the challenger first, and who asks it."""
    routing = split(old, new, attempt_timeout=timedelta(milliseconds=300))
    async with (
        running_router(path / "config", routing) as router,
        Prober.open(port=router.place.verification_port) as prober,
    ):
        await router.until_reached(old)
        await router.until_reached(new)
        yield router, prober


async def tries(prober: Prober, server: Server) -> Tries:
    cluster = servers_cluster(server.variant)
    found = await prober.tries(LOOPBACK, [cluster])
    assert list(found) == [cluster]
    assert list(found[cluster]) == [f"{LOOPBACK}:{server.port}"]
    return found[cluster][f"{LOOPBACK}:{server.port}"]


async def counted(prober: Prober, server: Server) -> Tries:
    """The counts alone: on a busy machine a server may seem ill for a moment."""
    return replace(await tries(prober, server), left_out=False)


async def given_to(server: Server, router: Router) -> None:
    """Ask until one request went to this server."""
    before = server.answered

    async def was_asked() -> bool:
        await router.users.post(INFER, json={})
        return server.answered > before

    await until(was_asked, "the server is asked")


async def test_each_way_to_fail_is_one_failure_and_a_users_mistake_is_none(
    tmp_path: Path, old: Server, new: Server
) -> None:
    async with asked(tmp_path, old, new) as (router, prober):
        assert await counted(prober, new) == Tries()
        await given_to(new, router)
        new.status = 400
        await given_to(new, router)
        assert await counted(prober, new) == Tries(succeeded=2)
        new.status = 500
        await given_to(new, router)
        assert await counted(prober, new) == Tries(2, failed=1)
        new.status, new.fault = 200, "reset"
        await given_to(new, router)
        assert await counted(prober, new) == Tries(2, failed=2)
        new.fault = "cut"
        await given_to(new, router)
        assert await counted(prober, new) == Tries(2, failed=3)
        new.fault = "hang"
        await given_to(new, router)
        assert await counted(prober, new) == Tries(2, failed=4, timed_out=1)
        assert old.answered >= 4
        assert await counted(prober, old) == Tries(succeeded=old.answered)


async def test_a_user_who_goes_away_is_neither_a_success_nor_a_failure(
    tmp_path: Path, old: Server, new: Server
) -> None:
    async with asked(tmp_path, old, new) as (router, prober):
        new.fault = "hang"
        reader, writer = await asyncio.open_connection(LOOPBACK, router.place.users_port)
        writer.write(f"POST {INFER} HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{{}}".encode())

        async def is_hanging() -> bool:
            return new.hanging == 1

        async def was_given_up() -> bool:
            page = (await router.operator.get("/envoy/clusters?format=json")).json()
            return not any(
                gauge["name"] == "rq_active" and "value" in gauge
                for cluster in page["cluster_statuses"]
                if cluster["name"] == servers_cluster(new.variant)
                for gauge in cluster["host_statuses"][0]["stats"]
            )

        await until(is_hanging, "the challenger has the request")
        writer.close()
        await writer.wait_closed()
        await until(was_given_up, "the router has given the request up")
        new.fault = ""
        new.released.set()
        await given_to(new, router)
        assert await counted(prober, new) == Tries(succeeded=1)
        assert await counted(prober, old) == Tries(succeeded=old.answered)
        assert await reader.read() == b""


async def test_a_host_that_fails_too_often_is_seen_to_be_left_out(
    tmp_path: Path, old: Server, new: Server
) -> None:
    async with asked(tmp_path, old, new) as (router, prober):
        new.status = 500

        async def is_left_out() -> bool:
            await router.users.post(INFER, json={})
            return (await tries(prober, new)).left_out

        await until(is_left_out, "the challenger's host is left out")
        assert (await tries(prober, new)).failed == new.answered > 0


async def test_only_what_is_asked_for_is_told_and_what_is_unknown_is_missing(
    tmp_path: Path, old: Server, new: Server
) -> None:
    async with asked(tmp_path, old, new) as (_, prober):
        wanted = [shadow_cluster(new.variant), servers_cluster(old.variant)]
        assert set(await prober.tries(LOOPBACK, wanted)) == set(wanted)
        assert await prober.tries(LOOPBACK, ["version-9-00000000"]) == {}


async def test_a_refused_configuration_is_told_by_part(
    tmp_path: Path, old: Server, new: Server
) -> None:
    async with asked(tmp_path, old, new) as (router, prober):
        before = await prober.discovery(LOOPBACK)
        revision = before.routes.revision
        assert before == Discovery(*[Part(revision, 0)] * 3)
        assert before.has(revision)
        wanted = Routing("churn", "default", "churn", (old.variant,), old.digest)
        files = router_files(wanted, router.place)
        wrong = json.loads(files["cds.json"])
        wrong["resources"][0]["lb_policy"] = "CLUSTER_PROVIDED"
        router.directory.publish({**files, "cds.json": json.dumps(wrong)})

        async def is_refused() -> bool:
            return (await prober.discovery(LOOPBACK)).refusals == 1

        await until(is_refused, "the clusters are refused")
        after = await prober.discovery(LOOPBACK)
    assert after.clusters == Part(revision, 1)
    assert not after.has(wanted.revision)
