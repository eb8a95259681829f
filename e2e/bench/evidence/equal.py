"""Equal models: nothing tells them apart, so whatever does is wrong.

Each comparison is looked at every second. It counts as wrong when any look shows a difference in
any direction; the naive test is the two-sided z-test at the same alpha at the same looks, as a
dashboard would draw it.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from e2e.bench.evidence import streams
from e2e.bench.report import Table
from regnant.evidence import (
    Proportion,
    Verdict,
    compare_errors,
    compare_latency,
    paired_correctness,
)

ALPHA = 0.05
REQUESTS = 20_000
_TIDE = 0.5 + 0.5 * np.sin(np.arange(REQUESTS // streams.EVERY) / 20.0)
RATES: Mapping[str, streams.Rate] = {
    "0.1 %": 0.001,
    "0.5 %": 0.005,
    "2 %": 0.02,
    "10 %": 0.1,
    "0 to 5 %, in waves": 0.05 * _TIDE,
}
MARGIN = 0.01
PAIRS, DISCORDANT = 5_000, 0.1
_Z = statistics.NormalDist().inv_cdf(1.0 - ALPHA / 2.0)


@dataclass(frozen=True)
class Compared:
    """One comparison: the requests after which each first said something, if ever."""

    wrong: int | None
    naively_wrong: int | None
    failed: int | None
    passed: int | None


def compare(rate: streams.Rate, seed: int) -> Compared:
    """Two models that both fail at this rate, looked at until the end."""
    first: dict[str, int] = {}
    for look in streams.failures(np.random.default_rng(seed), (rate, rate), REQUESTS):
        if naive(look.champion, look.challenger):
            first.setdefault("naive", look.requests)
        outcome = compare_errors(look.champion, look.challenger, margin=0.0, alpha=ALPHA)
        if outcome.low is None or outcome.high is None:
            continue
        if outcome.verdict is not Verdict.INCONCLUSIVE:
            first.setdefault("wrong", look.requests)
        if outcome.low > MARGIN:
            first.setdefault("fail", look.requests)
        if outcome.high <= MARGIN:
            first.setdefault("pass", look.requests)
    return Compared(first.get("wrong"), first.get("naive"), first.get("fail"), first.get("pass"))


def naive(champion: Proportion, challenger: Proportion) -> bool:
    """Whether a two-sided z-test calls the rates different."""
    total = champion.total + challenger.total
    pooled = (champion.failures + challenger.failures) / total
    if not (champion.total and challenger.total and 0.0 < pooled < 1.0):
        return False
    variance = pooled * (1.0 - pooled) * (1.0 / champion.total + 1.0 / challenger.total)
    return abs(challenger.estimate - champion.estimate) > _Z * math.sqrt(variance)


def compare_all(comparisons: int) -> dict[str, list[Compared]]:
    """The same number of comparisons at each rate."""
    each = comparisons // len(RATES)
    return {
        name: [compare(rate, each * place + number) for number in range(each)]
        for place, (name, rate) in enumerate(RATES.items())
    }


def table(compared: Mapping[str, Sequence[Compared]]) -> Table:
    """How often equal error rates were told apart."""
    rows = [_row(name, found) for name, found in compared.items()]
    every = [one for found in compared.values() for one in found]
    rows.append(_row("**all**", every))
    return Table(
        "Equal models, looked at every second",
        [
            "both fail",
            "comparisons",
            "told apart, evidence",
            "told apart, z-test",
            "Fail",
            "Pass",
            "Pass after, median",
        ],
        rows,
        f"{REQUESTS:,} requests each, {100 * streams.WEIGHT:.0f} % to the challenger, "
        f"{REQUESTS // streams.EVERY} looks, alpha = {ALPHA:g}. Told apart: some look showed any "
        "difference at all, in any direction. Fail and Pass are those of `compare_errors` with a "
        f"margin of {100 * MARGIN:g} point: Fail would be wrong, Pass is right.",
    )


def other_table(latency_runs: int, paired_runs: int) -> Table:
    """How often equal latencies and equally good models were told apart."""
    slow = sum(_latency_told_apart(seed) for seed in range(latency_runs))
    better = sum(_pairs_told_apart(seed) for seed in range(paired_runs))
    return Table(
        "Equal models: latency and correctness",
        ["compared", "comparisons", "told apart", "goal"],
        [
            [
                "p99 of 10,000 requests",
                f"{latency_runs:,}",
                _share(slow, latency_runs),
                f"at most {ALPHA:.0%}",
            ],
            [
                f"{PAIRS:,} pairs with known truth, {DISCORDANT:.0%} discordant",
                f"{paired_runs:,}",
                _share(better, paired_runs),
                f"at most {ALPHA:.0%}",
            ],
        ],
        "Latency is looked at every second, pairs after every 25. Both directions count.",
    )


def _latency_told_apart(seed: int) -> bool:
    for _, champion, challenger in streams.latencies(np.random.default_rng(seed), 1.0, 10_000):
        outcome = compare_latency(champion, challenger, quantile=0.99, max_ratio=1.0, alpha=ALPHA)
        if outcome.low is None or outcome.high is None:
            continue
        if outcome.low >= 1.0 or outcome.high < 1.0:
            return True
    return False


def _pairs_told_apart(seed: int) -> bool:
    every = 25
    shares = [DISCORDANT / 2, DISCORDANT / 2, 1 - DISCORDANT]
    drawn = np.random.default_rng(seed).multinomial(every, shares, PAIRS // every)
    for look, (one, other, _) in enumerate(np.cumsum(drawn, axis=0).tolist(), 1):
        outcome = paired_correctness(one, other, look * every, margin=0.0, alpha=ALPHA)
        if outcome.verdict is not Verdict.INCONCLUSIVE:
            return True
    return False


def _row(name: str, found: Sequence[Compared]) -> list[str]:
    passed = [one.passed for one in found if one.passed is not None]
    return [
        name,
        f"{len(found):,}",
        _share(sum(one.wrong is not None for one in found), len(found)),
        _share(sum(one.naively_wrong is not None for one in found), len(found)),
        _share(sum(one.failed is not None for one in found), len(found)),
        _share(len(passed), len(found)),
        f"{statistics.median(passed):,.0f} requests" if passed else "never",
    ]


def _share(part: int, whole: int) -> str:
    return f"{part} ({part / whole:.1%})"
