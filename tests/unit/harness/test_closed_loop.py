"""The benchmarks' closed loop counts every answer once, and says when one is missing."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import pytest

from e2e.bench.closed_loop import Load, Target, answer_length, in_turns, quantile
from e2e.bench.machine import cores, cpu_seconds, on_core

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
REQUESTS = [b"one\n", b"two\n"]

Pieces = Callable[[int], Sequence[bytes]]
"""From how many requests came before to the pieces of an answer, none to hang up."""


class Answering:
    """A server that takes a line for a request, and answers piece by piece."""

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self.seen: list[bytes] = []
        self.connections: list[asyncio.Task[None]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self.connections.append(task)
        with suppress(ConnectionError):
            while line := await reader.readline():
                pieces = self._pieces(len(self.seen))
                self.seen.append(line)
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                if not pieces:
                    break
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def asked(pieces: Pieces, *, connections: int, requests: int) -> list[bytes]:
    """What the server was asked in two rounds."""
    answering = Answering(pieces)
    async with await asyncio.start_server(answering.serve, "127.0.0.1", 0) as server:
        target = Target(server.sockets[0].getsockname()[1], os.getpid())
        load = await Load.open(target, connections, REQUESTS)
        try:
            turns = await in_turns({"here": load}, 2, requests)
        finally:
            load.close()
            await asyncio.gather(*answering.connections)
    assert all(turn.p50 <= turn.p99 and turn.cpu > 0 for turn in turns["here"])
    return answering.seen


@pytest.mark.parametrize("connections", [1, 4])
async def test_every_request_is_asked_once_and_a_tenth_more_to_warm_up(connections: int) -> None:
    seen = await asked(lambda _: [HEAD + b"12345"], connections=connections, requests=40)
    assert len(seen) == 2 * (40 + 4)
    assert set(seen) == set(REQUESTS)


async def test_an_answer_in_pieces_is_one_answer() -> None:
    seen = await asked(lambda _: [HEAD[:20], HEAD[20:], b"123", b"45"], connections=1, requests=20)
    assert len(seen) == 2 * (20 + 2)


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        ([HEAD.replace(b"200", b"503") + b"12345"], "not answered: .*503"),
        ([b"HTTP/1.1 200 OK\r\n\r\n"], "without a length"),
    ],
)
async def test_what_is_no_answer_ends_the_benchmark(pieces: list[bytes], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        await asked(
            lambda before: pieces if before == 7 else [HEAD + b"12345"], connections=2, requests=40
        )


async def test_a_target_that_hangs_up_ends_the_benchmark() -> None:
    with pytest.raises(ConnectionError):
        await asked(
            lambda before: [] if before == 7 else [HEAD + b"12345"], connections=1, requests=40
        )


@pytest.mark.parametrize(
    ("received", "length"),
    [(b"", None), (HEAD[:-1], None), (HEAD, len(HEAD) + 5), (HEAD + b"12345", len(HEAD) + 5)],
)
def test_the_length_of_an_answer_is_known_with_its_head(received: bytes, length: int) -> None:
    assert answer_length(received) == length


def test_a_length_in_the_body_is_not_that_of_the_answer() -> None:
    with pytest.raises(ValueError, match="without a length"):
        answer_length(b"HTTP/1.1 200 OK\r\n\r\n\r\ncontent-length: 5\r\n")


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.5, 5), (0.51, 6), (0.99, 10), (1.0, 10)])
def test_a_quantile_is_the_least_value_that_the_share_does_not_exceed(
    share: float, value: int
) -> None:
    assert quantile(range(1, 11), share) == value


def test_the_cpu_time_of_a_process_is_what_the_process_itself_counts() -> None:
    before = time.process_time()
    read = cpu_seconds(os.getpid())
    assert before <= read <= time.process_time()


def test_what_runs_on_a_core_is_let_go_again() -> None:
    before = os.sched_getaffinity(0)
    with on_core(cores()[1]):
        assert os.sched_getaffinity(0) == {cores()[1]}
    assert os.sched_getaffinity(0) == before
