"""Bringing a router's configuration to its pods at once, and not when the kubelet next looks.

A kubelet writes a pod's volumes anew when the pod changes, so an annotation is touched. It then
takes the ConfigMap from its own cache, whose watch may still be waiting after an outage of the API
server: a router that goes on showing the former revision is touched again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from regnant.cluster.client import Cluster
from regnant.cluster.errors import NotFoundError
from regnant.cluster.kinds import Manifest, Ref
from regnant.manifests.router import CONFIG_SYNC

AGAIN = 5.0
"""Seconds after which a router that lags is touched again."""
MOST = 4096
"""Pods that are remembered; the longest untouched are forgotten first."""


class RouterSync:
    """Touches the pods of all routers."""

    def __init__(self, cluster: Cluster, clock: Callable[[], float] = time.monotonic) -> None:
        self._cluster = cluster
        self._clock = clock
        self._touched: dict[str, float] = {}
        """When each pod was touched last, by its UID."""

    async def sync(self, pods: Sequence[Manifest], revision: str, shown: Mapping[str, str]) -> None:
        """Have every pod take up a revision; `shown` has, by pod, what some were seen to have."""
        for pod in pods:
            head = pod["metadata"]
            if "deletionTimestamp" in head:
                continue
            asked, _, _ = head.get("annotations", {}).get(CONFIG_SYNC, "").partition("/")
            if asked != revision:
                await self._touch(head, revision)
            elif shown.get(head["name"], revision) != revision and self._is_late(head["uid"]):
                await self._touch(head, f"{revision}/{self._clock():.0f}")

    def _is_late(self, uid: str) -> bool:
        now = self._clock()
        return now - self._touched.setdefault(uid, now) >= AGAIN

    async def _touch(self, head: Manifest, value: str) -> None:
        self._touched[head["uid"]] = self._clock()
        while len(self._touched) > MOST:
            del self._touched[next(iter(self._touched))]
        target = Ref("Pod", head["namespace"], head["name"])
        try:
            await self._cluster.annotate(target, {CONFIG_SYNC: value})
        except NotFoundError:
            self._touched.pop(head["uid"], None)
