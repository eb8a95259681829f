"""A line for a sample of the inferences, and the trace that it belongs to."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.unit.serving.bundles import MODEL_NAME, doubling_bundle, gathering_bundle, tensor
from tests.unit.serving.running_server import INFER
from tests.unit.serving.started_server import address, started_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.unit.serving.bundles import Written

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
QUESTION = {"inputs": [tensor("features", "FP64", [1, 3], [1, 2, 3])]}


class Logged:
    """A server, and what it had logged when it ended."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        self.lines: list[dict[str, Any]] = []

    def ask(self, document: object = None, **headers: str) -> int:
        given = QUESTION if document is None else document
        return self.client.post(INFER, json=given, headers=headers).status_code

    def answers(self) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["message"] == "answered"]


@contextmanager
def logged(written: Written, share: str) -> Iterator[Logged]:
    with started_server(written, REGNANT_ACCESS_LOG_SAMPLE=share) as process:
        with httpx.Client(base_url=address(process), trust_env=False) as client:
            found = Logged(client)
            yield found
        process.terminate()
        _, err = process.communicate()
        found.lines += [json.loads(line) for line in err.splitlines()]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return doubling_bundle(tmp_path_factory.mktemp("doubling"))


def test_a_line_tells_what_was_asked_and_what_became_of_it(written: Written) -> None:
    with logged(written, "1") as server:
        assert server.ask(**{"x-request-id": "a-1", "x-regnant-shadow": "true"}) == 200
        assert server.ask({}, **{"x-request-id": "a-2"}) == 400
        server.client.get("/v2/health/ready")
    first, second = server.answers()
    assert 0 < first.pop("microseconds") < 60e6
    assert 0 < first.pop("bytes") < 1000
    assert (first.pop("time"), first.pop("level"))[1] == "INFO"
    assert first == {
        "message": "answered",
        "method": "POST",
        "path": f"/v2/models/{MODEL_NAME}/infer",
        "status": 200,
        "shadow": True,
        "requestId": "a-1",
    }
    assert (second["status"], second["shadow"], second["requestId"]) == (400, False, "a-2")


def test_a_line_belongs_to_the_trace_that_the_client_began(written: Written) -> None:
    with logged(written, "1") as server:
        server.ask(traceparent=f"00-{TRACE}-{SPAN}-01")
        server.ask(traceparent=f"cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like")
        for wrong in (f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE.upper()}-{SPAN}-01", "00-1-1-01"):
            server.ask(traceparent=wrong)
    told = [(line.get("traceId"), line.get("parentSpanId")) for line in server.answers()]
    assert told == [(TRACE, SPAN)] * 2 + [(None, None)] * 3


def test_the_sample_is_chosen_by_the_requests_id(written: Written) -> None:
    ids = [f"{number:x}-8f0d" for number in range(200)]
    chosen = []
    for _ in range(2):
        with logged(written, "0.2") as server:
            for identifier in ids:
                server.ask(**{"x-request-id": identifier})
        chosen.append([line["requestId"] for line in server.answers()])
    assert chosen[0] == chosen[1]
    assert 20 <= len(chosen[0]) <= 60


@pytest.mark.parametrize(("share", "lines"), [("0.99", 0), ("1", 1)])
def test_a_request_without_an_id_is_logged_only_if_all_are(
    written: Written, share: str, lines: int
) -> None:
    with logged(written, share) as server:
        server.ask()
    assert len(server.answers()) == lines


def test_nothing_is_logged_of_requests_unless_it_is_asked_for(written: Written) -> None:
    with logged(written, "") as server:
        assert server.ask(**{"x-request-id": "a-1"}) == 200
    assert server.answers() == []


def test_a_failure_of_the_model_is_logged_with_its_trace(tmp_path: Path) -> None:
    with logged(gathering_bundle(tmp_path), "") as server:
        document = {"inputs": [tensor("index", "INT64", [1], [7])]}
        assert server.ask(document, traceparent=f"00-{TRACE}-{SPAN}-00") == 500
    (line,) = [line for line in server.lines if line["message"] == "the model failed"]
    assert (line["traceId"], line["parentSpanId"]) == (TRACE, SPAN)
