"""Too much, too slow, and too late: what one client does costs others nothing, and ends."""

from __future__ import annotations

import json
import resource
import socket
import threading
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from regnant.serving.settings import Limits
from tests.unit.serving.bundles import doubling_bundle, slow_bundle, tensor
from tests.unit.serving.running_server import (
    INFER,
    LOOPBACK,
    RunningServer,
    read_all,
    read_responses,
    running_server,
)
from tests.unit.serving.started_server import proportional_kib
from tests.unit.serving.test_connections import (
    LIVE,
    TIGHT,
    ask,
    slow_request,
    status,
    wait_until,
)
from tests.unit.serving.test_drain import started

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHUNKED = f"POST {INFER} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
QUICK = {"inputs": [tensor("features", "FP64", [1, 3], [1, 2, 3])]}


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that gives nobody much time or room, but two of its connections."""
    limits = replace(TIGHT, connections=2, linger_seconds=60.0, idle_seconds=60.0)
    with running_server(doubling_bundle(tmp_path_factory.mktemp("hasty")), limits) as server:
        yield server


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with small room that gives everything the time it takes."""
    limits = Limits(head_bytes=2048, body_bytes=4096, buffered_bytes=6000)
    with running_server(doubling_bundle(tmp_path_factory.mktemp("calm")), limits) as server:
        yield server


def release(server: RunningServer) -> None:
    wait_until(lambda: not server.listener.connections)


@pytest.mark.parametrize(
    "sent", [LIVE, ask(1), CHUNKED + b"1\r\n{\r\n" * 50], ids=["head", "body", "chunks"]
)
def test_a_client_that_sends_byte_by_byte_has_no_more_time_than_others(
    hasty: RunningServer, sent: bytes
) -> None:
    """Each byte comes in time for itself, and none of them puts the end off."""
    release(hasty)
    with hasty.connection() as raw, suppress(ConnectionError):
        raw.settimeout(0.05)
        received = b""
        for byte in sent * 20:
            raw.sendall(bytes([byte]))
            with suppress(TimeoutError):
                received = raw.recv(65536)
            if received:
                break
        assert status(received) == 408


@pytest.mark.parametrize(
    "sent",
    [
        CHUNKED + b"0\r\nX: ",
        CHUNKED + b"2\r\n{}\r\n0\r\nX: ",
        CHUNKED + b"2;",
        b"POST /v2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ",
    ],
)
def test_a_line_without_end_behind_the_head_is_refused_by_its_size(
    calm: RunningServer, sent: bytes
) -> None:
    with calm.connection() as raw:
        raw.sendall(sent)
        with suppress(ConnectionError):
            for _ in range(10_000):
                raw.sendall(b"x" * 1000)
        assert status(read_all(raw)) == 431


def test_what_frames_small_chunks_is_not_counted_as_a_head(calm: RunningServer) -> None:
    body = ask(4).partition(b"\r\n\r\n")[2]
    with calm.connection() as raw:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.sendall(CHUNKED)
        for byte in body.ljust(900):
            for part in b"1;abc\r\n%c\r\n" % byte:
                raw.sendall(bytes([part]))
        raw.sendall(b"0\r\n\r\n")
        assert read_responses(raw, 1)[0][0] == 200


def test_who_is_turned_away_takes_no_place_from_who_comes_later(hasty: RunningServer) -> None:
    release(hasty)
    with ExitStack() as held:
        places = [held.enter_context(hasty.connection()) for _ in range(2)]
        for _ in range(20):
            # They were told to go and stay nevertheless.
            away = held.enter_context(hasty.connection())
            assert status(away.recv(65536)) == 503
        for raw in places:
            raw.close()
        wait_until(lambda: hasty.listener.connections == 20)
        for _ in range(2):
            raw = held.enter_context(hasty.connection())
            raw.sendall(LIVE)
            assert read_responses(raw, 1)[0][0] == 200
    release(hasty)


def test_half_a_request_does_not_cost_the_answer_to_the_one_before(tmp_path: Path) -> None:
    with running_server(slow_bundle(tmp_path)) as server, server.connection() as raw:
        raw.sendall(slow_request() + slow_request()[:-5])
        raw.shutdown(socket.SHUT_WR)
        answer = read_all(raw)
        assert answer.count(b"HTTP/1.1 200 OK") == 1
        assert server.listener.admission.in_flight == 0
        assert server.listener.admission.buffered == 0


@pytest.mark.parametrize("left", [1, 20, 60, 100, len(ask(1)) - 1])
@pytest.mark.parametrize("reset", [False, True])
def test_a_client_that_leaves_in_any_part_of_a_request_leaves_nothing(
    calm: RunningServer, left: int, reset: bool
) -> None:
    with calm.connection() as raw:
        if reset:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        raw.sendall(ask(1)[:left])
        wait_until(lambda: calm.listener.connections)
    release(calm)
    assert calm.listener.admission.in_flight == 0
    assert calm.listener.admission.buffered == 0


