"""What every test answers: a verdict, and all that is needed to retrace it by hand.

A verdict is about one claim with one limit. Pass says that the claim is shown, Fail that its
opposite is shown, Inconclusive that neither is yet, and Error that the counts cannot be true. Too
little evidence is never Pass and never Fail.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What the counts show."""

    PASS = "Pass"  # noqa: S105 - a verdict, not a password
    FAIL = "Fail"
    INCONCLUSIVE = "Inconclusive"
    ERROR = "Error"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A verdict and where it comes from."""

    verdict: Verdict
    estimate: float | None
    """What the counts say at face value; None where nothing was counted."""
    low: float | None
    high: float | None
    """The truth lies between `low` and `high` at every look, but for a chance of `alpha` in all."""
    limit: float
    """Pass and Fail say on which side of it all of `low` to `high` lies."""
    alpha: float
    counted: int
    """How many requests or pairs stand behind it."""
    method: str
    reading: str
    """One plain sentence with the numbers."""


def at_most(low: float, high: float, limit: float) -> Verdict:
    """The verdict on the claim that something between `low` and `high` is at most `limit`."""
    if high <= limit:
        return Verdict.PASS
    return Verdict.FAIL if low > limit else Verdict.INCONCLUSIVE


def at_least(low: float, high: float, limit: float) -> Verdict:
    """The verdict on the claim that something between `low` and `high` is at least `limit`."""
    if low >= limit:
        return Verdict.PASS
    return Verdict.FAIL if high < limit else Verdict.INCONCLUSIVE


def without_interval(
    verdict: Verdict, limit: float, alpha: float, method: str, reading: str
) -> Outcome:
    """What is answered where too little was counted, or what cannot be true."""
    return Outcome(verdict, None, None, None, limit, alpha, 0, method, reading)


ENDINGS = {
    Verdict.PASS: "that is shown to be within the limit",
    Verdict.FAIL: "that is shown to be beyond the limit",
    Verdict.INCONCLUSIVE: "neither side of the limit is shown yet",
}
"""How the reading of a verdict ends."""


def require_alpha(alpha: float) -> None:
    """Refuse a chance of error that is none.

    Raises:
        ValueError: alpha is not between 0 and 1.
    """
    if not 0.0 < alpha < 1.0:
        raise ValueError(f"alpha is {alpha}; it must lie between 0 and 1, both excluded")


def require_between(name: str, value: float, low: float, high: float) -> None:
    """Refuse a setting outside of the closed range from `low` to `high`.

    Raises:
        ValueError: it lies outside, or is no number.
    """
    if not low <= value <= high:
        raise ValueError(f"{name} is {value}; it must lie between {low:g} and {high:g}")
