"""HTTP/1.1 as it is spoken by the careful, the hasty and the hostile."""

from __future__ import annotations

import json
import socket
import threading
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from regnant.serving.settings import Limits
from tests.unit.serving.bundles import doubling_bundle, slow_bundle, tensor
from tests.unit.serving.running_server import (
    INFER,
    RunningServer,
    read_all,
    read_responses,
    running_server,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LIVE = b"GET /v2/health/live HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET /v2/health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
TIGHT = Limits(
    head_bytes=2048,
    body_bytes=4096,
    buffered_bytes=6000,
    in_flight=2,
    connections=8,
    pipelined=2,
    head_seconds=0.2,
    body_seconds=0.2,
    idle_seconds=0.2,
    linger_seconds=0.2,
)


def ask(value: float, *headers: str) -> bytes:
    """An inference whose answer tells which request it belongs to."""
    body = json.dumps({"inputs": [tensor("features", "FP64", [1, 3], [value, 0, 0])]})
    lines = [f"POST {INFER} HTTP/1.1", "Host: a", f"Content-Length: {len(body)}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def answered(body: bytes) -> float:
    return float(json.loads(body)["outputs"][0]["data"][0])


@pytest.fixture(scope="module")
def tight(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(doubling_bundle(tmp_path_factory.mktemp("tight")), TIGHT) as server:
        yield server


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    limits = Limits(in_flight=2)
    with running_server(slow_bundle(tmp_path_factory.mktemp("slow")), limits) as server:
        yield server


def slow_request(close: str = "keep-alive") -> bytes:
    body = b'{"inputs":[{"name":"size","datatype":"INT64","shape":[1],"data":[3]}]}'
    head = f"POST {INFER} HTTP/1.1\r\nHost: a\r\nConnection: {close}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def test_pipelined_requests_are_answered_in_order(doubling: RunningServer) -> None:
    with doubling.connection() as raw:
        raw.sendall(b"".join(ask(value) for value in range(200)))
        answers = read_responses(raw, 200)
    assert [answered(body) for _, body in answers] == [2.0 * value for value in range(200)]


def test_a_quick_request_waits_for_the_slow_one_before_it(slow: RunningServer) -> None:
    with slow.connection() as raw:
        raw.sendall(slow_request() + LIVE + slow_request() + LIVE)
        bodies = [body for _, body in read_responses(raw, 4)]
    assert [b"outputs" in body for body in bodies] == [True, False, True, False]


def test_a_request_that_arrives_byte_by_byte_is_answered(doubling: RunningServer) -> None:
    with doubling.connection() as raw:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in ask(21):
            raw.sendall(bytes([byte]))
        ((code, body),) = read_responses(raw, 1)
    assert (code, answered(body)) == (200, 42.0)


def test_a_chunked_body_is_put_together(doubling: RunningServer) -> None:
    body = ask(4).partition(b"\r\n\r\n")[2]
    chunks = b"".join(
        b"%x\r\n%b\r\n" % (len(body[i : i + 7]), body[i : i + 7]) for i in range(0, len(body), 7)
    )
    head = f"POST {INFER} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    with doubling.connection() as raw:
        raw.sendall(head + chunks + b"0\r\nX-Trailer: x\r\n\r\n" + LIVE)
        (code, answer), (live, _) = read_responses(raw, 2)
    assert (code, answered(answer), live) == (200, 8.0, 200)


def test_a_connection_is_kept_until_the_client_says_close(doubling: RunningServer) -> None:
    answer = doubling.exchange(LIVE + LIVE + LAST)
    assert answer.count(b"HTTP/1.1 200 OK") == 3
    assert answer.count(b"connection: close") == 1


def test_http_1_0_is_closed_unless_it_asks_otherwise(doubling: RunningServer) -> None:
    closed = doubling.exchange(b"GET /v2/health/live HTTP/1.0\r\n\r\n")
    assert b"connection: close" in closed
    kept = doubling.exchange(
        b"GET /v2/health/live HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
        b"GET /v2/health/live HTTP/1.0\r\n\r\n"
    )
    assert kept.count(b"HTTP/1.1 200 OK") == 2
    assert kept.count(b"connection: keep-alive") == 1


def test_a_client_that_sends_no_more_still_gets_its_answers(slow: RunningServer) -> None:
    with slow.connection() as raw:
        raw.sendall(slow_request() + slow_request())
        raw.shutdown(socket.SHUT_WR)
        answer = read_all(raw)
    assert answer.count(b"HTTP/1.1 200 OK") == 2


def test_continue_is_said_before_the_body_is_sent(doubling: RunningServer) -> None:
    head, _, body = ask(5, "Expect: 100-continue").partition(b"\r\n\r\n")
    with doubling.connection() as raw:
        raw.sendall(LIVE + head + b"\r\n\r\n")
        live, go_on = read_responses(raw, 2)
        raw.sendall(body)
        ((code, answer),) = read_responses(raw, 1)
    assert (live[0], go_on[0], code, answered(answer)) == (200, 100, 200, 10.0)


def test_a_body_that_would_be_refused_is_not_asked_for(doubling: RunningServer) -> None:
    head = b"POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"
    assert status(doubling.exchange(head)) == 404


def test_another_expectation_is_refused(doubling: RunningServer) -> None:
    assert status(doubling.exchange(ask(1, "Expect: a-miracle"))) == 417


def test_a_refused_request_with_a_body_leaves_the_connection_usable(
    doubling: RunningServer,
) -> None:
    wrong = b"POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world"
    with doubling.connection() as raw:
        raw.sendall(wrong + ask(3))
        (refused, _), (code, body) = read_responses(raw, 2)
    assert (refused, code, answered(body)) == (404, 200, 6.0)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00",
        b"hello\r\n\r\n",
        b"GET / HTTP/1.1\nHost: a\n\n",
        b"GET / HTTP/1.1\r\nHo st: a\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_not_http_is_refused_and_the_connection_closed(
    doubling: RunningServer, sent: bytes
) -> None:
    answer = doubling.exchange(sent)
    assert status(answer) == 400
    assert answer.count(b"HTTP/1.1 4") == 1
    assert b"connection: close" in answer


def test_what_came_before_something_broken_is_answered(slow: RunningServer) -> None:
    answer = slow.exchange(slow_request() + b"broken\r\n\r\n")
    assert answer.index(b"200 OK") < answer.index(b"400 Bad Request")


def test_bytes_after_a_last_request_are_ignored(doubling: RunningServer) -> None:
    assert doubling.exchange(LAST + LIVE).count(b"HTTP/1.1 ") == 1


def test_a_body_without_a_length_is_refused(doubling: RunningServer) -> None:
    head = f"POST {INFER} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode()
    assert status(doubling.exchange(head)) == 411


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 2048 + b"\r\n\r\n", 431),
        (b"GET /" + b"x" * 2048, 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 1000, 431),
        (f"POST {INFER} HTTP/1.1\r\nHost: a\r\nContent-Length: 4097\r\n\r\n".encode(), 413),
        (
            f"POST {INFER} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
            + (b"400\r\n" + b"x" * 1024 + b"\r\n") * 5,
            413,
        ),
        (b"POST /v2 HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n\r\n", 413),
    ],
)
def test_what_is_too_large_is_refused(tight: RunningServer, sent: bytes, code: int) -> None:
    assert status(tight.exchange(sent)) == code


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with small limits that gives every head the time it takes."""
    limits = replace(TIGHT, head_seconds=60.0)
    with running_server(doubling_bundle(tmp_path_factory.mktemp("patient")), limits) as server:
        yield server


@pytest.mark.parametrize("pieces", [1, 6])
def test_a_head_without_an_end_is_refused_by_its_size(patient: RunningServer, pieces: int) -> None:
    head = b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 3000
    with patient.connection() as raw:
        for start in range(0, len(head), step := len(head) // pieces + 1):
            raw.sendall(head[start : start + step])
        assert status(read_all(raw)) == 431


def test_a_head_behind_a_large_body_is_not_charged_for_it(patient: RunningServer) -> None:
    body = ask(1.0).replace(b"Host: a", b"Host: a\r\nX: " + b"x" * 1900)
    with patient.connection() as raw:
        raw.sendall(body + b"GET /v2/health/li")
        assert read_responses(raw, 1)[0][0] == 200
        raw.sendall(b"ve HTTP/1.1\r\nHost: a\r\n\r\n")
        assert read_responses(raw, 1)[0][0] == 200


def test_the_whole_of_a_refused_upload_may_be_sent_before_the_answer_is_read(
    tight: RunningServer,
) -> None:
    with tight.connection() as raw:
        raw.sendall(f"POST {INFER} HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n".encode())
        raw.sendall(b"x" * 300_000)
        assert status(read_all(raw)) == 413


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /v2 HTTP/1.1\r\nHost",
        f"POST {INFER} HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{{".encode(),
    ],
)
def test_a_request_that_does_not_end_in_time_is_refused(tight: RunningServer, sent: bytes) -> None:
    assert status(tight.exchange(sent)) == 408


def test_an_unused_connection_is_closed(tight: RunningServer) -> None:
    assert tight.exchange(b"") == b""
    assert tight.exchange(LIVE).count(b"200 OK") == 1


def test_bodies_that_together_are_too_large_are_refused(tight: RunningServer) -> None:
    head = f"POST {INFER} HTTP/1.1\r\nHost: a\r\nContent-Length: 4000\r\n\r\n".encode()
    with tight.connection() as one, tight.connection() as other:
        one.sendall(head)
        wait_until(lambda: tight.listener.admission.buffered == 4000)
        other.sendall(head + b"x" * 4000)
        ((code, _),) = read_responses(other, 1)
    assert code == 503
    wait_until(lambda: tight.listener.admission.in_flight == 0)
    assert tight.listener.admission.buffered == 0


def test_a_connection_too_many_is_told_to_come_back(tight: RunningServer) -> None:
    held = [socket.create_connection(("127.0.0.1", tight.port)) for _ in range(8)]
    try:
        answer = tight.exchange(b"")
    finally:
        for raw in held:
            raw.close()
    assert status(answer) == 503
    assert b"retry-after: 1" in answer


def test_requests_over_the_limit_are_told_to_come_back(slow: RunningServer) -> None:
    waiting = [socket.create_connection(("127.0.0.1", slow.port)) for _ in range(2)]
    for raw in waiting:
        raw.sendall(slow_request("close"))
    wait_until(lambda: slow.listener.admission.in_flight == 2)
    answer = slow.exchange(slow_request("close"))
    health = slow.client.get("/v2/health/live")
    assert status(answer) == 503
    assert b"retry-after: 1" in answer
    assert health.status_code == 200
    assert [status(read_all(raw)) for raw in waiting] == [200, 200]
    for raw in waiting:
        raw.close()


def test_a_client_that_leaves_takes_its_place_with_it(slow: RunningServer) -> None:
    for _ in range(3):
        with slow.connection() as raw:
            raw.sendall(slow_request()[:-5])
            wait_until(lambda: slow.listener.admission.in_flight == 1)
        wait_until(lambda: slow.listener.admission.in_flight == 0)
    with slow.connection() as raw:
        raw.sendall(slow_request())
        wait_until(lambda: slow.listener.admission.in_flight == 1)
    wait_until(lambda: slow.listener.admission.in_flight == 0)
    assert slow.listener.admission.buffered == 0


GOLDEN = b"GET /regnant/v1/golden?rows=40 HTTP/1.1\r\nHost: a\r\n\r\n"


def test_a_client_that_does_not_read_holds_up_only_itself(tmp_path: Path) -> None:
    limits = Limits(write_seconds=0.2)
    with running_server(doubling_bundle(tmp_path), limits) as server:
        server.client.get("/v2/health/live")
        others = set(server.listener._users.connections)
        with socket.socket() as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.settimeout(0.02)
            raw.connect(("127.0.0.1", server.port))
            wait_until(lambda: len(server.listener._users.connections) == 2)
            (greedy,) = server.listener._users.connections - others
            with suppress(ConnectionError):
                ask_without_end(raw, lambda: not greedy._client_reads)
            assert server.client.get("/v2/health/live").status_code == 200
            wait_until(lambda: greedy not in server.listener._users.connections)


def test_thousands_of_requests_in_one_packet_leave_others_their_turn(
    doubling: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener, asked = doubling.listener, threading.Event()
    answered: list[bytes] = []
    for path in (b"/v2/health/live", b"/v2/health/ready"):
        route = listener.routes._routes[path]

        def note(request: Any, respond: Any, route: Any = route) -> None:
            answered.append(request.path)
            assert asked.wait(20)
            route.answer(request, respond)

        monkeypatch.setitem(listener.routes._routes, path, replace(route, answer=note))
    with doubling.connection() as many, doubling.connection() as one:
        many.sendall(LIVE * 3000)
        wait_until(lambda: answered)
        one.sendall(LIVE.replace(b"live", b"ready"))
        asked.set()
        assert read_responses(one, 1)[0][0] == 200
        assert len(read_responses(many, 3000)) == 3000
    assert answered.index(b"/v2/health/ready") < 100


def ask_without_end(raw: socket.socket, is_done: Callable[[], bool]) -> None:
    """Send whole requests, however little of them fits at once, and read nothing."""
    rest = b""
    while not is_done():
        rest = rest or GOLDEN * 100
        with suppress(TimeoutError):
            rest = rest[raw.send(rest) :]


def wait_until(condition: object) -> None:
    assert callable(condition)
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)
