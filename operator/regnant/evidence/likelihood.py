"""Mixtures of likelihoods, and the regions of rates that they leave standing.

The whole idea in one paragraph. Bet against a rate p: fix beforehand how money is spread over all
other rates, and after every try let each part grow by the ratio of its likelihood to that of p.
What all parts together have become is `mixture / likelihood(p)`. If p is the truth this is a fair
game, so the chance that a stake of 1 EVER becomes 1/alpha is at most alpha (Ville, 1939). The rates
against which less than that was won are a confidence sequence: all looks together miss the truth
with a chance of at most alpha. Whether the next try goes to one stream or to another may depend on
all that was seen, but not on what is to come: the game stays fair.

Sources: H. Robbins, "Statistical methods related to the law of the iterated logarithm", Annals of
Mathematical Statistics 41 (1970); S. Howard, A. Ramdas, J. McAuliffe, J. Sekhon, "Time-uniform,
nonparametric, nonasymptotic confidence sequences", Annals of Statistics 49 (2021); M. Lindon, A.
Malek, "Anytime-valid inference for multinomial count data", NeurIPS 2022.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from regnant.evidence.counts import Proportion
from regnant.evidence.roots import bracket_root

_TOLERANCE = 1e-7
_STEP = 2.0


@dataclass(frozen=True, slots=True)
class Weights:
    """How the stake is spread over all rates: as a Beta(a, b) distribution.

    Whatever is chosen here, the guarantee holds; a good guess only makes verdicts come sooner.
    """

    a: float
    """Below 1, it puts much on rates near 0."""
    b: float
    """The larger, the less it puts on rates near 1."""

    def log_mixture(self, count: Proportion) -> float:
        """The log of the likelihood, averaged over all rates with these weights."""
        successes = count.total - count.failures
        return _log_beta(self.a + count.failures, self.b + successes) - _log_beta(self.a, self.b)


def log_likelihood(count: Proportion, rate: float) -> float:
    """The log of the chance of these failures, in this order, at this rate."""
    successes = count.total - count.failures
    return _times_log(count.failures, rate) + _times_log(successes, 1.0 - rate)


def log_sum(*terms: float) -> float:
    """log(exp(a) + exp(b) + ...), without leaving the range of floats."""
    largest = max(terms)
    return largest + math.log(sum(math.exp(term - largest) for term in terms))


@dataclass(frozen=True, slots=True)
class Pull:
    """A stream whose rate is moved up (+1) or down (-1), as far as the evidence lets it."""

    count: Proportion
    direction: int

    def rate(self, force: float) -> float:
        """The rate at which the log-likelihood resists with this slope: a root of a quadratic.

        Each case is written so that nothing cancels.
        """
        failures, total = self.count.failures, self.count.total
        successes = total - failures
        if self.direction < 0:
            root = math.sqrt((force - total) ** 2 + 4.0 * force * successes)
            return 2.0 * failures / (force + total + root)
        root = math.sqrt((force - total) ** 2 + 4.0 * force * failures)
        if force < total:
            return 2.0 * failures / (total - force + root)
        return (force - total + root) / (2.0 * force)

    @property
    def is_free(self) -> bool:
        """Whether nothing that was counted speaks against the very end of the range."""
        against = (
            self.count.total - self.count.failures if self.direction > 0 else self.count.failures
        )
        return against == 0

    @property
    def end(self) -> float:
        """The end of the range in this direction."""
        return 1.0 if self.direction > 0 else 0.0


def furthest(pulls: Sequence[Pull], floor: float) -> list[float]:
    """The rates, pulled as far as possible, whose log-likelihoods add up to no less than `floor`.

    It maximises the sum of direction * rate over a convex region. By Lagrange's condition the
    slopes of all log-likelihoods are equal there, so one force describes all rates, and one root
    finds it.
    """
    if all(pull.is_free for pull in pulls):
        return [pull.end for pull in pulls]

    best = sum(log_likelihood(pull.count, pull.count.estimate) for pull in pulls)
    allowed = best - floor

    def slack(log_force: float) -> float:
        """Falls almost in a straight line: the loss grows like a power of the force."""
        force = math.exp(log_force)
        loss = best - sum(log_likelihood(pull.count, pull.rate(force)) for pull in pulls)
        return math.log(allowed) - math.log(loss) if loss > 0.0 else math.inf

    low = math.log(allowed / len(pulls))  # no rate moves by more than 1, so less force loses less
    high = max(low, 0.5 * math.log(sum(pull.count.total for pull in pulls))) + _STEP
    while slack(high) > 0.0:
        low, high = high, high + _STEP
    _, log_force = bracket_root(slack, low, high, _TOLERANCE)
    return [pull.rate(math.exp(log_force)) for pull in pulls]


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _times_log(count: int, chance: float) -> float:
    """The product of both, where nothing happened of what cannot happen."""
    if not count:
        return 0.0
    return count * math.log(chance) if chance > 0.0 else -math.inf
