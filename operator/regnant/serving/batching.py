"""Requests that are there together are computed together, and answered apart.

What one turn of the event loop brings is run at its end as one batch: a window of zero. Nobody
waits for anybody who is not there yet, so a lonely request is answered as soon as without batching;
and the more requests there are, the less each costs, because most of a small inference is its call.
A window of time would do the opposite to both.

Rows of one batch know nothing of each other: the golden replay holds a batch against its rows one
by one before anything is served, and where it could not nothing is merged. Where a batch fails,
each of its requests is run alone, so a bad row fails nobody else's request. A batch is bounded by
rows, bytes and the time that it will take.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from regnant.serving.codec import InferRequest
    from regnant.serving.cost import Cost
    from regnant.serving.datatypes import Array, Interface
    from regnant.serving.settings import Limits

    Outcome = dict[str, Array] | Exception
    Compute = Callable[[dict[str, Array], tuple[str, ...]], Outcome]


class Job(NamedTuple):
    """A request, who is told what became of it, and when it came, on the event loop's clock."""

    request: InferRequest
    done: Callable[[Outcome], None]
    since: float


class Batch:
    """Some requests for the same outputs of rows of the same shape."""

    __slots__ = ("_bytes", "_bytes_left", "_rows_left", "jobs", "rows")

    def __init__(self, first: Job, cost: Cost, limits: Limits) -> None:
        self.jobs = [first]
        self.rows = first.request.rows
        self._rows_left = min(limits.batch_rows, cost.rows_beside(self.rows)) - self.rows
        self._bytes_left = limits.batch_bytes - _size(first.request)

    def take(self, job: Job) -> bool:
        """Let a request in, if there is room."""
        rows, size = job.request.rows, _size(job.request)
        if rows > self._rows_left or size > self._bytes_left:
            return False
        self.jobs.append(job)
        self.rows += rows
        self._rows_left -= rows
        self._bytes_left -= size
        return True


def batches(
    jobs: Iterable[Job], interface: Interface, cost: Cost, limits: Limits
) -> Iterator[Batch]:
    """Put together what may be computed together; what came first is in the first batches."""
    open_batches: dict[object, Batch] = {}
    for job in jobs:
        kind = _kind(job.request, interface)
        batch = open_batches.get(kind)
        if batch is not None:
            if batch.take(job):
                continue
            yield batch
        open_batches[kind] = Batch(job, cost, limits)
    yield from open_batches.values()


def run(jobs: Sequence[Job], compute: Compute) -> list[Outcome]:
    """Compute a batch; the outcome of each of its requests."""
    if len(jobs) > 1:
        merged = _merged([job.request.inputs for job in jobs])
        together = compute(merged, jobs[0].request.outputs)
        rows = [job.request.rows for job in jobs]
        if not isinstance(together, Exception) and _is_by_row(together, sum(rows)):
            return list(_apart(together, rows))
    return [compute(job.request.inputs, job.request.outputs) for job in jobs]


def _kind(request: InferRequest, interface: Interface) -> object:
    """What requests must agree on to be in one batch."""
    if interface.has_fixed_rows:
        return request.outputs
    return request.outputs, *(array.shape[1:] for array in request.inputs.values())


def _size(request: InferRequest) -> int:
    """How many bytes are copied into a batch."""
    return sum([array.nbytes for array in request.inputs.values()])


def _merged(inputs: Sequence[dict[str, Array]]) -> dict[str, Array]:
    return {name: np.concatenate([one[name] for one in inputs]) for name in inputs[0]}


def _is_by_row(outputs: dict[str, Array], rows: int) -> bool:
    """Whether there is one answer for each row, as was promised."""
    return all(array.shape[:1] == (rows,) for array in outputs.values())


def _apart(outputs: dict[str, Array], rows: Iterable[int]) -> Iterator[dict[str, Array]]:
    start = 0
    for count in rows:
        end = start + count
        yield {name: array[start:end] for name, array in outputs.items()}
        start = end
