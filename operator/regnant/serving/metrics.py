"""What Prometheus is told, read at the moment it asks from counts that are kept anyway.

No request pays for it: a request changes a few whole numbers in `statistics`, and their names,
labels and text are made here, once a scrape. The library that writes them takes longer to import
than a model to load, so the server imports this module when it is ready already.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import onnxruntime as ort
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from regnant.serving.messages import Response
from regnant.serving.paths import READ, Paths, Route
from regnant.serving.statistics import BATCH_BOUNDS, LATENCY_BOUNDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from prometheus_client import Metric

    from regnant.serving.identity import Identity
    from regnant.serving.messages import Request, Respond
    from regnant.serving.routes import Routes
    from regnant.serving.statistics import Statistics

_LABELS: Final = ("model", "version")
_EVERY: Final = 4
"""Of the fine buckets of time so many are one: each is twice as long as the one before."""
_SECOND: Final = 1e9


_NOW: Final = {
    "in_flight_requests": "Inferences that are let in and not answered.",
    "queued_requests": "Inferences that no thread is free for.",
    "buffered_bytes": "Bodies of the inferences in flight.",
    "connections": "Open connections.",
}


def metrics_paths(routes: Routes, gauges: Mapping[str, Callable[[], int]]) -> Paths:
    """Return the one path of the metrics' port; gauges are what is true now, by name."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(_Collector(routes.identity, routes.reports.statistics, gauges))
    media_type = CONTENT_TYPE_PLAIN_0_0_4.encode()

    def answer(_request: Request, respond: Respond) -> None:
        respond(Response(HTTPStatus.OK, generate_latest(registry), content_type=media_type))

    return Paths({b"/metrics": Route(READ, answer)}, "/metrics")


class _Collector(Collector):
    """All families of one server; each carries the model and its version."""

    def __init__(
        self,
        identity: Identity,
        statistics: Statistics,
        gauges: Mapping[str, Callable[[], int]],
    ) -> None:
        self._identity = identity
        self._statistics = statistics
        self._gauges = gauges

    def collect(self) -> Iterator[Metric]:
        yield self._info()
        yield from self._traffic()
        yield from self._batches()
        yield from self._now()

    def _labels(self, *more: str) -> Sequence[str]:
        return [self._identity.model, self._identity.version, *more]

    def _info(self) -> Metric:
        identity = self._identity
        family = InfoMetricFamily(
            "regnant_server_model", "What is served, and by what.", labels=_LABELS
        )
        family.add_metric(
            self._labels(),
            {
                "digest": identity.digest,
                "regnant": identity.software,
                "onnxruntime": ort.__version__,
            },
        )
        return family

    def _traffic(self) -> Iterator[Metric]:
        labels = [*_LABELS, "traffic"]
        requests = CounterMetricFamily(
            "regnant_server_requests",
            "Inferences answered, by HTTP status; users' and the copies of theirs.",
            labels=[*labels, "code"],
        )
        rows = CounterMetricFamily("regnant_server_rows", "Rows computed.", labels=labels)
        non_finite = CounterMetricFamily(
            "regnant_server_non_finite",
            "Answers with NaN or an infinity in an output.",
            labels=labels,
        )
        duration = HistogramMetricFamily(
            "regnant_server_request_duration_seconds",
            "From a complete request to its answer, of those that succeeded.",
            labels=labels,
        )
        statistics = self._statistics
        for name, traffic in (("users", statistics.users), ("shadow", statistics.shadow)):
            for status, count in sorted(traffic.by_status.items()):
                requests.add_metric(self._labels(name, str(status)), count)
            rows.add_metric(self._labels(name), traffic.rows)
            non_finite.add_metric(self._labels(name), traffic.non_finite)
            buckets = _buckets(traffic.latency, LATENCY_BOUNDS, _EVERY, _SECOND)
            duration.add_metric(self._labels(name), buckets, traffic.nanoseconds / _SECOND)
        yield from (requests, rows, non_finite, duration)

    def _batches(self) -> Iterator[Metric]:
        statistics = self._statistics
        for name, text, sizes in (
            ("rows", "Rows that were computed together.", statistics.batch_rows),
            ("requests", "Requests that were computed together.", statistics.batch_requests),
        ):
            family = HistogramMetricFamily(f"regnant_server_batch_{name}", text, labels=_LABELS)
            buckets = _buckets(sizes.counts, BATCH_BOUNDS)
            family.add_metric(self._labels(), buckets, float(sizes.total))
            yield family

    def _now(self) -> Iterator[Metric]:
        for name, value in self._gauges.items():
            family = GaugeMetricFamily(f"regnant_server_{name}", _NOW[name], labels=_LABELS)
            family.add_metric(self._labels(), value())
            yield family


def _buckets(
    counts: Sequence[int], bounds: Iterable[float], every: int = 1, unit: float = 1
) -> list[tuple[str, float]]:
    """Turn counts by bucket into counts up to a bound, as Prometheus wants them."""
    found = []
    below = 0
    for position, bound in enumerate(bounds):
        below += counts[position]
        if (position + 1) % every == 0:
            found.append((f"{bound / unit:.6g}", float(below)))
    return [*found, ("+Inf", float(sum(counts)))]
