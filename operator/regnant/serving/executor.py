"""Where an inference runs: on the event loop, or in a thread.

A small inference costs less than handing it to a thread. One of more than a millisecond would hold
up every other connection and the health checks, so it goes to a thread; ONNX Runtime releases the
interpreter while it computes. Which is which is measured at the start, with the golden rows. Where
a graph has loops, what was measured with some values says nothing about others, so it never runs
on the event loop. In a thread every inference has a deadline, its wait for the thread included: one
that hangs costs one thread for so long, and holds up neither health nor reports nor other threads.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from regnant.serving.model import Stop

if TYPE_CHECKING:
    from collections.abc import Callable

    from regnant.serving.codec import InferRequest
    from regnant.serving.datatypes import Array
    from regnant.serving.golden import GoldenRows
    from regnant.serving.model import Model

    Outcome = Callable[["dict[str, Array] | Exception"], None]

LOOP_SECONDS = 0.001
_TRIES = 5
_MANY = 64


@dataclass(frozen=True, slots=True)
class Cost:
    """What an inference takes: so much, and so much more a row."""

    first: float
    row: float

    def of(self, rows: int) -> float:
        """Estimate the seconds that a batch takes."""
        return self.first + self.row * max(0, rows - 1)


class Executor:
    """Runs inferences where they disturb least, and none for ever."""

    def __init__(self, model: Model, cost: Cost, threads: int, seconds: float) -> None:
        self._model = model
        self._cost = cost
        self._seconds = seconds
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="inference")
        self._running: set[Stop] = set()

    def submit(self, request: InferRequest, done: Outcome) -> None:
        """Run an inference and pass on its outputs, or what it raised, on the event loop."""
        if self._cost.of(request.rows) <= LOOP_SECONDS and not self._model.has_loops:
            done(self._run(request, None))
            return
        stop = Stop(f"the inference did not end within {self._seconds:g} s and was stopped")
        loop = asyncio.get_running_loop()
        deadline = loop.call_later(self._seconds, stop.now)
        self._running.add(stop)

        def ended(run: asyncio.Future[dict[str, Array] | Exception]) -> None:
            deadline.cancel()
            self._running.discard(stop)
            if not run.cancelled():
                done(run.result())

        loop.run_in_executor(self._pool, self._run, request, stop).add_done_callback(ended)

    def close(self) -> None:
        """Let go of the threads; what is still being computed is stopped."""
        for stop in self._running:
            stop.now()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _run(self, request: InferRequest, stop: Stop | None) -> dict[str, Array] | Exception:
        try:
            return self._model.run(request.inputs, request.outputs, stop)
        except Exception as error:  # noqa: BLE001 - whoever asked decides what it means
            return error


def measure(model: Model, golden: GoldenRows) -> Cost:
    """Time one row and some; call it once the session is warm."""
    one = golden.select(golden.evenly_spaced(1))
    many = golden.select(golden.evenly_spaced(_MANY))
    first = _seconds(model, one)
    row = max(0.0, _seconds(model, many) - first) / max(1, many.count - 1)
    return Cost(first, row)


def _seconds(model: Model, golden: GoldenRows) -> float:
    """Return the median of some tries."""
    names = tuple(golden.outputs)
    spent = []
    for _ in range(_TRIES):
        started = time.perf_counter()
        model.run(golden.inputs, names)
        spent.append(time.perf_counter() - started)
    return median(spent)
