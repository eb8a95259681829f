"""What the server counts of its answers, and what it does not."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regnant.api.latency import BUCKETS
from regnant.serving.messages import Request
from regnant.serving.settings import Limits
from regnant.serving.statistics import Statistics, Traffic
from tests.unit.serving.bundles import MODEL_NAME, doubling_bundle, slow_bundle
from tests.unit.serving.running_server import INFER, read_all, running_server
from tests.unit.serving.test_connections import slow_request, status, wait_until
from tests.unit.serving.test_protocol_v2 import all_inputs, features

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.unit.serving.running_server import RunningServer

NOTHING = {"ok": 0, "client_error": 0, "server_error": 0}
QUESTION = features([1, 2, 3])


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[RunningServer]:
    """A server that was asked nothing yet."""
    with running_server(doubling_bundle(tmp_path)) as server:
        yield server


def stats(server: RunningServer) -> dict[str, Any]:
    answer = server.client.get("/regnant/v1/stats")
    assert answer.status_code == 200
    told: dict[str, Any] = answer.json()
    return told


def test_a_server_says_who_it_is_and_that_it_began_anew(tmp_path: Path) -> None:
    written = doubling_bundle(tmp_path)
    told = []
    for _ in range(2):
        with running_server(written) as server:
            server.infer(QUESTION)
            told.append(stats(server))
    assert {(one["model"], one["version"], one["digest"]) for one in told} == {
        (MODEL_NAME, "3", written.digest)
    }
    assert [one["requests"]["ok"] for one in told] == [1, 1]
    assert told[0]["boot"] != told[1]["boot"]


def test_every_inference_counts_in_the_class_of_its_answer(
    fresh: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in (INFER, f"/v2/models/{MODEL_NAME}/versions/3/infer"):
        fresh.infer(QUESTION, path)
    wrong: list[dict[str, object]] = [{}, {"inputs": []}, {"inputs": 7}]
    for document in wrong:
        assert fresh.infer(document).status_code == 400
    assert fresh.client.post(INFER, headers={"content-encoding": "br"}).status_code == 415

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("regnant.serving.codec.spell_tensor", fail)
    assert fresh.infer(QUESTION).status_code == 500
    told = stats(fresh)
    assert told["requests"] == {"ok": 2, "client_error": 4, "server_error": 1}
    assert sum(told["latency"]["counts"]) == 2


def test_what_is_no_inference_does_not_count(fresh: RunningServer) -> None:
    for path in ("/v2", "/v2/health/live", "/v2/health/ready", "/regnant/v1/golden", INFER, "/no"):
        fresh.client.get(path)
    told = stats(fresh)
    assert (told["requests"], told["shadow"]["requests"]) == (NOTHING, NOTHING)


def test_what_the_operator_asks_does_not_count(fresh: RunningServer) -> None:
    own = {"x-regnant-verify-version": "3", "x-request-id": "a"}
    for document in (QUESTION, {}, features([None, 1, 1])):
        fresh.client.post(INFER, json=document, headers=own)
    told = stats(fresh)
    assert (told["requests"], told["nonFinite"], told["outcomes"]["kept"]) == (NOTHING, 0, 0)


@pytest.mark.parametrize(
    ("own", "is_shadow"),
    [
        ({"x-regnant-shadow": "true"}, True),
        ({"X-Regnant-Shadow": "true", "host": "churn"}, True),
        ({"x-regnant-shadow": "false"}, False),
        ({"host": "churn-shadow"}, False),
        ({}, False),
    ],
)
def test_what_is_mirrored_counts_apart(
    fresh: RunningServer, own: dict[str, str], is_shadow: bool
) -> None:
    fresh.client.post(INFER, json=QUESTION, headers=own)
    fresh.client.post(INFER, json=features([None, 1, 1]), headers=own)
    told = stats(fresh)
    counts = {"requests": told["requests"], "nonFinite": told["nonFinite"]}
    shadow = {name: told["shadow"][name] for name in counts}
    asked = {"requests": {**NOTHING, "ok": 2}, "nonFinite": 1}
    nothing = {"requests": NOTHING, "nonFinite": 0}
    assert (counts, shadow) == ((nothing, asked) if is_shadow else (asked, nothing))
    assert sum(told["shadow"]["latency"]["counts"]) == shadow["requests"]["ok"]
    assert sum(told["latency"]["counts"]) == counts["requests"]["ok"]


@pytest.mark.parametrize(
    ("values", "non_finite"),
    [([1, 2, 3], 0), ([None, 1, 2], 1), ([1, 1.7e308, 2], 1), ([1, 2, -1.7e308], 1)],
)
def test_answers_with_a_number_that_json_does_not_know_are_counted(
    fresh: RunningServer, values: list[float | None], non_finite: int
) -> None:
    answer = fresh.infer(features([1, 2, 3], values))
    assert answer.json()["outputs"][0]["data"].count(None) == non_finite
    assert answer.headers.get("x-regnant-non-finite") == ("true" if non_finite else None)
    told = stats(fresh)
    assert (told["requests"]["ok"], told["nonFinite"]) == (1, non_finite)


def test_the_word_null_is_no_number(echo: RunningServer) -> None:
    before = stats(echo)["nonFinite"]
    answer = echo.infer({"id": "null", "inputs": all_inputs(1, BYTES=["null", "null"])})
    assert answer.status_code == 200
    assert stats(echo)["nonFinite"] == before
    answer = echo.infer({"inputs": all_inputs(1, FP16=[1, None])})
    assert stats(echo)["nonFinite"] == before + 1


def test_an_answer_that_nobody_waited_for_counts(tmp_path: Path) -> None:
    with running_server(slow_bundle(tmp_path)) as server:
        with server.connection() as raw:
            raw.sendall(slow_request())
            wait_until(lambda: server.listener.admission.in_flight == 1)
        wait_until(lambda: stats(server)["requests"]["ok"] == 1)


def test_requests_that_there_is_no_room_for_count_as_the_servers_fault(tmp_path: Path) -> None:
    with running_server(slow_bundle(tmp_path), Limits(in_flight=1)) as server:
        with server.connection() as first:
            first.sendall(slow_request("close"))
            wait_until(lambda: server.listener.admission.in_flight == 1)
            assert status(server.exchange(slow_request("close"))) == 503
            assert status(read_all(first)) == 200
        assert stats(server)["requests"] == {"ok": 1, "client_error": 0, "server_error": 1}


def test_a_request_whose_body_does_not_come_counts_as_the_clients_fault(tmp_path: Path) -> None:
    limits = Limits(body_seconds=0.1, linger_seconds=0.1)
    head = f"POST {INFER} HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{{".encode()
    with running_server(doubling_bundle(tmp_path), limits) as server:
        assert status(server.exchange(head)) == 408
        assert stats(server)["requests"] == {**NOTHING, "client_error": 1}


@given(microseconds=st.floats(0, 1e9))
def test_a_time_falls_into_the_bucket_that_holds_it(microseconds: float) -> None:
    traffic = Traffic()
    traffic.count(200, round(microseconds * 1000))
    told: Any = traffic.to_document()["latency"]
    (bucket,) = [position for position, count in enumerate(told["counts"]) if count]
    longest = [told["first"] * told["growth"] ** position for position in range(BUCKETS - 1)]
    elapsed = round(microseconds * 1000) / 1000
    assert bucket == 0 or elapsed > longest[bucket - 1] * (1 - 1e-9)
    assert bucket == BUCKETS - 1 or elapsed <= longest[bucket] * (1 + 1e-9)
    assert len(told["counts"]) == BUCKETS


def test_a_time_begins_when_the_request_is_complete() -> None:
    statistics, request = Statistics(), Request()
    request.completed = time.perf_counter_ns() - 5_000_000_000
    statistics.answered(request, 200)
    counts = statistics.users.latency
    assert sum(counts[:72]) == 0, "10 us * 1.2 ** 71 is 4.2 s"
    assert sum(counts) == 1


@pytest.mark.parametrize("query", ["x=1", "after=1", "%00", "a=b&a=c"])
def test_the_counts_take_no_parameters(doubling: RunningServer, query: str) -> None:
    answer = doubling.client.get(f"/regnant/v1/stats?{query}")
    assert answer.status_code == 400
    assert "is no parameter here" in answer.json()["error"]
