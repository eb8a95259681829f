"""The tables of docs/benchmarks.md: medians, spreads, ratios of a round, and goals."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from e2e.bench.report import Sample, Table, reached, verdict
from e2e.bench.serving.cases import (
    BARE,
    BATCH,
    BINARY_BATCH,
    FEW,
    IDLE_SECONDS,
    MANY,
    RATE,
    WARM_REQUESTS,
    Asked,
    Footprint,
    Turns,
)
from e2e.bench.serving.generator import Turn
from e2e.bench.serving.models import TREES
from e2e.bench.serving.servers import IN_PROCESS, KSERVE, NGINX, PLAIN, REGNANT

FLOOR = "the floor: nginx, and the inference after it"
GOAL_FLOOR, GOAL_BARE = 0.85, 0.90
GOAL_P99, GOAL_START, GOAL_MEMORY = 1.5, 0.3, 64.0
_ONE_ROW = {IN_PROCESS: 15.0, KSERVE: 18.0}
_BATCHES = {IN_PROCESS: 1.9}
_LABELLED = ["", "requests/s", "spread", "p99", "CPU", "Regnant's times", "spread", "goal"]


def with_floor(turns: Turns) -> Turns:
    """The floor among those who were asked, from each round's nginx and ONNX Runtime alone."""
    pairs = zip(turns[NGINX], turns[BARE], strict=True)
    rates = [1 / (1 / each.per_second + 1 / bare.per_second) for each, bare in pairs]
    return {REGNANT: turns[REGNANT], FLOOR: [Turn(rate) for rate in rates], **turns}


def one_row(turns: Turns, asked: Asked) -> Table:
    """Many connections, the least that can be asked."""
    goals = {FLOOR: GOAL_FLOOR, **_ONE_ROW}
    return Table(
        f"One row of a logistic regression, {MANY} connections",
        _LABELLED,
        [_throughput(name, turns, goals) for name in with_floor(turns)],
        f"{_how(asked)} The floor is what there would be if HTTP cost what it costs nginx, "
        "which reads the same request and answers from its configuration, and the model what it "
        "costs in a loop.",
    )


def batches(turns: Turns, asked: Asked) -> Table:
    """A model that costs something, in JSON."""
    return Table(
        f"{BATCH} rows of a random forest of {TREES} trees in JSON, {FEW} connections",
        _LABELLED,
        [_throughput(name, turns, _BATCHES) for name in turns],
        _how(asked),
    )


def binary(turns: Turns, asked: Asked) -> Table:
    """The same model by the binary extension."""
    return Table(
        f"{BINARY_BATCH} rows of the forest in binary, {FEW} connections",
        _LABELLED,
        [_throughput(name, turns, {BARE: GOAL_BARE}) for name in turns],
        f"{_how(asked)} Alone means runs in a loop, with the same threads.",
    )


def steady(turns: Turns, asked: Asked) -> Table:
    """A constant rate."""
    return Table(
        f"One row, {RATE:,} requests a second, whatever becomes of them",
        ["", "p50", "p99", "spread", "to nginx's p99", "spread", "goal"],
        [_at_a_rate(name, turns) for name in turns],
        f"{_how(asked)} Each request is timed from when it was due.",
    )


def alone(turns: Turns, asked: Asked) -> Table:
    """One connection."""
    return Table(
        "One row, one connection",
        ["", "p50", "spread", "p99", "beyond the plain protocol", "spread", "goal"],
        [_one_at_a_time(name, turns) for name in turns],
        f"{_how(asked)} The plain protocol is a parser, a JSON library and the session: it checks, "
        "counts and bounds nothing.",
    )


def footprints(found: Mapping[str, Footprint], idle: Mapping[str, float], asked: Asked) -> Table:
    """What a server needs besides requests."""
    return Table(
        "A start, and what is there after it",
        ["", "ready after", "spread", "RSS", "PSS", "CPU while idle", "goal"],
        [_footprint(name, each, idle[name]) for name, each in found.items()],
        f"{asked.repetitions} starts each, from the process to a yes over HTTP; Regnant has "
        "checked every digest and replayed its golden rows by then. Memory after "
        f"{WARM_REQUESTS:,} requests, workers included; CPU over {IDLE_SECONDS:.0f} s, as a share "
        "of a core. RSS counts every page that is resident; PSS counts those that other processes "
        "have too by their share, so it is less where more runs.",
    )


