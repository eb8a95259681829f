"""The keyed work queue: when a key is reconciled, and never by two workers at once.

kopf tells of changes by their edges; Regnant looks at levels. Whatever happened, a key is put here,
and a worker reconciles it from what is so at that moment. So a key waits at most once however often
it is woken, and one that is woken while it is worked on is worked on again. A reconciler asks for a
later look by its answer; an exception is retried after a pause that doubles with every failure of
that key. Nothing else in the operator retries.

Time is the event loop's, so that a test can own it. What reconciling means does not belong here.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from regnant.api.meta import Kind
from regnant.controllers.metrics import QueueMetrics, Result

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """What is reconciled: one object, by name, whether it exists or not."""

    kind: Kind
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"

    def log_fields(self) -> dict[str, str]:
        """What a log line about the object carries as `extra`."""
        return {"kind": self.kind.value, "namespace": self.namespace, "object": self.name}


@dataclass(frozen=True, slots=True)
class Requeue:
    """When to look again though nothing wakes the key; None leaves it to events and the resync."""

    after: timedelta | None = None


Reconcile = Callable[[Key], Awaitable[Requeue]]


@dataclass(frozen=True, slots=True)
class Backoff:
    """The pause after the n-th failure in a row: doubled each time, capped, jittered downwards."""

    base: timedelta = timedelta(milliseconds=500)
    cap: timedelta = timedelta(minutes=2)
    rng: random.Random = field(default_factory=random.Random)

    def pause(self, failures: int) -> timedelta:
        """Between half of the pause and all of it, so that keys that failed together part."""
        # The exponent is bounded because a float overflows where the cap was reached long ago.
        doubled = self.base * 2.0 ** min(failures - 1, 30)
        return min(doubled, self.cap) * self.rng.uniform(0.5, 1.0)


class WorkQueue:
    """Keys to reconcile, and the workers that do it.

    Each key is in at most one of these states; `add` and the workers move it:

        idle     add -> queued      a worker is free -> working      done -> idle, or delayed
        delayed  add, or its time comes -> queued
        working  add -> working and woken      done -> queued
    """

    def __init__(
        self,
        reconcile: Reconcile,
        *,
        concurrency: int,
        metrics: QueueMetrics,
        backoff: Backoff | None = None,
        expected: tuple[type[Exception], ...] = (),
    ) -> None:
        """`expected` errors belong to a cluster's life and are logged without a traceback."""
        self._reconcile = reconcile
        self._concurrency = concurrency
        self._metrics = metrics
        self._backoff = backoff or Backoff()
        self._expected = expected
        self._queued: OrderedDict[Key, float] = OrderedDict()
        self._working: dict[Key, float] = {}
        self._woken: dict[Key, float] = {}
        self._delayed: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}
        self._unreconciled: dict[Key, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._listeners: list[Callable[[Key], None]] = []
        self._running = False
        self._draining = False

    @property
    def running(self) -> bool:
        """Whether keys that are added will be worked on."""
        return self._running and not self._draining

    def start(self) -> None:
        """Begin to work on what was and will be added; needs a running event loop."""
        self._running = True
        self._metrics.observe(
            depth=lambda kind: sum(key.kind is kind for key in self._queued),
            working=lambda kind: self._ages(self._working, kind),
            unreconciled=lambda kind: max(self._ages(self._unreconciled, kind), default=0.0),
        )
        self._fill()

    def add(self, key: Key) -> None:
        """Wake a key: it is reconciled at least once from what is so after this call."""
        for listener in self._listeners:
            listener(key)
        if self._draining:
            return
        now = self._now()
        if key in self._working:
            self._woken.setdefault(key, now)
        else:
            self._unreconciled.setdefault(key, now)
            self._enqueue(key)

    def listen(self, listener: Callable[[Key], None]) -> None:
        """Have a function called with every key that is woken, before it is worked on.

        A look that a reconciler asked for itself wakes nobody: nothing happened.
        """
        self._listeners.append(listener)

    def forget(self, key: Key) -> None:
        """Drop what is remembered of an object that is gone: its failures and its next look."""
        self._failures.pop(key, None)
        self._cancel_delay(key)
        if key not in self._queued and key not in self._working:
            self._unreconciled.pop(key, None)

    def oldest_unfinished_age(self) -> timedelta:
        """For how long the oldest key has waited for a worker, or been held by one.

        A key that failed and waits for its next try is not unfinished: the loop is well, even if
        an object is not.
        """
        ages = [*self._ages(self._queued), *self._ages(self._working)]
        return timedelta(seconds=max(ages, default=0.0))

    async def drain(self, deadline: timedelta) -> bool:
        """Take nothing more, wait for the workers, and cancel those that outlast the deadline.

        What was queued is dropped: whoever runs next lists everything and starts from there.
        Returns whether every worker finished by itself.
        """
        self._draining = True
        self._queued.clear()
        self._woken.clear()
        for key in tuple(self._delayed):
            self._cancel_delay(key)
        tasks = set(self._tasks)
        if not tasks:
            return True
        _, late = await asyncio.wait(tasks, timeout=deadline.total_seconds())
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        return not late

    def _enqueue(self, key: Key) -> None:
        self._cancel_delay(key)
        if key in self._queued:
            return
        self._queued[key] = self._now()
        self._metrics.added(key.kind)
        self._fill()

    def _fill(self) -> None:
        """Give the keys that waited longest to the workers that are free."""
        while self._running and self._queued and len(self._working) < self._concurrency:
            key, since = self._queued.popitem(last=False)
            now = self._now()
            self._working[key] = now
            self._metrics.started(key.kind, waited=now - since)
            task = asyncio.create_task(self._work(key), name=str(key))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _work(self, key: Key) -> None:
        result: Result = "error"
        try:
            requeue = await self._reconcile(key)
        except Exception as error:  # noqa: BLE001 - whatever a reconciler raises is retried
            self._retry(key, error)
        else:
            result = "success" if requeue.after is None else "requeue"
            self._settle(key, requeue)
        finally:
            started = self._working.pop(key)
            self._metrics.finished(key.kind, result, took=self._now() - started)
            if key in self._woken:
                self._unreconciled.setdefault(key, self._woken.pop(key))
                self._enqueue(key)
            self._fill()

    def _settle(self, key: Key, requeue: Requeue) -> None:
        self._failures.pop(key, None)
        self._unreconciled.pop(key, None)
        if requeue.after is not None:
            self._delay(key, requeue.after)

    def _retry(self, key: Key, error: Exception) -> None:
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        pause = self._backoff.pause(failures)
        logger.warning(
            "%s: failed %d times in a row, next try in %.1f s: %s",
            key,
            failures,
            pause.total_seconds(),
            error,
            exc_info=None if isinstance(error, self._expected) else error,
            extra=key.log_fields(),
        )
        self._metrics.retried(key.kind)
        self._delay(key, pause)

    def _delay(self, key: Key, pause: timedelta) -> None:
        """Queue the key when the pause is over; only its worker sets this, so none is pending."""
        if self._draining:
            return
        loop = asyncio.get_running_loop()
        seconds = max(0.0, pause.total_seconds())
        self._delayed[key] = loop.call_later(seconds, self._enqueue, key)

    def _cancel_delay(self, key: Key) -> None:
        handle = self._delayed.pop(key, None)
        if handle is not None:
            handle.cancel()

    def _ages(self, since: Mapping[Key, float], kind: Kind | None = None) -> list[float]:
        now = self._now()
        return [now - start for key, start in since.items() if kind is None or key.kind is kind]

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
