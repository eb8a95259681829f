"""Bets on the mean of bounded results, and the means that they leave standing.

A gambler doubts that the mean of results between 0 and 1 is as small as `mean`. Before each result
a fixed share `stake` of the money is put on it at the fair price: the money is multiplied by 1 -
stake + stake * result / mean. If the true mean is at most `mean`, no stake can expect to gain, so
the chance that a fortune of 1 EVER becomes 1/alpha is at most alpha (Ville, 1939). As nobody knows
the best stake, the fortune is divided over many from the start. Money after n results depends only
on how often each result came up, not on the order.

Source: I. Waudby-Smith, A. Ramdas, "Estimating means of bounded random variables by betting",
Journal of the Royal Statistical Society B 86 (2024), with a fixed mixture over stakes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from regnant.evidence.likelihood import log_sum
from regnant.evidence.roots import bracket_root

Results = tuple[tuple[float, int], ...]
"""Each possible result, between 0 and 1, and how often it came up."""

_STAKES: Final = {
    0.01: 0.01,
    0.03: 0.02,
    0.08: 0.06,
    0.15: 0.14,
    0.25: 0.24,
    0.40: 0.24,
    0.60: 0.20,
    0.85: 0.09,
}
"""Each stake, and the part of the fortune that is played with it.

Between two models, a stake is best when it is the difference divided by the share of discordant
pairs. Most is played where models that are worth comparing differ: by an eighth to two thirds of
those.
"""
_LOG_PARTS: Final = tuple((stake, math.log(part)) for stake, part in _STAKES.items())
_TOLERANCE: Final = 1e-7


def lower_bound(results: Results, alpha: float) -> float:
    """The largest mean such that it, and every smaller one, is ruled out.

    It is falsely above the true mean, at any look ever, with a chance of at most `alpha`.
    """
    at_face_value = _mean(results)
    if at_face_value == 0.0:
        return 0.0
    needed = -math.log(alpha)
    low, _ = bracket_root(
        lambda mean: log_fortune(results, mean) - needed, 0.0, at_face_value, _TOLERANCE
    )
    return low


def upper_bound(results: Results, alpha: float) -> float:
    """The smallest mean such that it, and every larger one, is ruled out; as `lower_bound`."""
    return 1.0 - lower_bound(tuple((1.0 - result, count) for result, count in results), alpha)


def log_fortune(results: Results, mean: float) -> float:
    """The log of what the gambler has, who doubts that the mean is at most this."""
    if mean == 0.0:
        return math.inf
    gains = [(result / mean - 1.0, count) for result, count in results if count]
    return log_sum(
        *[
            log_part + sum([count * math.log1p(stake * gain) for gain, count in gains])
            for stake, log_part in _LOG_PARTS
        ]
    )


def _mean(results: Iterable[tuple[float, int]]) -> float:
    pairs = [(result * count, count) for result, count in results]
    return sum(weighted for weighted, _ in pairs) / sum(count for _, count in pairs)
