"""The safety net: everything is listed at the start, and looked at again every few minutes.

What a watch missed, or what changed without any event, is found here at the latest. The keys are
spread over the whole period, so that a large cluster feels a trickle and not a wave.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta

from regnant.api.meta import Kind
from regnant.cluster.client import Cluster
from regnant.cluster.errors import ClusterError, NotFoundError
from regnant.controllers.queue import Key, WorkQueue
from regnant.handlers.inventory import Inventory

logger = logging.getLogger(__name__)

_RETRY = 2.0


class Resync:
    """Lists the three resources in the namespaces that are looked after (None: in all)."""

    def __init__(
        self,
        cluster: Cluster,
        namespaces: Sequence[str | None],
        inventory: Inventory,
        queue: WorkQueue,
        period: timedelta,
    ) -> None:
        self._cluster = cluster
        self._namespaces = namespaces
        self._inventory = inventory
        self._queue = queue
        self._period = period.total_seconds()

    async def first(self) -> None:
        """List everything once, however long it takes until the cluster serves the resources."""
        while True:
            try:
                await self._list_all()
            except NotFoundError as error:
                logger.warning("install the CustomResourceDefinitions of Regnant: %s", error)
            except ClusterError as error:
                logger.warning("the resources cannot be listed yet: %s", error)
            else:
                return
            await asyncio.sleep(_RETRY)

    async def run(self) -> None:
        """Wake every key once a period until cancelled, and list before each round."""
        while True:
            # The order is this process's own and stays, so that every key's turn comes evenly.
            keys = sorted(self._inventory.keys(), key=hash)
            for key in keys:
                await asyncio.sleep(self._period / len(keys))
                self._queue.add(key)
            if not keys:
                await asyncio.sleep(self._period)
            try:
                await self._list_all()
            except ClusterError as error:
                logger.warning("the resources could not be listed for the resync: %s", error)

    async def _list_all(self) -> None:
        for kind in Kind:
            for namespace in self._namespaces:
                await self._list(kind, namespace)

    async def _list(self, kind: Kind, namespace: str | None) -> None:
        # What appears while the list is read may not be in it, but is not lost either.
        known = self._inventory.keys(kind, namespace)
        async for body in self._cluster.each(kind.value, namespace):
            metadata = body["metadata"]
            known.discard(Key(kind, metadata["namespace"], metadata["name"]))
            self._wake(self._inventory.notice(kind, body))
        for key in known:
            self._wake(self._inventory.lose(key))

    def _wake(self, keys: set[Key]) -> None:
        for key in keys:
            self._queue.add(key)
