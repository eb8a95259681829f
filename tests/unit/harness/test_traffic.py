"""The load of the end-to-end tests counts what it is there to count, failures above all."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict

from e2e.traffic import Outcome
from e2e.traffic.generator import Crowd, Load

Answer = Callable[[dict[str, str]], tuple[int, str, str]]
"""From a request's headers to the status, the version and further header lines."""


def answered_by(answer: Answer) -> Callable[..., Awaitable[None]]:
    """An HTTP server that answers every request so, and closes on status 0."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await _head(reader):
            lines = [line.split(": ", 1) for line in head.split("\r\n") if ": " in line]
            headers = {name.lower(): value for name, value in lines}
            await reader.readexactly(int(headers["content-length"]))
            status, version, more = answer(headers)
            if not status:
                break
            body = json.dumps({"outputs": [{"data": [float(version)]}]})
            writer.write(
                f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\n"
                f"x-regnant-version: {version}\r\n{more}\r\n{body}".encode()
            )
        writer.close()

    return serve


async def _head(reader: asyncio.StreamReader) -> str:
    try:
        return (await reader.readuntil(b"\r\n\r\n")).decode()
    except asyncio.IncompleteReadError:
        return ""


def outcome_of(answer: Answer, crowd: Crowd, *, requests: int) -> Outcome:
    """Let a crowd send so many requests to such a server."""

    async def run() -> Load:
        server = await asyncio.start_server(answered_by(answer), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        load = Load(f"http://127.0.0.1:{port}/infer", crowd)
        await load.run(requests / crowd.per_second)
        server.close()
        # Connections that broke are still being closed.
        await asyncio.sleep(0)
        return load

    load = asyncio.run(run())
    document = json.loads(json.dumps(load.tally.to_document(load.people)))
    return Outcome(**document)


def test_every_request_is_counted_by_its_version_its_answer_and_its_second() -> None:
    turns = iter(range(1000))
    began = time.time()
    outcome = outcome_of(
        lambda _: (200, "2" if next(turns) % 4 == 0 else "1", ""), Crowd({}, 500), requests=100
    )
    assert (outcome.sent, outcome.failed) == (100, 0)
    assert outcome.versions == {"1": 75, "2": 25}
    assert outcome.answers == {"1": {"1.0": 75}, "2": {"2.0": 25}}
    assert outcome.between(began - 1, time.time() + 1) == {"1": 75, "2": 25}
    assert set(outcome.milliseconds_by_version) == {"1", "2"}


def test_a_failure_is_counted_and_told_whatever_broke() -> None:
    turns = iter(range(1000))
    statuses = {0: 500, 1: 0}
    outcome = outcome_of(
        lambda _: (statuses.get(next(turns), 200), "1", ""), Crowd({}, 100), requests=10
    )
    assert (outcome.sent, outcome.failed) == (10, 2)
    assert outcome.outcomes == {"200": 8, "500": 1, "IncompleteReadError": 1}
    assert {failure["outcome"] for failure in outcome.failures} == {"500", "IncompleteReadError"}


def test_each_person_is_known_by_the_header_and_remembers_who_answered() -> None:
    turns = iter(range(1000))

    def by_name(headers: dict[str, str]) -> tuple[int, str, str]:
        moved = next(turns) >= 20
        return 200, "2" if headers["x-user-id"] == "person-1" or moved else "1", ""

    crowd = Crowd({}, 200, people=4, header="x-user-id")
    outcome = outcome_of(by_name, crowd, requests=40)
    paths = {name: [version for _, version in path] for name, path in outcome.people.items()}
    assert paths == {f"person-{n}": ["2"] if n == 1 else ["1", "2"] for n in range(4)}


def test_a_person_sends_back_the_cookie_that_they_were_given() -> None:
    given: list[str | None] = []

    def with_cookie(headers: dict[str, str]) -> tuple[int, str, str]:
        given.append(headers.get("cookie"))
        return 200, "1", f'set-cookie: seat="{len(given)}"; Path=/\r\n'

    outcome_of(with_cookie, Crowd({}, 20, people=1, keeps_cookies=True), requests=3)
    assert given == [None, 'seat="1"', 'seat="2"']


def test_a_patient_client_sends_again_what_broke_before_the_answer_and_it_is_told() -> None:
    turns = iter(range(1000))
    statuses = {1: 0, 2: 0, 5: 500}
    outcome = outcome_of(
        lambda _: (statuses.get(next(turns), 200), "1", ""), Crowd({}, 50, attempts=3), requests=8
    )
    assert outcome.outcomes == {"200": 7, "500": 1}
    assert [broken for _, broken in outcome.sent_again] == ["IncompleteReadError"] * 2


def test_a_journal_tells_of_every_request_who_answered_it_and_by_which_route() -> None:
    more = "x-regnant-tries: 2\r\nx-regnant-route: abc\r\n"
    crowd = Crowd({}, 100, keeps_journal=True)
    outcome = outcome_of(lambda _: (200, "1", more), crowd, requests=3)
    assert [entry[3:] for entry in outcome.journal] == [["200", "1", 2, "abc"]] * 3
    assert all(sent <= answered for sent, answered, *_ in outcome.journal)
    assert outcome_of(lambda _: (200, "1", more), Crowd({}, 100), requests=3).journal == []


def test_the_crowd_survives_the_way_into_its_pod() -> None:
    crowd = Crowd({"inputs": []}, 5, people=3, header="x-user-id")
    assert Crowd(**json.loads(json.dumps(asdict(crowd)))) == crowd
