"""Routes change by a swapped link, and no request notices."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx

from regnant.manifests.routing import Routing
from tests.unit.router.running_router import Server, running_router

if TYPE_CHECKING:
    from pathlib import Path

INFER = "/v2/models/churn/infer"
PERIOD = 0.004


def answered_by(champion: Server, *others: Server, fallback: Server | None = None) -> Routing:
    return Routing(
        service="churn",
        namespace="default",
        model="churn",
        variants=tuple(server.variant for server in (champion, *others)),
        champion=champion.digest,
        fallback=fallback.digest if fallback else "",
    )


class OpenLoop:
    """Requests at a fixed rate, whether or not earlier ones were answered."""

    def __init__(self, users: httpx.AsyncClient, question: object, header: str) -> None:
        self._users = users
        self._question = question
        self._header = header
        self._tasks: list[asyncio.Task[None]] = []
        self._going = True
        self.outcomes: list[str] = []
        """What each answer's header says, or what went wrong."""

    @property
    def asked(self) -> int:
        return len(self._tasks)

    async def run(self) -> None:
        while self._going:
            self._tasks.append(asyncio.create_task(self._ask()))
            await asyncio.sleep(PERIOD)

    async def stop(self) -> list[str]:
        """Ask nothing more, and return every outcome."""
        self._going = False
        await asyncio.gather(*self._tasks)
        return self.outcomes

    async def _ask(self) -> None:
        try:
            answer = await self._users.post(INFER, json=self._question)
        except httpx.TransportError as error:
            self.outcomes.append(repr(error))
            return
        self.outcomes.append(answer.headers[self._header] if answer.is_success else answer.text)


async def test_twenty_promotions_under_load_fail_no_request(
    tmp_path: Path, old: Server, new: Server
) -> None:
    async with running_router(tmp_path / "config", answered_by(old, new)) as router:
        await router.until_reached(old)
        await router.until_reached(new)
        load = OpenLoop(router.users, {}, "x-regnant-version")
        sending = asyncio.create_task(load.run())
        for _ in range(10):
            await router.publish(answered_by(new, old, fallback=old))
            await router.publish(answered_by(old, new))
        outcomes = await load.stop()
        await sending
    assert set(outcomes) == {"3", "4"}


async def test_after_the_revision_is_shown_every_answer_is_the_new_version(
    tmp_path: Path, old: Server, new: Server
) -> None:
    async with running_router(tmp_path / "config", answered_by(old, new)) as router:
        await router.until_reached(new)
        for champion, other in ((new, old), (old, new)) * 5:
            await router.publish(answered_by(champion, other))
            answer = await router.users.post(INFER, json={})
            assert answer.headers["x-regnant-version"] == str(champion.version)


async def test_a_version_and_its_route_may_arrive_together(
    tmp_path: Path, old: Server, new: Server
) -> None:
    async with running_router(tmp_path / "config", answered_by(old)) as router:
        for _ in range(10):
            await router.publish(answered_by(new, old, fallback=old))
            await router.publish(answered_by(old))
        rejected = await router.statistic("envoy_http_rds_update_rejected")
        cluster_rejected = await router.statistic("envoy_cluster_manager_cds_update_rejected")
    assert (rejected, cluster_rejected) == (0, 0)


async def test_a_listener_is_never_replaced_by_a_promotion(
    tmp_path: Path, old: Server, new: Server
) -> None:
    async with running_router(tmp_path / "config", answered_by(old, new)) as router:
        await router.publish(answered_by(new, old))
        assert await router.statistic("envoy_listener_manager_listener_modified") == 0
        assert await router.statistic("envoy_listener_manager_lds_update_success") > 1
