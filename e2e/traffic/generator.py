"""An open-loop load: requests leave at their times, whether or not earlier ones were answered.

A closed loop waits for a slow server and so hides what its users meet; this one does not. It runs
inside a pod, with nothing but the standard library: every request is counted by its outcome, by the
version that answered and by the second in which it was sent. It stops by itself after its time, or
at SIGTERM, and prints one line of JSON at the end. `crowd.json` holds the fields of `Crowd`.

    python generator.py URL CROWD_FILE SECONDS
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import sys
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 30
MOST_CONNECTIONS = 512
FIRST_PAUSE_SECONDS = 0.05
MOST_SHOWN = 20
"""Failures that are told in full, and different answers that are told apart."""


@dataclass(frozen=True)
class Crowd:
    """Who asks, what and how often."""

    body: Any
    """What is asked about."""
    per_second: float
    """How many requests leave in a second, all people together."""
    people: int = 0
    """How many people ask, one after the other; none are told apart when 0."""
    header: str = ""
    """The header by which a person is known."""
    keeps_cookies: bool = False
    """Whether each person sends back the cookies that they were given."""
    keeps_journal: bool = False
    """Whether every request is told by itself in the end; for short loads."""
    attempts: int = 1
    """How often a request is sent at most when its connection breaks before the answer, as many
    HTTP clients do by themselves; each further one after a pause that doubles."""


@dataclass
class Person:
    """One user: what they send along, and who answered them, whenever that changed."""

    name: str
    cookies: dict[str, str] = field(default_factory=dict)
    answered_by: list[tuple[float, str]] = field(default_factory=list)
    last_sent: float = 0.0


@dataclass
class Tally:
    """What became of every request."""

    outcomes: Counter[str] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)
    seconds: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    timeline: defaultdict[int, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    answers: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    failures: list[dict[str, object]] = field(default_factory=list)
    sent_again: list[tuple[float, str]] = field(default_factory=list)
    journal: list[tuple[object, ...]] = field(default_factory=list)

    def add(self, sent: float, took: float, outcome: str, version: str, text: str) -> None:
        """Count one request, that was answered or not."""
        self.outcomes[outcome] += 1
        self.seconds[version].append(took)
        self.timeline[int(sent)][version] += 1
        if version:
            self.versions[version] += 1
        if outcome == "200":
            known = self.answers[version]
            value = _value(text)
            known[value if value in known or len(known) < MOST_SHOWN else "others"] += 1
        elif len(self.failures) < MOST_SHOWN:
            shown = {"at": sent, "outcome": outcome, "version": version, "text": text[:300]}
            self.failures.append(shown)

    def to_document(self, people: list[Person]) -> dict[str, object]:
        """All that is told at the end."""
        every = sorted(time for times in self.seconds.values() for time in times)
        return {
            "sent": sum(self.outcomes.values()),
            "outcomes": self.outcomes,
            "versions": self.versions,
            "milliseconds": _quantiles(every),
            "milliseconds_by_version": {
                version: _quantiles(sorted(times)) for version, times in self.seconds.items()
            },
            "timeline": self.timeline,
            "answers": self.answers,
            "failures": self.failures,
            "sent_again": self.sent_again,
            "journal": self.journal,
            "people": {one.name: one.answered_by for one in people},
        }


class Load:
    """One run: a target, a crowd and what became of every request."""

    def __init__(self, url: str, crowd: Crowd) -> None:
        parts = urlsplit(url)
        host = parts.hostname or ""
        # Asked once: this load is about the service, not about the cluster's DNS.
        self._address, self._port = socket.gethostbyname(host), parts.port or 80
        self._crowd = crowd
        self._body = json.dumps(crowd.body).encode()
        self._head = (
            f"POST {parts.path or '/'} HTTP/1.1\r\nhost: {host}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(self._body)}\r\n"
        )
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._slots = asyncio.Semaphore(MOST_CONNECTIONS)
        self.people = [Person(f"person-{number}") for number in range(crowd.people)]
        self.tally = Tally()
        self.stopped = False

    async def run(self, seconds: float) -> None:
        """Send for so long; wait for every answer."""
        start, rate = time.monotonic(), self._crowd.per_second
        tasks: set[asyncio.Task[None]] = set()
        for number in range(int(rate * seconds)):
            due = start + number / rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if self.stopped:
                break
            person = self.people[number % len(self.people)] if self.people else None
            task = asyncio.create_task(self._one(due, person))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)
        for _, writer in self._idle:
            await _close(writer)

    async def _one(self, due: float, person: Person | None) -> None:
        async with self._slots:
            sent = time.time()
            status, headers, text = await self._ask(self._request(person))
        version = headers.get("x-regnant-version", "")
        # From the time it was due, not sent: waiting for a connection is the user's time too.
        took = time.monotonic() - due
        self.tally.add(sent, took, status, version, text)
        if self._crowd.keeps_journal:
            tries, route = headers.get("x-regnant-tries", "0"), headers.get("x-regnant-route", "")
            entry = (sent, time.time(), took, status, version, int(tries), route)
            self.tally.journal.append(entry)
        if person:
            self._remember(person, sent, headers)

    async def _ask(self, request: bytes) -> tuple[str, dict[str, str], str]:
        """The answer to a request, or what kept it from coming."""
        broken = ""
        for attempt in range(self._crowd.attempts):
            if attempt:
                self.tally.sent_again.append((time.time(), broken))
                await asyncio.sleep(FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
            try:
                return await asyncio.wait_for(self._exchange(request), TIMEOUT_SECONDS)
            except TimeoutError:
                return "timeout", {}, ""
            except (OSError, asyncio.IncompleteReadError, ValueError) as error:
                broken = type(error).__name__
        return broken, {}, ""

    def _request(self, person: Person | None) -> bytes:
        lines = self._head
        if person and self._crowd.header:
            lines += f"{self._crowd.header}: {person.name}\r\n"
        if person and person.cookies:
            pairs = "; ".join(f"{name}={value}" for name, value in person.cookies.items())
            lines += f"cookie: {pairs}\r\n"
        return f"{lines}\r\n".encode() + self._body

    def _remember(self, person: Person, sent: float, headers: dict[str, str]) -> None:
        version = headers.get("x-regnant-version", "")
        if self._crowd.keeps_cookies and "set-cookie" in headers:
            name, _, value = headers["set-cookie"].partition(";")[0].partition("=")
            person.cookies[name] = value
        if not version or sent < person.last_sent:
            return
        person.last_sent = sent
        if not person.answered_by or person.answered_by[-1][1] != version:
            person.answered_by.append((sent, version))

    async def _exchange(self, request: bytes) -> tuple[str, dict[str, str], str]:
        """One request on a kept connection; a new one when the server closed it in the meantime."""
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                break
        else:
            reader, writer = await asyncio.open_connection(self._address, self._port)
        is_kept = False
        try:
            writer.write(request)
            await writer.drain()
            status, headers = _parse(await reader.readuntil(b"\r\n\r\n"))
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            is_kept = headers.get("connection") != "close"
        finally:
            if is_kept:
                self._idle.append((reader, writer))
            else:
                writer.close()
        return status, headers, body.decode("utf-8", "replace")


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def _parse(head: bytes) -> tuple[str, dict[str, str]]:
    lines = head.decode("latin-1").split("\r\n")
    pairs = (line.split(":", 1) for line in lines[1:] if ":" in line)
    return lines[0].split(" ", 2)[1], {name.lower(): value.strip() for name, value in pairs}


def _value(text: str) -> str:
    """The first number of the first output, by which versions are told apart."""
    with contextlib.suppress(ValueError, LookupError, TypeError):
        return json.dumps(json.loads(text)["outputs"][0]["data"][0])
    return "unreadable"


def _quantiles(times: list[float]) -> dict[str, float]:
    return {
        name: round(times[min(len(times) - 1, int(len(times) * part))] * 1000, 2)
        for name, part in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
        if times
    }


async def main(url: str, crowd: Crowd, seconds: str) -> None:
    """Run the load and print what became of it."""
    load = Load(url, crowd)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, setattr, load, "stopped", True)  # noqa: FBT003
    await load.run(float(seconds))
    print(json.dumps(load.tally.to_document(load.people)), flush=True)


if __name__ == "__main__":
    target, crowd_file, limit = sys.argv[1:]
    asyncio.run(main(target, Crowd(**json.loads(Path(crowd_file).read_text())), limit))