def _how(asked: Asked) -> str:
    return (
        f"{asked.repetitions} rounds in which each had a turn of {asked.seconds:g} s; medians, and "
        "of ratios and differences the medians of those in a round."
    )


def _throughput(name: str, turns: Turns, goals: Mapping[str, float]) -> list[str]:
    every = with_floor(turns) if NGINX in turns else turns
    found = every[name]
    p99 = f"{_median(found, _p99) / 1e3:.1f} ms" if found[0].p99 else ""
    cpu = f"{_median(found, _cpu):,.0f} us" if found[0].cpu else ""
    rates = Sample.of(one.per_second for one in found)
    cells = [name, *rates.cells(0), p99, cpu]
    if name == REGNANT:
        return [*cells, "", "", ""]
    ratio = _paired(every[REGNANT], found, _times)
    goal = goals.get(name)
    words = "" if goal is None else f"at least {goal:g}: {reached(ratio.median, goal)}"
    return [*cells, *ratio.cells(2 if ratio.median < 10 else 1), words]


def _at_a_rate(name: str, turns: Turns) -> list[str]:
    found = turns[name]
    p99 = Sample.of(one.p99 for one in found)
    cells = [name, f"{_median(found, _p50):,.0f} us", *p99.cells(0, "us")]
    if any(one.unanswered for one in found):
        missing = f"{sum(one.unanswered for one in found):,} requests had no answer"
        return [*cells, "", "", missing]
    if name == NGINX:
        return [*cells, "", "", ""]
    ratio = _paired(found, turns[NGINX], lambda its, nginx: its.p99 / nginx.p99)
    goal = f"at most {GOAL_P99}: {verdict(ratio.median, GOAL_P99)}" if name == REGNANT else ""
    return [*cells, *ratio.cells(2), goal]


def _one_at_a_time(name: str, turns: Turns) -> list[str]:
    found = turns[name]
    p50 = Sample.of(one.p50 for one in found)
    cells = [name, *p50.cells(0, "us"), f"{_median(found, _p99):,.0f} us"]
    if name == PLAIN:
        return [*cells, "", "", ""]
    beyond = _paired(found, turns[PLAIN], lambda its, plain: its.p50 - plain.p50)
    goal = f"at most 0 us: {verdict(round(beyond.median), 0)}" if name == REGNANT else ""
    return [*cells, *beyond.cells(0, "us"), goal]


def _footprint(name: str, found: Footprint, idle: float) -> list[str]:
    start = Sample.of(found.starts)
    goal = ""
    if name == REGNANT:
        goal = (
            f"ready after at most {GOAL_START} s: {verdict(start.median, GOAL_START)}; RSS at most "
            f"{GOAL_MEMORY:.0f} MiB: {verdict(found.memory.rss, GOAL_MEMORY)}"
        )
    return [
        name,
        *start.cells(2, "s"),
        f"{found.memory.rss:.0f} MiB",
        f"{found.memory.pss:.0f} MiB",
        f"{idle:.2%}",
        goal,
    ]


def _paired(
    ours: Sequence[Turn], theirs: Sequence[Turn], compare: Callable[[Turn, Turn], float]
) -> Sample:
    """One comparison a round."""
    return Sample.of(compare(one, other) for one, other in zip(ours, theirs, strict=True))


def _times(one: Turn, other: Turn) -> float:
    """How often as many requests; short turns may end before a slow server's first answer."""
    return one.per_second / other.per_second if other.per_second else math.inf


def _median(found: Sequence[Turn], of: Callable[[Turn], float]) -> float:
    return Sample.of(of(one) for one in found).median


def _p50(turn: Turn) -> float:
    return turn.p50


def _p99(turn: Turn) -> float:
    return turn.p99


def _cpu(turn: Turn) -> float:
    return turn.cpu
