"""What the counts of a rollout prove: one check a question, all of them always valid.

`evidence` has the statistics; here is which of them is asked, against which of the user's limits,
and how the accepted chance of error is shared. It is divided evenly among all questions of all
stages of a rollout, so that `limits.alpha` bounds a wrong decision of the rollout as a whole.

Errors are asked about twice: over all of a stage, and over what came since a mark of lately. A
version that did well for a day would otherwise have to fail for minutes before the whole says so. A
mark is set every quarter of a minute, and each has a chance of error of its own; together they have
a fifth of that of the check, however many there are. Only a Fail is taken from them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

from regnant.api.latency import BUCKETS, FIRST_MICROSECONDS, GROWTH
from regnant.api.rollout import Limits, Rollout, Shadow
from regnant.api.rollout_status import (
    MAX_MARKS,
    Check,
    Counts,
    Evidence,
    Mark,
    Stage,
    Tally,
    Tried,
)
from regnant.evidence import (
    Histogram,
    Outcome,
    Proportion,
    Verdict,
    agreement,
    compare_errors,
    compare_latency,
    exceeds,
)

NOTE_EVERY = timedelta(seconds=5)
"""How often counts are written down while nothing follows from them; a crash loses no more."""
MARK_EVERY = timedelta(seconds=15)
"""How old the younger mark gets; the older one is up to twice that."""
_LATELY = 0.2
"""The part of a check's chance of error that all marks share."""
_QUESTIONS = 4
"""Errors, latency, non-finite answers, agreement."""

Name = Literal["Requests", "Errors", "Latency", "Agreement", "NonFinite"]


def alpha_of_one_check(rollout: Rollout) -> float:
    """The chance of error that each check of each stage is allowed."""
    stages = len(rollout.steps) + (1 if rollout.shadow else 0) + 1
    return float(rollout.limits.alpha) / (stages * _QUESTIONS)


def weigh(tally: Tally, marks: Iterable[Mark], rollout: Rollout, stage: Stage) -> list[Check]:
    """The checks of one stage; the champion and the challenger are compared as they stand.

    A number that is none is tried at the champion, and so a failure too: what says more is first.
    """
    limits, alpha = rollout.limits, alpha_of_one_check(rollout)
    checks = [_requests(tally.challenger.tries, stage.asked.min_requests)]
    if tally.champion.non_finite or tally.challenger.non_finite:
        checks.append(_non_finite(tally, limits, alpha))
    checks.append(_errors(tally, marks, limits, alpha))
    if limits.max_latency_ratio:
        checks.append(_latency(tally, limits, alpha))
    asked = stage.shadow is not None and stage.shadow.min_agreement is not None
    if tally.pairs.total or asked:
        checks.append(_agreement(tally, stage.shadow, alpha))
    return checks


def weigh_watch(
    watched: Counts, marks: Iterable[Mark], former: Counts, rollout: Rollout
) -> list[Check]:
    """The checks on a version that reigns, against what the former champion was seen to do.

    A takeover without stages has seen nothing of it; then the margin alone is the limit.
    """
    margin, alpha = float(rollout.limits.error_rate_margin), alpha_of_one_check(rollout)
    seen, reference = Tried.of(watched), _failing(former)

    def since(mark: Mark, part: float) -> Outcome:
        return _beyond(reference, _proportion(seen - mark.challenger), margin, part)

    checks = []
    if watched.non_finite:
        outcome = _beyond(_meaningless(former), _meaningless(watched), margin, alpha)
        checks.append(_check("NonFinite", outcome))
    whole = _beyond(reference, _proportion(seen), margin, alpha * (1 - _LATELY))
    return [*checks, _check("Errors", _or_lately(whole, marks, alpha, since))]


def champion_is_worse(tally: Tally, rollout: Rollout) -> bool:
    """Whether the champion is shown to fail more often than the challenger, beyond the margin."""
    outcome = compare_errors(
        _failing(tally.challenger),
        _failing(tally.champion),
        margin=float(rollout.limits.error_rate_margin),
        alpha=alpha_of_one_check(rollout),
    )
    return outcome.verdict.value == "Fail"


def note(before: Evidence, tally: Tally, checks: Iterable[Check], now: datetime) -> Evidence:
    """The evidence as it stands now; its date moves only when it is due to be written down."""
    found = tuple(checks)
    verdicts = [(check.name, check.verdict) for check in found]
    known = [(check.name, check.verdict) for check in before.checks]
    due = verdicts != known or (now - before.at >= NOTE_EVERY and tally != before.tally)
    at, marks = (now, _marked(before, tally, now)) if due else (before.at, before.marks)
    return Evidence(since=before.since, at=at, tally=tally, checks=found, marks=marks)


def due(written: Evidence | None, seen: Evidence) -> Evidence:
    """What is to be written down: what stands there already, until the date moved.

    Nothing urges an earlier writing: what was counted meanwhile stays with the observer.
    """
    return written if written and written.at == seen.at else seen


def _marked(before: Evidence, tally: Tally, now: datetime) -> tuple[Mark, ...]:
    """The marks, with one for now if the last is old enough."""
    last = before.marks[-1] if before.marks else None
    if now - (last.at if last else before.since) < MARK_EVERY:
        return before.marks
    mark = Mark(
        number=last.number + 1 if last else 1,
        at=now,
        champion=Tried.of(tally.champion),
        challenger=Tried.of(tally.challenger),
    )
    return (*before.marks, mark)[-MAX_MARKS:]


