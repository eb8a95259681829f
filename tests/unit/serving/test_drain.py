"""A server that is told to stop answers until nobody asks any more."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx

from tests.unit.serving.bundles import (
    Written,
    doubling_bundle,
    looping_bundle,
    slow_bundle,
    tensor,
)
from tests.unit.serving.running_server import INFER, LOOPBACK
from tests.unit.serving.started_server import address, started_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUICK = {"inputs": [tensor("features", "FP64", [1, 3], [1, 2, 3])]}
SLOW = {"inputs": [tensor("size", "INT64", [1], [3])]}


@contextmanager
def started(
    written: Written, drain: str, **environment: str
) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """A server in a process of its own, once it is ready, and a client for it."""
    given = {"REGNANT_DRAIN_SECONDS": drain, **environment}
    with (
        started_server(written, **given) as process,
        httpx.Client(base_url=address(process), trust_env=False) as client,
    ):
        yield process, client


def await_not_ready(client: httpx.Client) -> httpx.Response:
    deadline = time.monotonic() + 20
    while True:
        answer = client.get("/v2/health/ready")
        if answer.status_code == 503:
            return answer
        assert time.monotonic() < deadline


def test_a_draining_server_is_not_ready_and_serves_on(tmp_path: Path) -> None:
    with started(doubling_bundle(tmp_path), "60") as (process, client):
        before = client.post(INFER, json=QUICK)
        process.send_signal(signal.SIGTERM)
        not_ready = await_not_ready(client)
        answers = [client.post(INFER, json=QUICK) for _ in range(50)]
        live = client.get("/v2/health/live")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert "connection" not in before.headers
    assert not_ready.json() == {"ready": False}
    assert {answer.status_code for answer in (*answers, live)} == {200}
    assert {answer.headers["connection"] for answer in answers} == {"close"}


def test_the_drain_ends_by_itself_with_nothing_to_finish(tmp_path: Path) -> None:
    with started(doubling_bundle(tmp_path), "0.2") as (process, client):
        client.post(INFER, json=QUICK)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_an_inference_that_hangs_does_not_keep_the_server_from_ending(tmp_path: Path) -> None:
    endless = json.dumps({"inputs": [tensor("turns", "INT64", [1], [10**15])]})
    head = f"POST {INFER} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(endless)}\r\n\r\n"
    with (
        started(looping_bundle(tmp_path), "0", REGNANT_FINISH_SECONDS="0.2") as (process, client),
        socket.create_connection((LOOPBACK, client.base_url.port), timeout=20) as raw,
    ):
        # The answer to what came first shows that what follows is being computed.
        raw.sendall(f"GET /v2 HTTP/1.1\r\nHost: a\r\n\r\n{head}{endless}".encode())
        raw.recv(1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_what_is_in_flight_is_finished(tmp_path: Path) -> None:
    with started(slow_bundle(tmp_path), "0") as (process, client):
        port = client.base_url.port
        body = json.dumps(SLOW)
        request = f"POST {INFER} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        with socket.create_connection((LOOPBACK, port), timeout=20) as raw:
            raw.sendall(request.encode() * 3)
            raw.recv(1)
            process.send_signal(signal.SIGTERM)
            answer = b"H"
            while chunk := raw.recv(65536):
                answer += chunk
        assert process.wait(20) == 0
    assert answer.count(b"HTTP/1.1 200 OK") == 3
    assert answer.count(b"connection: close") == 1


def test_what_follows_the_last_answer_of_a_drain_is_left_for_another_server(tmp_path: Path) -> None:
    """Two requests come at once, and the first answer says that it is the last."""
    with started(doubling_bundle(tmp_path), "60") as (process, client):
        with socket.create_connection((LOOPBACK, client.base_url.port), timeout=20) as raw:
            process.send_signal(signal.SIGTERM)
            await_not_ready(client)
            raw.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
            answer = b""
            while chunk := raw.recv(65536):
                answer += chunk
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert process.stderr
        events = [json.loads(line) for line in process.stderr]
    assert answer.count(b"HTTP/1.1 200 OK") == 1
    assert answer.count(b"connection: close") == 1
    assert {event["level"] for event in events} == {"INFO"}
    assert events[-1]["cutOff"] == 0
