"""Failing and slow challengers: how many of them it takes until Fail is shown.

The safety loop needs few tries where something is badly broken. A champion that fails now and then
answers beside it, and somebody looks after every try of the challenger that fails.
"""

from __future__ import annotations

import statistics

import numpy as np

from e2e.bench.evidence import streams
from e2e.bench.report import Table
from regnant.evidence import Proportion, Verdict, compare_errors, compare_latency

ALPHA = 0.01
CHAMPION = 0.001
_RATES = (1.0, 0.1, 0.03, 0.01)
_MARGINS = (0.01, 0.001)
_MOST = 30_000
_SLOWER = (10.0, 4.0, 1.0)
_QUANTILES = (0.5, 0.95, 0.99)
_MAX_RATIO = 2.0


def errors_table(runs: int) -> Table:
    """How many tries a failing challenger gets."""
    rows = []
    for rate in _RATES:
        cells = []
        for margin in _MARGINS:
            found = [_tries(rate, margin, seed) for seed in range(runs)] if rate > margin else []
            shown = [tries for tries in found if tries is not None]
            cells += (
                [
                    f"{statistics.median(shown):,.0f}",
                    f"{statistics.quantiles(shown, n=20)[-1]:,.0f}",
                ]
                if len(shown) > runs // 2
                else ["not worse", ""]
            )
        rows.append([f"{rate:.0%}", *cells])
    columns = [
        "the challenger fails",
        *(f"margin {m:g}, {s}" for m in _MARGINS for s in ("median", "p95")),
    ]
    return Table(
        "Tries of a failing challenger until Fail",
        columns,
        rows,
        f"{runs} runs each, alpha = {ALPHA:g}. The champion fails at {CHAMPION:.1%} of its tries "
        "and gets nine tries for each of the challenger's. What the challenger fails at is "
        "answered by the champion: these are tries, not users.",
    )


def latency_table(runs: int) -> Table:
    """How many requests a slow challenger gets."""
    rows = []
    for slower in _SLOWER:
        for quantile in _QUANTILES:
            found = [_timed(slower, quantile, seed) for seed in range(runs)]
            requests = [requests for requests, _ in found]
            verdicts = {verdict.value for _, verdict in found}
            rows.append(
                [
                    f"{slower:g} times",
                    f"p{100 * quantile:g}",
                    ", ".join(sorted(verdicts)),
                    f"{statistics.median(requests):,.0f}",
                    f"{max(requests):,}",
                ]
            )
    return Table(
        "Timed requests of the challenger until a verdict",
        ["it takes", "quantile", "verdict", "median", "most"],
        rows,
        f"{runs} runs each, at most {_MAX_RATIO:g} times the champion's, alpha = {ALPHA:g}, "
        f"buckets that grow by {streams.GROWTH:g}, {100 * streams.WEIGHT:.0f} % of the requests "
        "to the challenger, looked at after every 20 requests. A high quantile is not known before "
        "many requests of the champion were timed, however slow the challenger is.",
    )


def _tries(rate: float, margin: float, seed: int) -> int | None:
    """The challenger's tries until Fail."""
    random = np.random.default_rng(seed)
    tries = np.cumsum(random.geometric(rate, int(_MOST * rate)))
    others = 9 * tries
    failed = np.cumsum(random.binomial(np.diff(others, prepend=0), CHAMPION))
    counted = zip(tries.tolist(), others.tolist(), failed.tolist(), strict=True)
    for number, (total, ones, one) in enumerate(counted, 1):
        outcome = compare_errors(
            Proportion(one, ones), Proportion(number, total), margin=margin, alpha=ALPHA
        )
        if outcome.verdict is Verdict.FAIL:
            return int(total)
    return None


def _timed(slower: float, quantile: float, seed: int) -> tuple[int, Verdict]:
    """The challenger's requests until a verdict, and which one."""
    random = np.random.default_rng(seed)
    timed = 0
    for _, champion, challenger in streams.latencies(random, slower, 10 * _MOST, every=20):
        timed = challenger.total
        outcome = compare_latency(
            champion, challenger, quantile=quantile, max_ratio=_MAX_RATIO, alpha=ALPHA
        )
        if outcome.verdict is not Verdict.INCONCLUSIVE:
            return timed, outcome.verdict
    return timed, Verdict.INCONCLUSIVE