def _or_lately(
    whole: Outcome, marks: Iterable[Mark], alpha: float, since: Callable[[Mark, float], Outcome]
) -> Outcome:
    """What all of the counts say, unless what came since a mark is beyond the limit by itself.

    The chances of error of the marks are 1/2, 1/6, 1/12 ... of what all of them share.
    """
    if whole.verdict is Verdict.FAIL:
        return whole
    for mark in marks:
        lately = since(mark, alpha * _LATELY / (mark.number * (mark.number + 1)))
        if lately.verdict is Verdict.FAIL:
            return replace(lately, reading=f"since {mark.at:%H:%M:%S} {lately.reading}")
    return whole


def _requests(seen: int, needed: int) -> Check:
    return Check(
        name="Requests",
        verdict="Pass" if seen >= needed else "Inconclusive",
        estimate=str(seen),
        limit=str(needed),
        counted=seen,
        reading=f"{seen:,} of at least {needed:,} requests",
    )


def _errors(tally: Tally, marks: Iterable[Mark], limits: Limits, alpha: float) -> Check:
    margin = float(limits.error_rate_margin)
    champion, challenger = Tried.of(tally.champion), Tried.of(tally.challenger)

    def since(mark: Mark, part: float) -> Outcome:
        return compare_errors(
            _proportion(champion - mark.champion),
            _proportion(challenger - mark.challenger),
            margin=margin,
            alpha=part,
        )

    whole = compare_errors(
        _proportion(champion), _proportion(challenger), margin=margin, alpha=alpha * (1 - _LATELY)
    )
    return _check("Errors", _or_lately(whole, marks, alpha, since))


def _latency(tally: Tally, limits: Limits, alpha: float) -> Check:
    """Slow beside the champion, and slow at all: both must be so to be held against it."""
    challenger = _histogram(tally.challenger)
    quantile = float(limits.latency_quantile)
    enough = _fast_enough(challenger, limits, alpha / 2)
    if enough.verdict is Verdict.PASS:
        return _check("Latency", enough)
    outcome = compare_latency(
        _histogram(tally.champion),
        challenger,
        quantile=quantile,
        max_ratio=float(limits.max_latency_ratio),
        alpha=alpha / 2,
    )
    return _check("Latency", outcome)


def _fast_enough(challenger: Histogram, limits: Limits, alpha: float) -> Outcome:
    """Whether the quantile is below what the user calls fast, whatever the champion's is."""
    fast = 1000.0 * limits.fast_enough_milliseconds
    edges = (FIRST_MICROSECONDS * GROWTH**bucket for bucket in range(BUCKETS - 1))
    slower = challenger.total - sum(
        count for edge, count in zip(edges, challenger.counts, strict=False) if edge <= fast
    )
    part = 1 - float(limits.latency_quantile)
    outcome = exceeds(slower, challenger.total, limit=part, alpha=alpha)
    reading = (
        f"{challenger.total - slower:,} of {challenger.total:,} answers of the challenger took at "
        f"most {limits.fast_enough_milliseconds} ms, which is fast enough"
    )
    return replace(outcome, reading=reading)


def _non_finite(tally: Tally, limits: Limits, alpha: float) -> Check:
    champion, challenger = _meaningless(tally.champion), _meaningless(tally.challenger)
    margin = float(limits.error_rate_margin)
    return _check("NonFinite", compare_errors(champion, challenger, margin=margin, alpha=alpha))


def _agreement(tally: Tally, shadow: Shadow | None, alpha: float) -> Check:
    pairs = tally.pairs
    minimum = shadow.min_agreement if shadow else None
    outcome = agreement(pairs.agreeing, pairs.total, minimum=float(minimum or 0), alpha=alpha)
    check = _check("Agreement", outcome)
    if minimum is not None:
        return check
    reading = f"{pairs.agreeing:,} of {pairs.total:,} answers agree with the champion's"
    return check.model_copy(update={"verdict": "Inconclusive", "limit": "", "reading": reading})


def _beyond(former: Proportion, watched: Proportion, margin: float, alpha: float) -> Outcome:
    """Whether what is watched is worse than what was there before, as far as that is known."""
    if former.total:
        return compare_errors(former, watched, margin=margin, alpha=alpha)
    return exceeds(watched.failures, watched.total, limit=margin, alpha=alpha)


def _meaningless(counts: Counts) -> Proportion:
    """The answers with NaN or infinity in them, of all that the servers gave."""
    return Proportion(counts.non_finite, max(sum(counts.latency), counts.non_finite))


def _failing(counts: Counts) -> Proportion:
    return _proportion(Tried.of(counts))


def _proportion(tried: Tried) -> Proportion:
    return Proportion(tried.failures, tried.tries)


def _histogram(counts: Counts) -> Histogram:
    filled = counts.latency + (0,) * (BUCKETS - len(counts.latency))
    return Histogram(first=float(FIRST_MICROSECONDS), growth=GROWTH, counts=filled)


def _check(name: Name, outcome: Outcome) -> Check:
    return Check(
        name=name,
        verdict=outcome.verdict.value,
        estimate=_number(outcome.estimate),
        low=_number(outcome.low),
        high=_number(outcome.high),
        limit=_number(outcome.limit),
        counted=outcome.counted,
        reading=outcome.reading[:300],
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
