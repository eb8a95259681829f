"""What was counted, and what follows from it: statistics that may be looked at at any time.

Every test here is a function of cumulative counts and of nothing else: no clock, no state, no
randomness. So a verdict survives restarts, can be retraced from what stands in a status, and may be
asked for every second: the chance of ever being wrong stays below `alpha`, however often and
however long one looks, and whatever share of the requests each side gets. What a verdict leads to
is decided in `lifecycle`; nothing here knows of rollouts.

    outcome.py       Verdict and Outcome: what every test answers
    counts.py        Proportion and Histogram: what every test is given
    rates.py         a proportion against a limit; the error rates of champion and challenger
    latency.py       quantiles of two histograms
    correctness.py   who was right on pairs whose truth is known
    likelihood.py    the mixtures of likelihoods that the first three stand on
    betting.py       the bets that the last one stands on
    roots.py         where a falling function crosses a level

docs/evidence.md explains all of it without assuming a degree in statistics.
"""

from regnant.evidence.correctness import paired_correctness
from regnant.evidence.counts import Histogram, Proportion
from regnant.evidence.latency import compare_latency
from regnant.evidence.outcome import Outcome, Verdict
from regnant.evidence.rates import agreement, compare_errors, exceeds

__all__ = [
    "Histogram",
    "Outcome",
    "Proportion",
    "Verdict",
    "agreement",
    "compare_errors",
    "compare_latency",
    "exceeds",
    "paired_correctness",
]
