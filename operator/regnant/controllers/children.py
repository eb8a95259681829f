"""The children of a service and the versions of its namespace, read when they may have changed.

An open rollout is looked at every second, and most looks are for the counts of its pods alone. The
watches that wake keys tell when anything else happened. So what was read stays true until its key
is woken, and is not read again before; nothing of a service without an open rollout is kept. A
watch can be dead and not know it, so nothing is believed for longer than `TRUSTED` either.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from regnant.api.meta import Kind
from regnant.cluster.client import Cluster
from regnant.cluster.kinds import Manifest
from regnant.controllers.queue import Key
from regnant.manifests import names

TRUSTED = 10.0
"""Seconds for which what was read is believed without a word of the watches."""
KINDS = (
    "Deployment",
    "Service",
    "ConfigMap",
    "PodDisruptionBudget",
    "NetworkPolicy",
    "Pod",
)

Listen = Callable[[Callable[[Key], None]], None]
"""Has a function called with every key that is woken."""


@dataclass(frozen=True, slots=True)
class Found:
    """What there was at one reading."""

    by_kind: Mapping[str, Sequence[Manifest]]
    made: Mapping[tuple[str, str], Manifest]
    """What the operator makes itself, by kind and name; the same object as long as it is true."""
    versions: Sequence[Manifest]
    """The ModelVersions of the namespace."""


@dataclass(slots=True)
class _Reading:
    """One reading; what it found is noted at its end, unless the key was woken meanwhile."""

    at: float
    found: Found | None = None


class Children:
    """What services have."""

    def __init__(
        self,
        cluster: Cluster,
        listen: Listen | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Without `listen` nobody tells of changes, so everything is read every time."""
        self._cluster = cluster
        self._clock = clock
        self._listens = listen is not None
        self._readings: dict[Key, _Reading] = {}
        if listen:
            listen(self._forget)

    async def of(self, key: Key, *, watched: bool) -> Found:
        """What a service has; `watched` is one that is looked at all the time."""
        if not (watched and self._listens):
            self._forget(key)
            return await self._read(key)
        known = self._readings.get(key)
        if known and known.found and self._clock() - known.at < TRUSTED:
            return known.found
        reading = self._readings[key] = _Reading(self._clock())
        try:
            found = await self._read(key)
        except BaseException:
            self._forget(key)
            raise
        reading.found = found
        return found

    def _forget(self, key: Key) -> None:
        """It changed, or is not watched any more; also while it is being read."""
        self._readings.pop(key, None)

    async def _read(self, key: Key) -> Found:
        labels = names.owned_by(Kind.INFERENCE_SERVICE, key.name)
        by_kind = {kind: await self._cluster.list(kind, key.namespace, labels) for kind in KINDS}
        made = {
            (one["kind"], one["metadata"]["name"]): one
            for kind in KINDS
            if kind != "Pod"
            for one in by_kind[kind]
        }
        versions = await self._cluster.list("ModelVersion", key.namespace)
        return Found(by_kind, made, versions)
