"""Remembers who was woken, and lets a test wait for it."""

from __future__ import annotations

import asyncio
from collections import Counter

from regnant.api.meta import Kind

Woken = tuple[Kind, str, str]


class WakeLog:
    """Counts wakes."""

    def __init__(self) -> None:
        self.counts: Counter[Woken] = Counter()
        self._changed = asyncio.Condition()
        self._notices: set[asyncio.Task[None]] = set()

    def wake(self, kind: Kind, namespace: str, name: str) -> None:
        self.counts[(kind, namespace, name)] += 1
        notice = asyncio.ensure_future(self._notify())
        self._notices.add(notice)
        notice.add_done_callback(self._notices.discard)

    async def until(self, woken: Woken, times: int) -> None:
        """Return when the key was woken that often in all."""
        async with asyncio.timeout(120), self._changed:
            await self._changed.wait_for(lambda: self.counts[woken] >= times)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()
