"""A short load of golden rows that one version must carry, through one router.

It goes by the operator's door to exactly that version, so no user is in it and no other version
answers for it. It stops by itself: after so many requests, or when its time is over, whichever is
first. What is measured is what a caller in the operator's place sees, the router and this very
process included: it tells a version that is far too slow from one that is not, and is no benchmark.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from regnant.api.rollout import LoadProbe
from regnant.probes.errors import AnswerError, NoAnswerError, UnreachableError
from regnant.probes.router import Prober, Target

LONGEST = 30.0
"""Seconds that a load may last."""
_SLOWEST_PART = 0.01


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What a version made of a load."""

    requests: int
    """How many were sent."""
    failed: int
    """How many of them were answered by anything but 200, or not before the end."""
    p99_seconds: float
    """How long the fastest 99 % of the answers took at most; 0 where there were none."""
    requests_per_second: float
    """Answers a second."""
    first_failure: str = ""
    """What was wrong with the first that failed."""


@dataclass(slots=True)
class _Load:
    """A load under way."""

    prober: Prober
    router: str
    target: Target
    body: bytes
    clock: Callable[[], float]
    sent: int = 0
    seconds: list[float] = field(default_factory=list)
    first_failure: str = ""
    unreached: UnreachableError | None = None

    async def send(self, turns: Iterator[int]) -> None:
        """Ask again and again, as long as there are turns."""
        for _ in turns:
            self.sent += 1
            began = self.clock()
            try:
                await self.prober.infer(self.router, self.target, self.body)
            except (AnswerError, NoAnswerError) as error:
                self.first_failure = self.first_failure or str(error)
            except UnreachableError as error:
                self.unreached = error
                return
            else:
                self.seconds.append(self.clock() - began)


async def carry(
    prober: Prober, router: str, target: Target, probe: LoadProbe, *, longest: float = LONGEST
) -> LoadResult:
    """Let a version carry the load through this router.

    Raises:
        UnreachableError: the router was not there, or nobody handed out golden rows; that proves
            nothing about the version.
        AnswerError: the version has no golden rows.
    """
    clock = asyncio.get_running_loop().time
    sample = await prober.golden_sample(router, target, rows=1)
    load = _Load(prober, router, target, json.dumps(sample.request).encode(), clock)
    turns = iter(range(probe.requests))
    began = clock()
    try:
        async with asyncio.timeout(longest), asyncio.TaskGroup() as senders:
            for _ in range(probe.concurrency):
                senders.create_task(load.send(turns))
    except TimeoutError:
        load.first_failure = load.first_failure or f"no answer before the end, after {longest:g} s"
    if load.unreached:
        raise load.unreached
    lasted = max(clock() - began, 1e-9)
    return LoadResult(
        requests=load.sent,
        failed=load.sent - len(load.seconds),
        p99_seconds=_p99(load.seconds),
        requests_per_second=len(load.seconds) / lasted,
        first_failure=load.first_failure,
    )


def judge(probe: LoadProbe, result: LoadResult) -> str:
    """What was missed, and of which limit; empty where nothing was."""
    if result.failed:
        return (
            f"{result.failed} of {result.requests} requests of the load probe failed, "
            f"the first with: {result.first_failure}"
        )
    if result.requests < probe.requests:
        return (
            f"the load probe was over after {result.requests} of {probe.requests} requests: "
            "the version is too slow, or verify.load.requests too many"
        )
    took = result.p99_seconds * 1000
    if probe.max_p99_milliseconds is not None and took > probe.max_p99_milliseconds:
        return (
            f"99 % of the answers took up to {took:.3g} ms, more than the "
            f"{probe.max_p99_milliseconds} ms of verify.load.maxP99Milliseconds"
        )
    rate, least = result.requests_per_second, probe.min_requests_per_second
    if least is not None and rate < least:
        return (
            f"{rate:.3g} requests were answered a second, less than the "
            f"{least} of verify.load.minRequestsPerSecond"
        )
    return ""


def _p99(seconds: list[float]) -> float:
    if not seconds:
        return 0.0
    return sorted(seconds)[math.ceil(len(seconds) * (1 - _SLOWEST_PART)) - 1]
