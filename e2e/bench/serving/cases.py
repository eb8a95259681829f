"""What is measured: who is asked what, and by how many at once.

All servers of a case run beside each other and are asked one at a time. What a start and a
rest cost is measured with nobody else there.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

from e2e.bench.closed_loop import order
from e2e.bench.serving import wire
from e2e.bench.serving.generator import Generator, Turn, Way
from e2e.bench.serving.models import Model
from e2e.bench.serving.servers import (
    BENTOML,
    NGINX,
    PLAIN,
    REGNANT,
    WORKER,
    Memory,
    Server,
    memory,
    running,
    used,
)

BARE = "ONNX Runtime alone"
MANY, FEW, RATE = 64, 8, 1_000
BATCH, BINARY_BATCH = 64, 256
WARM_REQUESTS = 10_000
IDLE_SECONDS = 10.0
_SLOW = (WORKER, BENTOML)
"""They answer fewer than that rate."""
_DIFFERENT_ROWS, _DIFFERENT_BATCHES = 10_000, 500
_COMPARED = 100

Turns = Mapping[str, Sequence[Turn]]


@dataclass(frozen=True)
class OneRow:
    """Everyone, asked for one row at a time in three ways, and left alone."""

    many: Turns
    steady: Turns
    alone: Turns
    idle: Mapping[str, float]
    """The share of a core that each uses while nobody asks."""


@dataclass(frozen=True)
class Asked:
    """What the command was told."""

    seconds: float
    repetitions: int
    peers: tuple[str, ...]


@dataclass(frozen=True)
class Footprint:
    """What a server needs besides requests."""

    starts: Sequence[float]
    """Seconds until it was ready."""
    memory: Memory


@dataclass(frozen=True)
class Bench:
    """Where everything runs, and how often."""

    generator: Generator
    asked: Asked

    def one_row(self, model: Model) -> OneRow:
        """Many connections; then a constant rate and a single one for those who keep up."""
        names = [REGNANT, NGINX, PLAIN, *self.asked.peers]
        with ExitStack() as stack:
            servers = self._servers(names, model, stack)
            _compare(servers, model, 1)
            idle = _idle(servers)
            many = self._turns(servers, model, 1, Way(MANY), [*names, BARE])
            fast = [name for name in names if name not in _SLOW]
            steady = self._turns(servers, model, 1, Way(MANY, RATE), fast)
            alone = self._turns(servers, model, 1, Way(1), fast)
        return OneRow(many, steady, alone, idle)

    def batches(self, model: Model) -> tuple[Turns, Turns]:
        """Batches in JSON beside the peers, and binary ones beside ONNX Runtime alone."""
        names = [REGNANT, *self.asked.peers]
        with ExitStack() as stack:
            servers = self._servers(names, model, stack)
            _compare(servers, model, BATCH)
            json = self._turns(servers, model, BATCH, Way(FEW), names)
            regnant = {REGNANT: servers[REGNANT].asked_in(wire.BINARY)}
            _compare(servers | {"Regnant, binary": regnant[REGNANT]}, model, BINARY_BATCH)
            binary = self._turns(regnant, model, BINARY_BATCH, Way(FEW), [REGNANT, BARE])
        return json, binary

    def footprints(self, model: Model) -> Mapping[str, Footprint]:
        """Starts, and what is there after many requests."""
        names = [REGNANT, PLAIN, *self.asked.peers]
        starts: dict[str, list[float]] = {name: [] for name in names}
        for name in order(names, self.asked.repetitions - 1):
            with self._running(name, model) as server:
                starts[name].append(server.seconds)
                print(f"   {name}: ready after {server.seconds:.2f} s", flush=True)
        found = {}
        for name in names:
            with self._running(name, model) as server:
                starts[name].append(server.seconds)
                found[name] = Footprint(starts[name], self._filled(server, model))
            print(f"   {name}: {found[name].memory.rss:.0f} MiB", flush=True)
        return found

    def _servers(self, names: Sequence[str], model: Model, stack: ExitStack) -> dict[str, Server]:
        return {name: stack.enter_context(self._running(name, model)) for name in names}

    def _running(self, name: str, model: Model) -> AbstractContextManager[Server]:
        place = self.generator
        return running(name, model, place.directory, place.servers_core)

    def _turns(
        self,
        servers: Mapping[str, Server],
        model: Model,
        rows: int,
        way: Way,
        names: Sequence[str],
    ) -> Turns:
        """Everyone in turns; another one begins each round."""
        files = {
            name: self._requests(server, model, rows)
            for name, server in servers.items()
            if name in names
        }
        turns: dict[str, list[Turn]] = {name: [] for name in names}
        for name in order(names, self.asked.repetitions):
            if name == BARE:
                given = list(wire.batches(model.rows, rows, _DIFFERENT_BATCHES))
                turn = self.generator.bare(model, given, self.asked.seconds)
            else:
                turn = self.generator.ask(servers[name], files[name], way, self.asked.seconds)
            turns[name].append(turn)
            print(f"   {name}: {turn.per_second:,.0f} a second, p99 {turn.p99:,.0f} us", flush=True)
        return turns

    def _requests(self, server: Server, model: Model, rows: int) -> Path:
        """A file of requests; the rows of all models are the same."""
        file = self.generator.directory / f"{server.dialect.name}-{rows}.requests"
        if not file.exists():
            different = _DIFFERENT_ROWS if rows == 1 else _DIFFERENT_BATCHES
            with file.open("wb") as stream:
                stream.writelines(server.dialect.requests(model.rows, rows, different))
        return file

    def _filled(self, server: Server, model: Model) -> Memory:
        """Memory after at least so many requests."""
        file, left = self._requests(server, model, 1), WARM_REQUESTS
        while left > 0:
            left -= self.generator.ask(server, file, Way(MANY), 0.5).asked
        return memory(server.pid)


def _compare(servers: Mapping[str, Server], model: Model, rows: int) -> None:
    """Hold everyone's answers against Regnant's, but for nginx, which can only repeat itself."""
    for begin in range(0, _COMPARED, rows):
        asked = model.rows[begin : begin + rows]
        expected = servers[REGNANT].dialect.answer(servers[REGNANT].port, asked)
        for name, server in servers.items():
            if name == NGINX:
                continue
            if not server.dialect.answer(server.port, asked).equals(expected):
                raise RuntimeError(f"{name} answers otherwise than Regnant, from row {begin} on")


def _idle(servers: Mapping[str, Server]) -> dict[str, float]:
    """What share of a core each uses while nobody asks anyone."""
    before = {name: used(server.pid) for name, server in servers.items()}
    time.sleep(IDLE_SECONDS)
    return {
        name: (used(server.pid) - before[name]) / IDLE_SECONDS for name, server in servers.items()
    }
