"""A queue with reconciles that a test scripts: how long each takes, and how it ends."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict, deque
from dataclasses import dataclass
from datetime import timedelta

from prometheus_client import CollectorRegistry

from regnant.api.meta import Kind
from regnant.controllers.metrics import QueueMetrics
from regnant.controllers.queue import Backoff, Key, Requeue, WorkQueue


def key(name: str) -> Key:
    return Key(Kind.INFERENCE_SERVICE, "team", name)


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


@dataclass(frozen=True)
class Outcome:
    """How one reconcile goes."""

    takes: float = 0.0
    again: float | None = None
    fails: bool = False


class Workshop:
    """Records every reconcile; checks as it goes that no key has two workers."""

    def __init__(self, *, concurrency: int = 4) -> None:
        self.registry = CollectorRegistry()
        self.script: dict[Key, deque[Outcome]] = defaultdict(deque)
        self.started: list[tuple[float, Key]] = []
        self.finished: Counter[Key] = Counter()
        self.wanted: Counter[Key] = Counter()
        """How often each key's object has changed."""
        self.seen: Counter[Key] = Counter()
        """The last change that a successful reconcile of the key saw."""
        self.busy: set[Key] = set()
        self.most_busy = 0
        self.queue = WorkQueue(
            self.reconcile,
            concurrency=concurrency,
            metrics=QueueMetrics(self.registry),
            backoff=Backoff(seconds(1), seconds(60), random.Random(7)),
            expected=(RuntimeError,),
        )

    def change(self, key: Key) -> None:
        self.wanted[key] += 1
        self.queue.add(key)

    async def reconcile(self, key: Key) -> Requeue:
        assert key not in self.busy, "two workers hold one key"
        self.busy.add(key)
        self.most_busy = max(self.most_busy, len(self.busy))
        self.started.append((now(), key))
        observed = self.wanted[key]
        script = self.script[key]
        outcome = script.popleft() if script else Outcome()
        try:
            await asyncio.sleep(outcome.takes)
            if outcome.fails:
                raise RuntimeError("scripted")
        finally:
            self.busy.discard(key)
        self.seen[key] = observed
        self.finished[key] += 1
        return Requeue(None if outcome.again is None else seconds(outcome.again))

    def times(self, key: Key) -> list[float]:
        return [at for at, started in self.started if started == key]

    def metric(self, name: str, /, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


def now() -> float:
    return asyncio.get_running_loop().time()
