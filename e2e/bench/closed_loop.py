"""A closed loop: some connections, each of which asks again as soon as it was answered.

It says what a request costs, not what users meet: a slow target is asked less often. So several
targets are asked in turns, each for a moment, and what is compared are turns of the same round.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from math import ceil
from typing import cast

from e2e.bench.machine import cpu_seconds

LOOPBACK = "127.0.0.1"
_WARMING = 0.1
"""This share of a turn goes before it, uncounted: others had the caches in between."""
_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


@dataclass(frozen=True)
class Target:
    """Who is asked, and the process whose CPU time is counted meanwhile."""

    port: int
    pid: int


@dataclass(frozen=True)
class Turn:
    """Some requests to one target; times in microseconds, CPU time for a request."""

    p50: float
    p99: float
    cpu: float
    per_second: float


class Load:
    """The open connections to one target."""

    def __init__(self, target: Target, askers: Sequence[_Asker]) -> None:
        self.asked = 0
        """How many requests were sent, those before a turn among them."""
        self._target = target
        self._askers = askers

    @classmethod
    async def open(cls, target: Target, connections: int, requests: Sequence[bytes]) -> Load:
        """Connect; the requests are asked one after the other, and then from the first again."""
        loop = asyncio.get_running_loop()
        endless = cycle(requests)
        askers = []
        for _ in range(connections):
            _, asker = await loop.create_connection(lambda: _Asker(endless), LOOPBACK, target.port)
            askers.append(asker)
        return cls(target, askers)

    async def turn(self, requests: int) -> Turn:
        """Ask so often, and say what it took."""
        await self._ask(int(requests * _WARMING))
        used, began = cpu_seconds(self._target.pid), time.perf_counter()
        nanoseconds = sorted(await self._ask(requests))
        took = time.perf_counter() - began
        return Turn(
            quantile(nanoseconds, 0.5) / 1e3,
            quantile(nanoseconds, 0.99) / 1e3,
            (cpu_seconds(self._target.pid) - used) / len(nanoseconds) * 1e6,
            len(nanoseconds) / took,
        )

    async def _ask(self, requests: int) -> list[int]:
        """Let every connection ask its part; at least once."""
        each = max(1, requests // len(self._askers))
        self.asked += each * len(self._askers)
        times = await asyncio.gather(*(asker.ask(each) for asker in self._askers))
        return [one for of_one in times for one in of_one]

    def close(self) -> None:
        """Hang up."""
        for asker in self._askers:
            asker.close()


async def in_turns(loads: Mapping[str, Load], rounds: int, requests: int) -> dict[str, list[Turn]]:
    """Give each target one turn a round, and let another one begin each round."""
    turns: dict[str, list[Turn]] = {name: [] for name in loads}
    for name in order(list(loads), rounds):
        turns[name].append(await loads[name].turn(requests))
    return turns


def order(names: Sequence[str], rounds: int) -> Iterator[str]:
    """Everyone once a round, and another one begins each round."""
    for number in range(rounds):
        first = number % len(names)
        yield from (*names[first:], *names[:first])


def quantile(ordered: Sequence[float], share: float) -> float:
    """The least value that at least such a share of all values does not exceed."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


def answer_length(received: bytes) -> int | None:
    """How long the answer is that begins here; nothing while its head is not complete."""
    head = received.find(_HEAD_END)
    if head < 0:
        return None
    announced = _LENGTH.search(received, 0, head + 2)
    if announced is None:
        raise ValueError(f"an answer without a length: {received[:head]!r}")
    return head + len(_HEAD_END) + int(announced[1])


class _Asker(asyncio.Protocol):
    """One connection."""

    def __init__(self, requests: Iterator[bytes]) -> None:
        self._requests = requests
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._left = 0
        self._sent = 0
        self._times: list[int] = []
        self._done: asyncio.Future[list[int]] | None = None

    def ask(self, requests: int) -> asyncio.Future[list[int]]:
        """Begin to ask; the result is how many nanoseconds each answer took."""
        self._left, self._times = requests, []
        self._done = asyncio.get_running_loop().create_future()
        self._send()
        return self._done

    def close(self) -> None:
        """Hang up."""
        if self._transport:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take note of an answer that is whole, and ask again."""
        self._received += data
        try:
            length = answer_length(self._received)
        except ValueError as error:
            self._fail(error)
            return
        if length is None or len(self._received) < length:
            return
        self._times.append(time.perf_counter_ns() - self._sent)
        if not self._received.startswith(b"HTTP/1.1 200 "):
            self._fail(ValueError(f"not answered: {self._received!r}"))
            return
        self._received = b""
        self._left -= 1
        if self._left:
            self._send()
        elif self._done:
            self._done.set_result(self._times)

    def connection_lost(self, exc: Exception | None) -> None:
        """A target never hangs up first."""
        self._fail(exc or ConnectionError("the connection was closed"))

    def _send(self) -> None:
        assert self._transport
        request = next(self._requests)
        self._sent = time.perf_counter_ns()
        self._transport.write(request)

    def _fail(self, error: Exception) -> None:
        if self._done and not self._done.done():
            self._done.set_exception(error)
