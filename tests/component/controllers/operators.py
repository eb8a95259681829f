"""The real reconcilers on the real API server, driven key by key and with a clock of the test's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from regnant.api.meta import Kind
from regnant.cluster.client import Cluster
from regnant.cluster.connection import Access
from regnant.cluster.kinds import COLLECTIONS, Manifest, Ref
from regnant.cluster.transport import Request
from regnant.controllers.queue import Key, Requeue
from regnant.controllers.registry import Reconciles
from regnant.manifests.platform import Platform
from tests.component.controllers.node import Node

PLATFORM = Platform(
    trainer_image="regnant/trainer:1",
    server_image="regnant/server:1",
    router_image="regnant/router:1",
    store_uri="oci://registry.test:5000/models",
    store_plain_http=True,
    operator_namespace="regnant",
)


class ObservedCluster(Cluster):
    """The operator's own client, which remembers what it wrote and can be interrupted."""

    def __init__(self, access: Access) -> None:
        super().__init__(access)
        self.writes: list[str] = []
        self.before_status: Callable[[], Awaitable[None]] | None = None

    async def apply(
        self,
        manifest: Manifest,
        *,
        subresource: Literal["", "status"] = "",
        resource_version: str | None = None,
    ) -> Manifest:
        interrupt, self.before_status = self.before_status, None
        if subresource == "status" and interrupt:
            await interrupt()
        return await super().apply(
            manifest, subresource=subresource, resource_version=resource_version
        )

    async def _send(self, request: Request) -> Manifest:
        if request.method != "GET":
            self.writes.append(str(request))
        return await super()._send(request)


@dataclass
class Clock:
    """Time that passes when a test says so."""

    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Operator:
    """An operator that does what it is told in one namespace, and the node beneath it."""

    cluster: ObservedCluster
    namespace: str
    reconcilers: Mapping[Kind, Reconciles]
    clock: Clock
    node: Node
    woken: list[Key] = field(default_factory=list)

    def key(self, kind: str, name: str) -> Key:
        return Key(Kind(kind), self.namespace, name)

    async def create(self, manifest: Manifest) -> Manifest:
        return await self.cluster.create(manifest)

    async def reconcile(self, kind: str, name: str) -> Requeue:
        """One round."""
        return await self.reconcilers[Kind(kind)].reconcile(self.key(kind, name))

    async def settle(self, kind: str, name: str, *, limit: int = 60) -> None:
        """Rounds, with the node at work and time passing, until there is nothing to wait for."""
        for _ in range(limit):
            requeue = await self.reconcile(kind, name)
            await self.node.run()
            if requeue.after is None and (await self.reconcile(kind, name)).after is None:
                return
            # More at a time than was asked for: nothing may depend on being looked at often.
            self.clock.now += 4 * (requeue.after or timedelta(0))
        raise AssertionError(f"did not settle: {await self.status(kind, name)}")

    async def until(self, kind: str, name: str, phase: str, *, limit: int = 30) -> None:
        """Rounds until the phase is reached."""
        for _ in range(limit):
            requeue = await self.reconcile(kind, name)
            if (await self.status(kind, name))["phase"] == phase:
                return
            await self.node.run()
            self.clock.now += requeue.after or timedelta(0)
        raise AssertionError(f"never {phase}: {await self.status(kind, name)}")

    async def get(self, kind: str, name: str) -> Manifest:
        found = await self.find(kind, name)
        assert found, f"there is no {kind} {name}"
        return found

    async def find(self, kind: str, name: str) -> Manifest | None:
        return await self.cluster.get(Ref(kind, self.namespace, name))

    async def delete(self, kind: str, name: str) -> None:
        await self.cluster.delete(Ref(kind, self.namespace, name))

    async def edit(self, kind: str, name: str, change: Callable[[Manifest], Any]) -> Manifest:
        """What somebody with an editor does."""
        live = await self.get(kind, name)
        change(live)
        return await self.cluster.replace(live)

    async def status(self, kind: str, name: str) -> Manifest:
        status: Manifest = (await self.get(kind, name))["status"]
        return status

    async def condition(self, kind: str, name: str, which: str = "Ready") -> tuple[str, str, str]:
        conditions = (await self.status(kind, name))["conditions"]
        one = next(found for found in conditions if found["type"] == which)
        return one["status"], one["reason"], one["message"]

    async def events(self) -> list[str]:
        """The reasons of all Events so far."""
        return sorted(one["reason"] for one in await self.cluster.list("Event", self.namespace))

    async def snapshot(self) -> dict[str, str]:
        """Every object of the namespace with its resource version."""
        return {
            f"{kind} {one['metadata']['name']}": one["metadata"]["resourceVersion"]
            for kind in COLLECTIONS
            for one in await self.cluster.list(kind, self.namespace)
        }