def test_overload_is_told_at_once_and_forgotten_at_once(tmp_path: Path) -> None:
    """Of forty requests two are computed, and the others need not wait to be refused."""
    with (
        running_server(slow_bundle(tmp_path), Limits(in_flight=2)) as server,
        ExitStack() as held,
    ):
        clients = [held.enter_context(server.connection()) for _ in range(40)]
        for raw in clients[:2]:
            raw.sendall(slow_request())
        wait_until(lambda: server.listener.admission.in_flight == 2)
        for raw in clients[2:]:
            raw.sendall(slow_request())
        refused = [raw.recv(65536) for raw in clients[2:]]
        assert {status(answer) for answer in refused} <= {200, 503}
        assert sum(status(answer) == 503 for answer in refused) >= 30
        assert all(b"retry-after: 1" in answer for answer in refused if status(answer) == 503)
        assert [read_responses(raw, 1)[0][0] for raw in clients[:2]] == [200, 200]
        clients[5].sendall(slow_request())
        assert read_responses(clients[5], 1)[0][0] == 200


def test_a_server_out_of_file_descriptors_serves_on_when_some_are_free(tmp_path: Path) -> None:
    with started(doubling_bundle(tmp_path), "0") as (process, client), ExitStack() as held:
        limit = len(list((tmp_path / f"/proc/{process.pid}/fd").iterdir())) + 10
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (limit, limit))
        port = client.base_url.port
        many = [held.enter_context(socket.create_connection((LOOPBACK, port))) for _ in range(60)]
        for raw in many:
            raw.close()
        assert client.post(INFER, json=QUICK).status_code == 200
        assert process.poll() is None


def test_what_comes_in_the_last_moment_of_a_drain_is_answered(tmp_path: Path) -> None:
    """The server is told to hurry while it is busy, and two requests lie unread."""
    is_busy, go_on = threading.Event(), threading.Event()

    def be_busy() -> None:
        is_busy.set()
        assert go_on.wait(20)
        server.listener.stop()

    with (
        running_server(doubling_bundle(tmp_path), drain_seconds=60) as server,
        server.connection() as kept,
    ):
        kept.sendall(LIVE)
        assert read_responses(kept, 1)[0][0] == 200
        server.loop.call_soon_threadsafe(server.listener.stop)
        wait_until(lambda: server.listener._users.draining)
        server.loop.call_soon_threadsafe(be_busy)
        assert is_busy.wait(20)
        with server.connection() as late:
            late.sendall(LIVE)
            kept.sendall(LIVE)
            go_on.set()
            assert status(read_all(kept)) == 200
            assert status(read_all(late)) == 200


@pytest.mark.parametrize("connections", [1, 16])
def test_who_asks_while_the_server_drains_loses_no_request(
    tmp_path: Path, connections: int
) -> None:
    """Clients ask without a pause while the server is told to stop, and drains for a moment."""
    with started(doubling_bundle(tmp_path), "0.5") as (process, client):
        assert client.base_url.port
        asking = [Asking(client.base_url.port) for _ in range(connections)]
        for one in asking:
            one.start()
        wait_until(lambda: all(one.answered > 50 for one in asking))
        process.terminate()
        for one in asking:
            one.join(20)
        assert process.wait(20) == 0
    assert [one.lost for one in asking] == [0] * connections


class Asking(threading.Thread):
    """A client that asks again as soon as it was answered, until the server says it is the last."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.answered = 0
        self.lost = 0
        self._port = port

    def run(self) -> None:
        with socket.create_connection((LOOPBACK, self._port), timeout=20) as raw:
            while True:
                raw.sendall(ask(self.answered))
                received = b""
                while b'"outputs"' not in received:
                    try:
                        received += (part := raw.recv(65536))
                    except ConnectionError:
                        part = b""
                    if not part:
                        self.lost += 1
                        return
                self.answered += 1
                if b"connection: close" in received:
                    return


def test_memory_is_flat_over_many_requests(tmp_path: Path) -> None:
    """Good ones and bad ones, with ids: what is kept of each is thrown away again."""
    body = json.dumps(QUICK).encode()
    good = (
        f"POST {INFER} HTTP/1.1\r\nHost: a\r\nX-Request-Id: %08d\r\nContent-Length: {len(body)}"
        "\r\n\r\n"
    )
    bad = "GET /v2/models/none HTTP/1.1\r\nHost: a\r\n\r\nGET /v2?a=b HTTP/1.1\r\nHost: a\r\n\r\n"
    with (
        started(doubling_bundle(tmp_path), "0") as (process, client),
        socket.create_connection((LOOPBACK, client.base_url.port), timeout=20) as raw,
    ):
        read: list[int] = []
        for first in range(0, 50_000, 1000):
            for number in range(first, first + 1000, 10):
                sent = [good.encode() % (number + place) + body for place in range(8)]
                raw.sendall(b"".join(sent) + bad.encode())
                assert len(read_responses(raw, 10)) == 10
            read.append(proportional_kib(process.pid))
    # A kilobyte of every tenth request would be more than this.
    assert read[-1] - read[20] < 2048, read
