"""What Prometheus is told, on a port of its own."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.unit.serving.bundles import MODEL_NAME, classifier_bundle, tensor
from tests.unit.serving.running_server import INFER
from tests.unit.serving.started_server import address, started_server
from tests.unit.serving.test_connections import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

    from tests.unit.serving.bundles import Written

SERVED = {"model": MODEL_NAME, "version": "3"}
USERS = {**SERVED, "traffic": "users"}


@dataclass(frozen=True)
class Served:
    """A server in a process of its own, and clients of both of its ports."""

    users: httpx.Client
    metrics: httpx.Client

    def infer(self, rows: int = 1, **headers: str) -> httpx.Response:
        data = [1.0, 2.0, 3.0] * rows
        document = {"inputs": [tensor("features", "FP64", [rows, 3], data)]}
        return self.users.post(INFER, json=document, headers=headers)

    def told(self) -> dict[str, Metric]:
        text = self.metrics.get("/metrics").raise_for_status().text
        return {family.name: family for family in text_string_to_metric_families(text)}

    def value(self, sample: str, **labels: str) -> float | None:
        """The value of one sample; None if it is not told."""
        for family in self.told().values():
            for one in family.samples:
                if (one.name, one.labels) == (sample, labels):
                    return float(one.value)
        return None


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return classifier_bundle(tmp_path_factory.mktemp("classifier"))


@pytest.fixture
def served(written: Written) -> Iterator[Served]:
    with (
        started_server(written, REGNANT_METRICS_PORT="0") as process,
        httpx.Client(base_url=address(process), trust_env=False) as users,
        httpx.Client(base_url=address(process, "metrics"), trust_env=False) as metrics,
    ):
        yield Served(users, metrics)


def test_what_is_served_is_told_with_its_digest(served: Served, written: Written) -> None:
    (sample,) = served.told()["regnant_server_model_info"].samples
    assert sample.labels == {
        **SERVED,
        "digest": written.digest,
        "regnant": version("regnant"),
        "onnxruntime": version("onnxruntime"),
    }


def test_requests_are_told_by_their_status_and_rows_by_their_number(served: Served) -> None:
    assert [served.infer(rows).status_code for rows in (1, 5)] == [200, 200]
    assert served.users.post(INFER, json={}).status_code == 400
    assert served.infer(2, **{"x-regnant-shadow": "true"}).status_code == 200
    assert served.infer(3, **{"x-regnant-verify-version": "3"}).status_code == 200
    requests = "regnant_server_requests_total"
    assert served.value(requests, **USERS, code="200") == 2
    assert served.value(requests, **USERS, code="400") == 1
    assert served.value(requests, **SERVED, traffic="shadow", code="200") == 1
    assert served.value("regnant_server_rows_total", **USERS) == 6
    assert served.value("regnant_server_rows_total", **SERVED, traffic="shadow") == 2


def test_times_are_a_histogram_of_what_succeeded(served: Served) -> None:
    for _ in range(3):
        served.infer()
    served.users.post(INFER, json={})
    family = served.told()["regnant_server_request_duration_seconds"]
    ours = [one for one in family.samples if one.labels.get("traffic") == "users"]
    counts = [one.value for one in ours if one.name.endswith("_bucket")]
    bounds = [float(one.labels["le"]) for one in ours if one.name.endswith("_bucket")]
    total = next(one.value for one in ours if one.name.endswith("_sum"))
    assert counts == sorted(counts)
    assert counts[-1] == 3
    assert bounds == sorted(bounds)
    assert bounds[-1] == float("inf")
    assert 10 < len(bounds) < 30
    # Every answer took less than the bound at which all are counted.
    assert 0 < total <= 3 * next(b for b, count in zip(bounds, counts, strict=True) if count == 3)


def test_batches_are_told_by_rows_and_by_requests(served: Served) -> None:
    served.infer(3)
    served.infer(5)
    for kind, total in (("rows", 8), ("requests", 2)):
        assert served.value(f"regnant_server_batch_{kind}_sum", **SERVED) == total
        assert served.value(f"regnant_server_batch_{kind}_count", **SERVED) == 2
    assert served.value("regnant_server_batch_rows_bucket", **SERVED, le="4") == 1
    assert served.value("regnant_server_batch_rows_bucket", **SERVED, le="8") == 2


def test_answers_that_are_no_numbers_are_told(served: Served) -> None:
    document = {"inputs": [tensor("features", "FP64", [1, 3], [None, 1, 1])]}
    assert served.users.post(INFER, json=document).status_code == 200
    assert served.value("regnant_server_non_finite_total", **USERS) == 1


def test_what_is_true_now_is_told(served: Served) -> None:
    body = b'{"inputs": []}'
    served.users.get("/v2/health/live")
    assert served.value("regnant_server_connections", **SERVED) == 1
    assert served.value("regnant_server_in_flight_requests", **SERVED) == 0
    request = served.users.build_request("POST", INFER, content=_halves(served, body))
    assert served.users.send(request).status_code == 400
    assert served.value("regnant_server_in_flight_requests", **SERVED) == 0
    assert served.value("regnant_server_buffered_bytes", **SERVED) == 0
    assert served.value("regnant_server_queued_requests", **SERVED) == 0


def _halves(served: Served, body: bytes) -> Iterator[bytes]:
    yield body[:5]
    wait_until(lambda: served.value("regnant_server_in_flight_requests", **SERVED) == 1)
    assert served.value("regnant_server_buffered_bytes", **SERVED) == 5
    yield body[5:]


def test_the_process_is_told_too(served: Served) -> None:
    resident = served.value("process_resident_memory_bytes")
    assert resident
    assert resident > 2**20


def test_each_port_serves_its_own_only(served: Served) -> None:
    assert served.users.get("/metrics").status_code == 404
    answers = [served.metrics.get("/v2"), served.metrics.post(INFER, json={})]
    assert [one.status_code for one in answers] == [404, 404]
    assert answers[0].json() == {"error": "there is nothing at '/v2'; start at /metrics"}
    assert served.metrics.post("/metrics").status_code == 405
    told = served.metrics.get("/metrics").headers["content-type"]
    assert told == "text/plain; version=0.0.4; charset=utf-8"


def test_without_a_port_nothing_is_told(written: Written) -> None:
    with started_server(written, REGNANT_METRICS_PORT="") as process:
        address(process)
        process.terminate()
        _, err = process.communicate()
    assert '"message": "metrics"' not in err
    assert process.returncode == 0


def test_a_port_that_is_taken_is_named(served: Served, written: Written) -> None:
    taken = str(served.metrics.base_url.port)
    with started_server(written, REGNANT_METRICS_PORT=taken) as process:
        _, err = process.communicate()
    assert process.returncode == 64
    assert f"REGNANT_METRICS_PORT: port {taken} cannot be listened on" in err
