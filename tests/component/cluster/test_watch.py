"""Children wake their owners, whatever becomes of the connection."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from e2e.cluster.control_plane import ControlPlane
from regnant.api.meta import Kind
from regnant.cluster.client import Cluster
from regnant.cluster.kinds import collection
from regnant.cluster.watch import ChildWatch, Pace
from tests.component.flaky_link import FlakyLink, flaky_link
from tests.component.objects import child, reference
from tests.component.wake_log import WakeLog


@contextlib.asynccontextmanager
async def watching(through: Cluster, namespace: str | None) -> AsyncIterator[WakeLog]:
    """A watch of ConfigMaps that has listed."""
    log = WakeLog()
    watch = ChildWatch(
        through.transport, collection("ConfigMap"), namespace, log.wake, pace=Pace(600, 0.01, 0.1)
    )
    task = asyncio.create_task(watch.run())
    try:
        async with asyncio.timeout(30):
            await watch.listed.wait()
        yield log
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def link(
    control_plane: ControlPlane, tmp_path: Path
) -> AsyncIterator[tuple[FlakyLink, Cluster]]:
    async with flaky_link(control_plane, tmp_path) as (link, access), Cluster(access) as through:
        yield link, through


async def test_every_change_of_a_child_wakes_its_owner(cluster: Cluster, namespace: str) -> None:
    churn = (Kind.INFERENCE_SERVICE, namespace, "churn")
    await cluster.apply(child(namespace, "before", owner="churn"))
    async with watching(cluster, namespace) as log:
        await log.until(churn, 1)
        await cluster.apply(child(namespace, "after", owner="churn"))
        await log.until(churn, 2)
        await cluster.apply(child(namespace, "after", owner="churn", data="2"))
        await log.until(churn, 3)
        await cluster.delete(reference(child(namespace, "after", owner="churn")))
        await log.until(churn, 4)


async def test_what_is_not_ours_wakes_nobody(cluster: Cluster, namespace: str) -> None:
    stranger = child(namespace, "stranger", owner="churn")
    stranger["metadata"]["labels"]["app.kubernetes.io/managed-by"] = "somebody"
    orphan = child(namespace, "orphan", owner="churn")
    del orphan["metadata"]["labels"]["regnant.dev/owner"]
    alien = child(namespace, "alien", owner="churn")
    alien["metadata"]["labels"]["regnant.dev/owner-kind"] = "Spaceship"
    async with watching(cluster, namespace) as log:
        for each in (stranger, orphan, alien):
            await cluster.apply(each)
        await cluster.apply(child(namespace, "ours", owner="fraud"))
        await log.until((Kind.INFERENCE_SERVICE, namespace, "fraud"), 1)
        assert set(log.counts) == {(Kind.INFERENCE_SERVICE, namespace, "fraud")}


async def test_one_watch_sees_all_namespaces(cluster: Cluster, namespace: str) -> None:
    async with watching(cluster, None) as log:
        await cluster.apply(child(namespace, "config", owner="churn"))
        await log.until((Kind.INFERENCE_SERVICE, namespace, "churn"), 1)


async def test_a_watch_goes_on_after_its_connection_was_cut(
    cluster: Cluster, namespace: str, link: tuple[FlakyLink, Cluster]
) -> None:
    wire, through = link
    churn = (Kind.INFERENCE_SERVICE, namespace, "churn")
    await cluster.apply(child(namespace, "before", owner="churn"))
    async with watching(through, namespace) as log:
        await log.until(churn, 1)
        wire.cut()
        await cluster.apply(child(namespace, "meanwhile", owner="churn"))
        wire.mend()
        await log.until(churn, 2)
        # It went on from where it was: nothing was listed, so nothing was woken, twice.
        assert log.counts[churn] == 2


async def test_when_history_is_gone_everything_is_listed_and_woken_again(
    control_plane: ControlPlane,
    cluster: Cluster,
    namespace: str,
    link: tuple[FlakyLink, Cluster],
) -> None:
    wire, through = link
    churn = (Kind.INFERENCE_SERVICE, namespace, "churn")
    fraud = (Kind.INFERENCE_SERVICE, namespace, "fraud")
    await cluster.apply(child(namespace, "before", owner="churn"))
    async with watching(through, namespace) as log:
        await log.until(churn, 1)
        wire.cut()
        await cluster.apply(child(namespace, "meanwhile", owner="fraud"))
        # A server that starts remembers nothing from before its start.
        await asyncio.to_thread(control_plane.stop_api_server)
        await asyncio.to_thread(control_plane.start)
        wire.mend()
        await log.until(fraud, 1)
        await log.until(churn, 2)
        await cluster.apply(child(namespace, "afterwards", owner="fraud"))
        await log.until(fraud, 2)
