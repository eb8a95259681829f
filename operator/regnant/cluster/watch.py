"""Waking owners when their children change, and remembering nothing of the children.

One list and watch a kind (and namespace) asks for metadata only, of what carries our label. An
event becomes the owner's key by its labels and is dropped: with 20,000 children this costs 63 MiB
where full objects cost 323. After a cut connection the watch continues where it was; when that
history is gone (410) everything is listed, and so everything is woken, again. What a missed
deletion leaves behind is found by the resync.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from regnant.api.meta import Kind
from regnant.cluster.client import label_selector
from regnant.cluster.errors import ClusterError, ExpiredError, UnavailableError, error_from_status
from regnant.cluster.kinds import Collection
from regnant.cluster.transport import Request, Transport
from regnant.manifests.names import MANAGED_BY, MANAGER, OWNER, OWNER_KIND

logger = logging.getLogger(__name__)

Wake = Callable[[Kind, str, str], None]
"""Called with the kind, the namespace and the name of the owner."""

_OWNERS = frozenset(Kind)
_AS = "application/json;as={};g=meta.k8s.io;v=v1"
_SELECTOR = ("labelSelector", label_selector({MANAGED_BY: MANAGER}))


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a watch is renewed, and how long it waits after its n-th failure; in seconds."""

    server_timeout: int = 600
    first_pause: float = 0.1
    longest_pause: float = 30.0

    def pause(self, failures: int) -> float:
        """Doubled each time, capped, and jittered so that watches do not return together."""
        doubled = min(self.first_pause * 2.0 ** min(failures - 1, 30), self.longest_pause)
        return doubled * random.uniform(0.5, 1.0)  # noqa: S311 - no secret hangs on it


class ChildWatch:
    """The list and watch of one kind of children in one namespace, or in all."""

    def __init__(
        self,
        transport: Transport,
        source: Collection,
        namespace: str | None,
        wake: Wake,
        *,
        pace: Pace | None = None,
    ) -> None:
        self._transport = transport
        self._path = source.path(namespace)
        self._wake = wake
        self._pace = pace or Pace()
        self._version: str | None = None
        self.listed = asyncio.Event()

    def __str__(self) -> str:
        return f"the watch of {self._path}"

    async def run(self) -> None:
        """List and watch until cancelled; no failure of the cluster ends it."""
        failures = 0
        while True:
            try:
                if self._version is None:
                    await self._list()
                async with aclosing(self._events()) as events:
                    async for event in events:
                        failures = 0
                        self._take(event)
                await asyncio.sleep(self._pace.first_pause)
            except ClusterError as error:
                if isinstance(error, ExpiredError):
                    self._version = None
                failures += 1
                level = logging.INFO if error.transient else logging.WARNING
                logger.log(level, "%s broke off and is resumed: %s", self, error)
                await asyncio.sleep(self._pace.pause(failures))

    async def _list(self) -> None:
        accept = _AS.format("PartialObjectMetadataList")
        version, following = "", ""
        while True:
            query = [_SELECTOR, ("limit", "500"), ("continue", following)]
            page = json.loads(
                await self._transport.send(Request("GET", self._path, query, accept=accept))
            )
            for item in page["items"] or ():  # nothing found is null here
                self._wake_owner(item["metadata"])
            version = page["metadata"]["resourceVersion"]
            following = page["metadata"].get("continue", "")
            if not following:
                break
        self._version = version
        self.listed.set()

    async def _events(self) -> AsyncGenerator[dict[str, Any], None]:
        query = [
            _SELECTOR,
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", self._version or ""),
            ("timeoutSeconds", str(self._pace.server_timeout)),
        ]
        request = Request("GET", self._path, query, accept=_AS.format("PartialObjectMetadata"))
        async with self._transport.lines(request) as lines:
            async for line in lines:
                yield self._event(line)

    def _event(self, line: bytes) -> dict[str, Any]:
        try:
            event: dict[str, Any] = json.loads(line)
        except ValueError as error:
            raise UnavailableError(f"{self}: a line was cut off") from error
        return event

    def _take(self, event: dict[str, Any]) -> None:
        found = event["object"]
        if event["type"] == "ERROR":
            raise error_from_status(str(self), found)
        metadata = found["metadata"]
        self._version = metadata["resourceVersion"]
        if event["type"] != "BOOKMARK":
            self._wake_owner(metadata)

    def _wake_owner(self, metadata: dict[str, Any]) -> None:
        labels = metadata.get("labels") or {}
        kind, name = labels.get(OWNER_KIND), labels.get(OWNER)
        if kind in _OWNERS and name:
            self._wake(Kind(kind), metadata["namespace"], name)
