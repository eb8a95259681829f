"""The load, on a core of its own: what it asks of whom, and what it reports."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from e2e.bench.machine import on_core
from e2e.bench.serving.models import Model, Rows
from e2e.bench.serving.servers import Server, used
from e2e.cluster.commands import run

_WARMING = 0.1
"""This share of a turn goes before it, uncounted: others had the caches in between."""


@dataclass(frozen=True)
class Way:
    """How everyone is asked."""

    connections: int
    rate: float = 0
    """Requests a second of an open loop; 0 for a closed one."""


@dataclass(frozen=True)
class Turn:
    """Some seconds of one server; times in microseconds, CPU time for a request."""

    per_second: float
    p50: float = 0.0
    p99: float = 0.0
    cpu: float = 0.0
    asked: int = 0
    """How often, the time before it counted among it."""
    unanswered: int = 0


@dataclass(frozen=True)
class Generator:
    """The program and its core, and the core of those who are asked."""

    program: Path
    core: int
    servers_core: int
    directory: Path

    def ask(self, server: Server, requests: Path, way: Way, seconds: float) -> Turn:
        """Load a server for so long."""
        before = used(server.pid)
        with on_core(self.core):
            said = run(
                [
                    self.program,
                    f"-port={server.port}",
                    f"-requests={requests}",
                    f"-connections={way.connections}",
                    f"-rate={way.rate}",
                    f"-duration={seconds}s",
                    f"-warming={seconds * _WARMING}s",
                ]
            )
        found = json.loads(said)
        return Turn(
            found["perSecond"],
            found["p50"],
            found["p99"],
            (used(server.pid) - before) / found["asked"] * 1e6,
            found["asked"],
            found["unanswered"],
        )

    def bare(self, model: Model, batches: Sequence[Rows], seconds: float) -> Turn:
        """ONNX Runtime alone, where the servers are."""
        file = self.directory / "batches.npy"
        np.save(file, np.stack(batches))
        with on_core(self.servers_core):
            words = [sys.executable, "-m", "e2e.bench.serving.bare"]
            found = json.loads(run([*words, model.file, file, str(seconds)]))
        return Turn(found["perSecond"], cpu=found["cpu"])
