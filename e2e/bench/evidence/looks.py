"""The CPU time of one look, on counts as they stand in the middle of a rollout."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

import numpy as np

from e2e.bench.evidence import streams
from e2e.bench.report import Table
from regnant.evidence import (
    Outcome,
    Proportion,
    compare_errors,
    compare_latency,
    exceeds,
    paired_correctness,
)

_ROUNDS, _IN_A_ROUND = 15, 40


def table() -> Table:
    """How long each function takes."""
    *_, (_, slow, fast) = streams.latencies(np.random.default_rng(1), 1.2, 20_000)
    looks: Mapping[str, Callable[[], Outcome]] = {
        "compare_errors": lambda: compare_errors(
            Proportion(90, 18_000), Proportion(12, 2_000), margin=0.01, alpha=0.05
        ),
        "compare_errors, nothing failed": lambda: compare_errors(
            Proportion(0, 18_000), Proportion(0, 2_000), margin=0.01, alpha=0.05
        ),
        "exceeds, agreement": lambda: exceeds(3, 1_000, limit=0.01, alpha=0.05),
        "paired_correctness": lambda: paired_correctness(20, 60, 1_000, margin=0.0, alpha=0.05),
        "compare_latency, 64 buckets": lambda: compare_latency(
            slow, fast, quantile=0.99, max_ratio=2.0, alpha=0.05
        ),
    }
    rows = [
        [f"`{name}`" if " " not in name else name, *_times(look)] for name, look in looks.items()
    ]
    return Table(
        "CPU time of a look",
        ["function", "median", "least"],
        rows,
        f"{_ROUNDS} rounds of {_IN_A_ROUND} calls, in microseconds of CPU time of one process.",
    )


def _times(look: Callable[[], Outcome]) -> list[str]:
    taken = []
    for _ in range(_ROUNDS):
        began = time.process_time()
        for _ in range(_IN_A_ROUND):
            look()
        taken.append((time.process_time() - began) / _IN_A_ROUND * 1e6)
    return [f"{statistics.median(taken):.0f} us", f"{min(taken):.0f} us"]
