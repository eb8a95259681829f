"""Pairs with known truth: after how many a better model is found, and a worse one rejected.

Nothing but a discordant pair changes what is known against a margin of 0, so a look after each of
them is a look after every request.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass

import numpy as np

from e2e.bench.report import Table
from regnant.evidence import Verdict, paired_correctness

ALPHA = 0.05
_PATIENCE = 20


@dataclass(frozen=True)
class Case:
    """Two models, and the goal for telling them apart."""

    name: str
    discordant: float
    better: float
    """By how much the challenger is right more often."""
    goal: int
    tried: int
    """What a uniform mixture takes, one-sided, as it was tried before."""


CASES = (
    Case("better by 2 points, 6 % discordant", 0.06, 0.02, 1_200, 1_000),
    Case("better by 2 points, 10 % discordant", 0.10, 0.02, 2_300, 1_950),
    Case("worse by 5 points, 9 % discordant", 0.09, -0.05, 300, 220),
    Case("worse by 5 points, 20 % discordant", 0.20, -0.05, 800, 650),
)


def table(runs: int) -> Table:
    """How many requests each case takes."""
    rows = []
    for case in CASES:
        found = [requests_until_shown(case, seed) for seed in range(runs)]
        both = [both for both, _ in found if both is not None]
        one = [one for _, one in found if one is not None]
        median = statistics.median(both)
        rows.append(
            [
                case.name,
                f"{len(both) / runs:.1%}",
                f"{median:,.0f}",
                f"{statistics.quantiles(both, n=20)[-1]:,.0f}",
                f"at most {case.goal:,}: {'met' if median <= case.goal else 'missed'}",
                f"{statistics.median(one):,.0f}",
                f"{case.tried:,}",
            ]
        )
    columns = [
        "the challenger is",
        "found",
        "median",
        "p95",
        "goal",
        "one-sided, median",
        "uniform mixture",
    ]
    return Table(
        "Pairs with known truth",
        columns,
        rows,
        f"{runs} runs each; requests until `paired_correctness` with a margin of 0 says so, looked "
        f"at after every request, alpha = {ALPHA:g} for both directions together. Found: within "
        f"{_PATIENCE} times the goal, and not the other way round. One-sided: {ALPHA:g} for each "
        "direction alone, beside what a uniform Beta mixture took when it was tried.",
    )


def requests_until_shown(case: Case, seed: int) -> tuple[int | None, int | None]:
    """Requests until it is shown at alpha for both directions, and at alpha for this one alone."""
    random = np.random.default_rng(seed)
    pairs = int(_PATIENCE * case.goal * case.discordant)
    at = np.cumsum(random.geometric(case.discordant, pairs)).tolist()
    challenger_right = random.random(pairs) < (1.0 + case.better / case.discordant) / 2.0
    right = Verdict.PASS if case.better > 0 else Verdict.FAIL
    won = {False: 0, True: 0}
    one_sided = None
    for requests, gained in zip(at, challenger_right.tolist(), strict=True):
        won[gained] += 1
        counts = (won[False], won[True], requests)
        alpha = ALPHA if one_sided is not None else 2.0 * ALPHA
        verdict = paired_correctness(*counts, margin=0.0, alpha=alpha).verdict
        if one_sided is None and verdict is right:
            one_sided = requests
            verdict = paired_correctness(*counts, margin=0.0, alpha=ALPHA).verdict
        if one_sided is not None and verdict is not Verdict.INCONCLUSIVE:
            return (requests if verdict is right else None), one_sided
    return None, one_sided
