"""When and where an inference runs: at the end of a turn of the event loop, or in a thread.

A small inference costs less than handing it to a thread. One of more than a millisecond would hold
up every other connection and the health checks, so it goes to a thread; ONNX Runtime releases the
interpreter while it computes. Where a graph has loops, what was measured with some values says
nothing about others, so it never runs on the event loop, and never beside others.

Who finds no free thread waits in a queue, and is refused when that takes too long: an answer that
nobody waits for any more only delays the next one. In a thread every inference has a deadline, its
wait included: one that hangs costs one thread for so long, and holds up neither health nor reports
nor other threads. What runs together is decided in `batching`.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from regnant.serving import log
from regnant.serving.batching import Batch, Job, batches, run
from regnant.serving.messages import overloaded
from regnant.serving.model import Stop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from regnant.serving.batching import Outcome
    from regnant.serving.codec import InferRequest
    from regnant.serving.cost import Cost
    from regnant.serving.datatypes import Array
    from regnant.serving.model import Model
    from regnant.serving.settings import Limits
    from regnant.serving.statistics import Statistics

_CLOCK_SECONDS = 0.001


class Executor:
    """Runs inferences where they disturb least, and none for ever."""

    def __init__(
        self,
        model: Model,
        cost: Cost,
        threads: int,
        limits: Limits,
        statistics: Statistics,
        *,
        merges: bool,
    ) -> None:
        self._model = model
        self._statistics = statistics
        self._cost = cost
        self._limits = limits
        self._merges = merges and not model.has_loops
        self._loop: asyncio.AbstractEventLoop | None = None
        self._arriving: list[Job] = []
        self._queue: list[Job] = []
        """Those that no thread was free for, in the order in which they came."""
        self._look: asyncio.TimerHandle | None = None
        self._free_threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="inference")
        self._running: set[Stop] = set()

    def submit(self, request: InferRequest, done: Callable[[Outcome], None]) -> None:
        """Have a request computed and pass on its outputs, or what it raised, on the event loop."""
        # Looked up once: the interpreter asks the kernel for the process's id each time.
        loop = self._loop = self._loop or asyncio.get_running_loop()
        if not self._arriving:
            loop.call_soon(self._end_turn)
        self._arriving.append(Job(request, done, loop.time()))

    @property
    def queued(self) -> int:
        """How many requests wait for a thread."""
        return len(self._queue)

    def close(self) -> None:
        """Let go of the threads; what is still being computed is stopped."""
        for stop in self._running:
            stop.now()
        if self._look:
            self._look.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _end_turn(self) -> None:
        """Compute what this turn of the event loop brought."""
        jobs, self._arriving = self._arriving, []
        for batch in self._batches(jobs):
            if self._cost.is_short(batch.rows) and not self._model.has_loops:
                self._statistics.batch(len(batch.jobs), batch.rows)
                _tell(batch.jobs, run(batch.jobs, self._compute))
            else:
                self._queue += batch.jobs
        self._use_threads()
        self._watch_the_queue()

    def _batches(self, jobs: Iterable[Job]) -> Iterable[Batch]:
        if self._merges:
            return batches(jobs, self._model.interface, self._cost, self._limits)
        return [Batch(job, self._cost, self._limits) for job in jobs]

    # in threads

    def _use_threads(self) -> None:
        """Give every free thread what comes next."""
        if not (self._free_threads and self._queue):
            return
        waiting = []
        for batch in self._batches(self._queue):
            if self._free_threads:
                self._statistics.batch(len(batch.jobs), batch.rows)
                self._start(batch.jobs)
            else:
                waiting += batch.jobs
        self._queue = sorted(waiting, key=lambda job: job.since)

    def _start(self, jobs: list[Job]) -> None:
        self._free_threads -= 1
        seconds = self._limits.inference_seconds
        stop = Stop(f"the inference did not end within {seconds:g} s and was stopped")
        loop = asyncio.get_running_loop()
        deadline = loop.call_at(min(job.since for job in jobs) + seconds, stop.now)
        self._running.add(stop)

        def ended(running: asyncio.Future[list[Outcome]]) -> None:
            deadline.cancel()
            self._running.discard(stop)
            self._free_threads += 1
            if not running.cancelled():
                _tell(jobs, running.result())
                self._use_threads()

        compute = partial(self._compute, stop=stop)
        loop.run_in_executor(self._pool, run, jobs, compute).add_done_callback(ended)

    def _watch_the_queue(self) -> None:
        """Look again once the first in the queue has waited long enough; one look is enough."""
        if self._queue and self._look is None:
            until = self._queue[0].since + self._limits.queue_seconds
            self._look = asyncio.get_running_loop().call_at(until, self._refuse_late_ones)

    def _refuse_late_ones(self) -> None:
        """Refuse who waited too long, and look again for who came after them."""
        self._look = None
        seconds = self._limits.queue_seconds
        # The clock is coarse: who is due at this look must not have to wait for another.
        last = asyncio.get_running_loop().time() - seconds + _CLOCK_SECONDS
        late = [job for job in self._queue if job.since <= last]
        self._queue = self._queue[len(late) :]
        self._watch_the_queue()
        words = f"no thread was free for this request within {seconds:g} s; send it again later"
        _tell(late, [overloaded(words) for _ in late])

    def _compute(
        self, inputs: dict[str, Array], outputs: tuple[str, ...], stop: Stop | None = None
    ) -> Outcome:
        try:
            return self._model.run(inputs, outputs, stop)
        except Exception as error:  # noqa: BLE001 - whoever asked decides what it means
            return error


def _tell(jobs: Iterable[Job], outcomes: Iterable[Outcome]) -> None:
    """Tell everybody; one who cannot be told keeps it from no other."""
    for job, outcome in zip(jobs, outcomes, strict=True):
        try:
            job.done(outcome)
        except Exception as error:  # noqa: BLE001 - as above
            log.failure("an answer could not be given", error)
