"""What Prometheus is told of the loop.

The queue speaks by the names that controller-runtime gave, reconciles and resources by our own.
Dashboards and alerts written for controller-runtime read the first half as they are, with the kind
as the queue's `name`. Values that are a property of a moment (depth, ages) are read from the queue
when Prometheus asks, so that they cannot drift from it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from regnant.api.meta import Kind

Result = Literal["success", "requeue", "error"]

_SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300)


class QueueMetrics:
    """The counters and gauges of one work queue."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str, label: str = "name") -> Gauge:
            return Gauge(name, text, [label], registry=registry)

        def histogram(name: str, text: str, label: str = "name") -> Histogram:
            return Histogram(name, text, [label], registry=registry, buckets=_SECONDS)

        self._depth = gauge("workqueue_depth", "Keys that wait for a worker.")
        self._adds = Counter("workqueue_adds", "Keys queued.", ["name"], registry=registry)
        self._retries = Counter(
            "workqueue_retries", "Keys queued again after a failure.", ["name"], registry=registry
        )
        self._waited = histogram(
            "workqueue_queue_duration_seconds", "How long a key waited for a worker."
        )
        self._worked = histogram("workqueue_work_duration_seconds", "How long a worker took.")
        self._unfinished = gauge(
            "workqueue_unfinished_work_seconds", "The ages of all running workers, added up."
        )
        self._longest = gauge(
            "workqueue_longest_running_processor_seconds", "The age of the oldest running worker."
        )
        self._reconciles = Counter(
            "regnant_reconcile", "Reconciles by outcome.", ["kind", "result"], registry=registry
        )
        self._errors = Counter(
            "regnant_reconcile_errors", "Reconciles that failed.", ["kind"], registry=registry
        )
        self._duration = histogram(
            "regnant_reconcile_duration_seconds", "How long a reconcile took.", "kind"
        )
        self._unreconciled = gauge(
            "regnant_oldest_unreconciled_seconds",
            "The age of the oldest change that no reconcile has succeeded on yet.",
            "kind",
        )

    def observe(
        self,
        *,
        depth: Callable[[Kind], float],
        working: Callable[[Kind], list[float]],
        unreconciled: Callable[[Kind], float],
    ) -> None:
        """Read the moment's values from these; `working` gives the running workers' ages."""
        for kind in Kind:
            self._depth.labels(kind).set_function(partial(depth, kind))
            self._unfinished.labels(kind).set_function(partial(_sum_of, working, kind))
            self._longest.labels(kind).set_function(partial(_longest_of, working, kind))
            self._unreconciled.labels(kind).set_function(partial(unreconciled, kind))

    def added(self, kind: Kind) -> None:
        """A key was queued."""
        self._adds.labels(kind).inc()

    def retried(self, kind: Kind) -> None:
        """A key will be queued again because it failed."""
        self._retries.labels(kind).inc()

    def started(self, kind: Kind, *, waited: float) -> None:
        """A worker took a key."""
        self._waited.labels(kind).observe(waited)

    def finished(self, kind: Kind, result: Result, *, took: float) -> None:
        """A worker is done with a key."""
        self._worked.labels(kind).observe(took)
        self._duration.labels(kind).observe(took)
        self._reconciles.labels(kind, result).inc()
        if result == "error":
            self._errors.labels(kind).inc()


def _sum_of(ages: Callable[[Kind], list[float]], kind: Kind) -> float:
    return sum(ages(kind))


def _longest_of(ages: Callable[[Kind], list[float]], kind: Kind) -> float:
    return max(ages(kind), default=0.0)


class ResourceMetrics:
    """How many resources of each kind are in which phase; told by the controllers."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._phases: dict[tuple[Kind, str, str], str] = {}
        self._gauge = Gauge(
            "regnant_resources", "Resources by phase.", ["kind", "phase"], registry=registry
        )

    def seen(self, kind: Kind, namespace: str, name: str, *, phase: str) -> None:
        """A resource is in `phase` now."""
        self.gone(kind, namespace, name)
        self._phases[(kind, namespace, name)] = phase
        self._gauge.labels(kind, phase).inc()

    def gone(self, kind: Kind, namespace: str, name: str) -> None:
        """A resource exists no more."""
        before = self._phases.pop((kind, namespace, name), None)
        if before is not None:
            self._gauge.labels(kind, before).dec()
