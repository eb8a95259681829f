"""Who was right, on pairs whose truth became known.

Both models answered the same requests, so what both got right or both got wrong says nothing of
their difference: only the pairs in which exactly one was right do. Comparing pair by pair is what
makes a difference of two points visible within about a thousand requests.
"""

from __future__ import annotations

from typing import Final

from regnant.evidence.betting import lower_bound, upper_bound
from regnant.evidence.outcome import (
    ENDINGS,
    Outcome,
    Verdict,
    at_least,
    require_alpha,
    require_between,
    without_interval,
)

METHOD: Final = "confidence sequence for a paired difference by betting"


def paired_correctness(
    only_champion: int, only_challenger: int, total: int, *, margin: float, alpha: float
) -> Outcome:
    """Whether the challenger is right more often than the champion, by at least `margin`.

    A margin of 0 asks for a better model, a positive one for one that is better by so much, and a
    negative one for a model that is not worse by more. To promote what is better by 2 points and to
    reject only what is worse, look twice: Pass with 0.02, Fail with 0.

    Method: each pair is a result: 1 where only the challenger was right, 0 where only the champion
    was, 1/2 otherwise; its mean is (1 + difference) / 2. The interval holds the differences that
    bets have not ruled out (`betting`). Against a margin of 0 a bet is a likelihood ratio on the
    discordant pairs alone: McNemar's test, made sequential.
    Source: Waudby-Smith and Ramdas (2024).
    Guarantee: the chance that any look ever gives a wrong Pass (the difference is less than the
    margin) is at most `alpha` / 2, and so is that of a wrong Fail (it is more).

    Args:
        only_champion: pairs in which the champion alone was right.
        only_challenger: pairs in which the challenger alone was right.
        total: all pairs whose truth is known.
        margin: by how much the challenger has to be right more often.
        alpha: the chance of a wrong verdict, both directions and all looks together.

    Raises:
        ValueError: margin or alpha is out of range.
    """
    require_alpha(alpha)
    require_between("margin", margin, -1.0, 1.0)
    counts = (
        f"the challenger alone was right in {only_challenger:,} of {total:,} pairs, the champion "
        f"alone in {only_champion:,}"
    )
    same = total - only_champion - only_challenger
    if min(only_champion, only_challenger, same) < 0:
        reading = f"impossible counts: {counts}"
        return without_interval(Verdict.ERROR, margin, alpha, METHOD, reading)
    if not total:
        reading = "no pair with a known truth was counted yet"
        return without_interval(Verdict.INCONCLUSIVE, margin, alpha, METHOD, reading)
    results = ((0.0, only_champion), (0.5, same), (1.0, only_challenger))
    low = 2.0 * lower_bound(results, alpha / 2.0) - 1.0
    high = 2.0 * upper_bound(results, alpha / 2.0) - 1.0
    verdict = at_least(low, high, margin)
    reading = (
        f"{counts}: better by {100 * low:+.3g} to {100 * high:+.3g} points, at least "
        f"{100 * margin:+.3g} asked; {ENDINGS[verdict]}"
    )
    estimate = (only_challenger - only_champion) / total
    return Outcome(verdict, estimate, low, high, margin, alpha, total, METHOD, reading)
