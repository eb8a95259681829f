"""Makes savvi_reference.json: what others compute on the same counts.

savvi writes the tests of Lindon and Malek (2022) down on its own and solves convex programs for
what the evidence finds by a root; the differences of two rates are put to the same solver. It
brings it and a plotting library along, so it is no dependency: its answers are kept. To ask again:

    uv run --no-project --with savvi==0.3.1 --with matplotlib \\
        python tests/unit/evidence/savvi_reference.py
"""

from __future__ import annotations

import importlib
import json
import math
from itertools import product
from pathlib import Path
from typing import Any

ALPHA = 0.05
COUNTS = [(0, 1), (0, 40), (1, 1), (7, 10), (3, 250), (12, 2_000), (180, 200), (45, 18_000)]
WEIGHTS = [(0.5, 0.5), (0.3, 1.0), (0.3, 10.0), (2.0, 5.0)]
RATES = [0.001, 0.02, 0.5, 0.9]
PAIRS = [(45, 9_000, 9, 1_000), (1, 90, 9, 10), (300, 500, 20, 100), (5, 5_000, 4, 300)]
LOSSES = [5.0, 12.0]


def tested(count: tuple[int, int], weights: tuple[float, float], rate: float) -> Any:
    """savvi's test of one rate, after this count, with other weights than its own."""
    numpy = importlib.import_module("numpy")
    multinomial = importlib.import_module("savvi.multinomial").Multinomial
    test = multinomial(ALPHA, numpy.array([rate, 1.0 - rate]))
    test.alpha_0 = numpy.array(weights)
    test.update(numpy.array([count[0], count[1] - count[0]]))
    return test


def difference(counts: tuple[int, int, int, int], floor: float, sign: int) -> float:
    """The end of the differences whose rates have a log-likelihood of at least `floor`."""
    cvxpy = importlib.import_module("cvxpy")
    one, ones, other, others = counts
    rates = cvxpy.Variable(2)
    likelihood = (
        one * cvxpy.log(rates[0])
        + (ones - one) * cvxpy.log(1 - rates[0])
        + other * cvxpy.log(rates[1])
        + (others - other) * cvxpy.log(1 - rates[1])
    )
    goal = cvxpy.Maximize(sign * (rates[1] - rates[0]))
    return sign * float(cvxpy.Problem(goal, [likelihood >= floor]).solve(solver="CLARABEL"))


def main() -> None:
    """Ask, and write down the answers."""
    log_odds = [
        [*count, *weights, rate, float(math.log(odds))]
        for count, weights, rate in product(COUNTS, WEIGHTS, RATES)
        if 0.0 < (odds := tested(count, weights, rate).odds) < math.inf
    ]
    intervals = [
        [*count, *map(float, tested(count, (0.3, 1.0), 0.5).calculate_conf_int()[0])]
        for count in COUNTS
    ]
    differences = [
        [*pair, loss, *(difference(pair, _best(pair) - loss, sign) for sign in (-1, +1))]
        for pair, loss in product(PAIRS, LOSSES)
    ]
    kept = {"log_odds": log_odds, "intervals": intervals, "differences": differences}
    lines = [
        f'"{name}": [\n' + ",\n".join(json.dumps(row) for row in rows) + "\n]"
        for name, rows in kept.items()
    ]
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    Path(__file__).with_suffix(".json").write_text(text, encoding="utf-8")


def _best(counts: tuple[int, int, int, int]) -> float:
    one, ones, other, others = counts
    return sum(
        count * math.log(count / total)
        for count, total in (
            (one, ones),
            (ones - one, ones),
            (other, others),
            (others - other, others),
        )
    )


if __name__ == "__main__":
    main()
