"""A router that lags is touched again, and one that is up to date never."""

from __future__ import annotations

from typing import Any, cast

from regnant.cluster.client import Cluster
from regnant.cluster.errors import NotFoundError
from regnant.cluster.kinds import Ref
from regnant.controllers.router_sync import AGAIN, RouterSync
from regnant.manifests.router import CONFIG_SYNC


class Pods:
    """What is annotated, and a clock; a pod that is gone cannot be."""

    def __init__(self) -> None:
        self.annotations: dict[str, str] = {}
        self.gone: set[str] = set()
        self.touches = 0
        self.now = 0.0

    async def annotate(self, target: Ref, annotations: dict[str, str]) -> None:
        if target.name in self.gone:
            raise NotFoundError("no such pod")
        self.annotations |= annotations
        self.touches += 1

    def listed(self, **head: str) -> list[dict[str, Any]]:
        pod = {"name": "router", "namespace": "ns", "uid": "u", "annotations": self.annotations}
        return [{"metadata": pod | head}]


def syncing(pods: Pods) -> RouterSync:
    return RouterSync(cast("Cluster", pods), clock=lambda: pods.now)


async def test_a_router_is_touched_once_for_a_revision() -> None:
    pods = Pods()
    sync = syncing(pods)
    for _ in range(3):
        await sync.sync(pods.listed(), "r1", {"router": "r1"})
    assert (pods.annotations, pods.touches) == ({CONFIG_SYNC: "r1"}, 1)


async def test_a_router_that_lags_is_touched_again_after_a_while() -> None:
    pods = Pods()
    sync = syncing(pods)
    for _ in range(40):
        await sync.sync(pods.listed(), "r2", {"router": "r1"})
        pods.now += AGAIN / 10
    assert pods.touches == 4
    assert pods.annotations[CONFIG_SYNC].startswith("r2/")
    await sync.sync(pods.listed(), "r2", {"router": "r2"})
    assert pods.touches == 4


async def test_a_router_of_which_nothing_is_known_is_left_alone() -> None:
    pods = Pods()
    sync = syncing(pods)
    for _ in range(3):
        await sync.sync(pods.listed(), "r1", {})
        pods.now += 2 * AGAIN
    assert pods.touches == 1


async def test_a_router_on_its_way_out_or_gone_is_no_error() -> None:
    pods = Pods()
    sync = syncing(pods)
    await sync.sync(pods.listed(deletionTimestamp="2026-01-01T00:00:00Z"), "r1", {})
    pods.gone.add("router")
    await sync.sync(pods.listed(), "r1", {})
    assert pods.touches == 0
