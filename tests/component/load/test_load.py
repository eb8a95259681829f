"""The load of the serving benchmark asks what it should, and tells what became of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from e2e.bench.serving.environments import load

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
REQUESTS = [b"GET /1 HTTP/1.1\r\n\r\n", b"POST /2 HTTP/1.1\r\ncontent-length: 2\r\n\r\nhi"]

Answer = Callable[[int], Awaitable[list[bytes] | None]]
"""From how many requests came before to the pieces of an answer.

No pieces hang up, and nothing leaves the client without an answer.
"""


class RefusedError(Exception):
    """The load ended without a report."""


class Answering:
    """A server that notes what it was asked, and answers piece by piece."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.seen: list[bytes] = []
        self.connections: list[asyncio.Task[None]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self.connections.append(task)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(2) if b"content-length" in head else b""
                self.seen.append(head + body)
                pieces = await self._answer(len(self.seen) - 1)
                if pieces is None:
                    await reader.read()
                if not pieces:
                    break
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def asked(
    directory: Path, answer: Answer, *words: str, connections: int = 1
) -> tuple[list[bytes], dict[str, Any]]:
    """What the server was asked, and what was reported."""
    file = directory / "requests"
    file.write_bytes(b"".join(REQUESTS))
    answering = Answering(answer)
    async with await asyncio.start_server(answering.serve, "127.0.0.1", 0) as server:
        process = await asyncio.create_subprocess_exec(
            await asyncio.to_thread(load),
            f"-port={server.sockets[0].getsockname()[1]}",
            f"-requests={file}",
            f"-connections={connections}",
            *words,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        said, complained = await process.communicate()
        await asyncio.gather(*answering.connections)
    if process.returncode:
        raise RefusedError(complained.decode())
    return answering.seen, json.loads(said)


async def at_once(_number: int) -> list[bytes]:
    return [OK]


async def test_a_closed_loop_asks_again_as_soon_as_it_was_answered(tmp_path: Path) -> None:
    seen, report = await asked(tmp_path, at_once, "-duration=200ms")
    assert report["asked"] == len(seen) > 2
    # The last answer may come when the time is over.
    assert report["asked"] - report["counted"] in {0, 1}
    assert seen[::2] == [REQUESTS[0]] * len(seen[::2])
    assert seen[1::2] == [REQUESTS[1]] * len(seen[1::2])


async def test_what_comes_before_the_time_that_counts_is_asked_and_not_counted(
    tmp_path: Path,
) -> None:
    seen, report = await asked(
        tmp_path, at_once, "-warming=200ms", "-duration=200ms", "-rate=100", connections=4
    )
    assert report["asked"] == len(seen) == 40
    assert (report["counted"], report["unanswered"]) == (20, 0)


async def test_an_answer_in_pieces_is_one_answer(tmp_path: Path) -> None:
    async def in_pieces(_number: int) -> list[bytes]:
        return [OK[at : at + 1] for at in range(len(OK))]

    seen, report = await asked(tmp_path, in_pieces, "-rate=50", "-duration=200ms")
    assert len(seen) == report["counted"] == 10


async def test_an_open_loop_tells_who_was_not_answered_and_who_could_not_ask(
    tmp_path: Path,
) -> None:
    async def never(_number: int) -> None:
        return None

    seen, report = await asked(
        tmp_path, never, "-rate=100", "-duration=500ms", "-warming=100ms", connections=13
    )
    assert len(seen) == 13
    # Three of the thirteen who asked were due in the time that counts, and nobody after them asked.
    assert (report["counted"], report["unanswered"]) == (0, 50)


async def test_who_waits_behind_a_slow_answer_is_timed_from_when_it_was_due(
    tmp_path: Path,
) -> None:
    async def first_slowly(number: int) -> list[bytes]:
        await asyncio.sleep(0 if number else 0.5)
        return [OK]

    _, report = await asked(tmp_path, first_slowly, "-rate=100", "-duration=500ms")
    assert report["counted"] == 50
    # The middle one was due a quarter of a second before the first was answered.
    assert report["p50"] >= 0.24e6
    assert report["most"] >= 0.5e6


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
            "not answered: HTTP/1.1",
        ),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "without a length"),
        (b"", "closed the connection"),
    ],
)
async def test_anything_but_an_answer_ends_it(tmp_path: Path, answer: bytes, words: str) -> None:
    async def wrong(_number: int) -> list[bytes]:
        return [answer] if answer else []

    with pytest.raises(RefusedError, match=words):
        await asked(tmp_path, wrong)
