"""The queue and everything that wakes it, started and stopped as one.

A task here runs until it is cancelled. One that ends by itself has failed, and with it the process:
an operator that has lost a watch looks well and does nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from datetime import timedelta
from typing import Any

from prometheus_client import CollectorRegistry

from regnant.api.meta import Kind
from regnant.cluster.client import Cluster
from regnant.cluster.errors import ClusterError
from regnant.cluster.kinds import CHILDREN, collection
from regnant.cluster.watch import ChildWatch
from regnant.controllers.metrics import QueueMetrics
from regnant.controllers.queue import Key, Requeue, WorkQueue
from regnant.controllers.registry import Reconciles
from regnant.handlers.inventory import Inventory
from regnant.handlers.resync import Resync
from regnant.handlers.settings import Settings
from regnant.probes import ProbeError

logger = logging.getLogger(__name__)


class Loop:
    """What turns changes into reconciles."""

    def __init__(self, settings: Settings, cluster: Cluster, registry: CollectorRegistry) -> None:
        self._settings = settings
        self._cluster = cluster
        self._reconcilers: Mapping[Kind, Reconciles] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._watches: tuple[ChildWatch, ...] = ()
        self._halt: asyncio.Task[bool] | None = None
        self.failed = False
        self.ending = asyncio.Event()
        """Set when the process is to end; a failure sets it too."""
        self.inventory = Inventory()
        self.queue = WorkQueue(
            self._reconcile,
            concurrency=settings.concurrency,
            metrics=QueueMetrics(registry),
            expected=(ClusterError, ProbeError),
        )
        namespaces: tuple[str | None, ...] = settings.namespaces or (None,)
        self._namespaces = namespaces
        self.resync = Resync(cluster, namespaces, self.inventory, self.queue, settings.resync)

    def start(self, reconcilers: Mapping[Kind, Reconciles]) -> None:
        """Watch children, reconcile what is queued, and look at everything again in time."""
        self._reconcilers = reconcilers
        self._watches = tuple(
            ChildWatch(self._cluster.transport, collection(kind), namespace, self._wake)
            for kind in CHILDREN
            for namespace in self._namespaces
        )
        for watch in self._watches:
            self.spawn(watch.run(), str(watch))
        self.spawn(self.resync.run(), "the resync")
        self.queue.start()

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run something that must not end before `stop`."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """Take no more work, finish what is being worked on, end the watches."""
        # kopf waits for whoever waits for this, even when a signal was what ended it.
        self.ending.set()
        finished = await self.queue.drain(self._settings.drain)
        if not finished:
            logger.warning("work was cut off after %s s", self._settings.drain.total_seconds())
        tasks, self._tasks = self._tasks, set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def stuck(self) -> str | None:
        """Why the process should be restarted, if it should."""
        age = self.queue.oldest_unfinished_age()
        if self.failed:
            return "a task of the operator ended"
        if age > self._settings.stuck_after:
            return f"a key has been unfinished for {age}"
        return None

    def waiting_for(self) -> str | None:
        """What is missing until every change is seen and acted on, if anything is."""
        if not self.queue.running:
            return "the queue does not run"
        missing = [str(watch) for watch in self._watches if not watch.listed.is_set()]
        return f"{missing[0]} has not listed yet" if missing else None

    async def _reconcile(self, key: Key) -> Requeue:
        return await self._reconcilers[key.kind].reconcile(key)

    def _wake(self, kind: Kind, namespace: str, name: str) -> None:
        self.queue.add(Key(kind, namespace, name))

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or task not in self._tasks:
            return
        logger.error("%s ended", task.get_name(), exc_info=task.exception())
        self.failed = True
        self.ending.set()
        # Whatever ended, it may have been the right to act: nothing more is done meanwhile.
        self._halt = asyncio.create_task(self.queue.drain(timedelta(0)), name="the halt")
