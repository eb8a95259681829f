"""Who answers now, and why it does."""

from __future__ import annotations

from regnant.api.rollout_status import Reign
from regnant.cli import wording
from regnant.cli.standing import Standing
from regnant.cli.wording import sentence, with_names

_WHOLE = 100


def reign(seen: Standing) -> tuple[str, ...]:
    """The paragraphs."""
    status = seen.service.status
    if not status.phase:
        return (_never_seen(seen),)
    paragraphs = [_answers(seen)]
    if status.champion:
        paragraphs.append(_why(seen))
    if seen.outdated:
        paragraphs.append(
            "The spec was changed since, and the operator has not looked at the change yet. If "
            "this lasts for more than a few seconds, the operator is not running."
        )
    return tuple(paragraph for paragraph in paragraphs if paragraph)


def _never_seen(seen: Standing) -> str:
    return (
        f"Nobody answers yet: the operator has not looked at {seen.service.name}. It does within a "
        "second or so. If this lasts, the operator is not running, or does not watch the namespace "
        f"{seen.service.namespace}: `kubectl get pods -A -l app.kubernetes.io/name=regnant` shows "
        "whether it runs."
    )


def _answers(seen: Standing) -> str:
    status = seen.service.status
    if status.champion is None:
        return _nobody(seen)
    if not seen.available:
        return _broken(seen)
    shares = {share.version: share.percent for share in status.traffic if share.percent}
    given = shares.get(status.rollout.to.version, 0) if status.rollout else 0
    if status.rollout and 0 < given < _WHOLE:
        return (
            f"{seen.champion}, the champion, answers {_WHOLE - given} of 100 requests; "
            f"{seen.candidate}, the candidate, answers the other {given}. Where {seen.candidate} "
            f"fails at a request, {seen.champion} answers it instead, so users do not notice."
        )
    return f"{seen.champion} answers all requests."


def _nobody(seen: Standing) -> str:
    ready = seen.service.status.condition("Ready")
    if seen.candidate:
        return (
            f"Nobody answers yet. {seen.candidate} is to be the first version, and no version "
            "meets users before it is verified."
        )
    why = f" {sentence(ready.message)}" if ready and ready.message else ""
    return f"Nobody answers yet, so requests fail.{why}"


def _broken(seen: Standing) -> str:
    available = seen.service.status.condition("Available")
    ready = seen.service.status.condition("Ready")
    if available is None:
        return f"{seen.champion} is the champion; whether users are answered is not known yet."
    why = ready.message if ready and ready.message else available.message
    return (
        f"Users get no answers right now, although {seen.champion} is the champion. {sentence(why)}"
    )


def _why(seen: Standing) -> str:
    """Why the champion is the champion."""
    status = seen.service.status
    current = next((one for one in status.history if one.until is None), None)
    if current is None or status.champion is None or current.version != status.champion.version:
        since = (
            f" since {wording.since(status.champion.since, seen.now)}" if status.champion else ""
        )
        return f"{seen.champion} has been the champion{since}; how it came to that is not recorded."
    former = _former(seen, current)
    words = {
        "FirstVersion": "It was the first version, and answered all its golden rows rightly.",
        "Promoted": f"It was compared with {former}, and proved itself.",
        "PromotedByHand": f"It was verified, and a person promoted it over {former}.",
        "Pinned": "A person chose it: spec.champion pins it, so it took over once it was verified.",
        "RolledBack": f"The traffic was taken back from {former}, and returned to it.",
        "ReturnedByHand": f"A person went back to it from {former}.",
    }.get(current.reason, "")
    parts = [
        f"{seen.champion} has been the champion since {wording.since(current.since, seen.now)}.",
        words or sentence(current.message),
    ]
    if current.reason == "RolledBack":
        parts.append(f"The reason: {current.message.rstrip('.')}.")
    if current.reason == "Promoted" and current.evidence:
        readings = "; ".join(current.evidence).rstrip(".")
        named = with_names(readings, challenger=seen.champion, champion=former)
        parts.append(f"What was seen then: {named}.")
    return " ".join(part for part in parts if part)


def _former(seen: Standing, current: Reign) -> str:
    """Who answered before, as far as it is recorded."""
    older = [one for one in seen.service.status.history if one.since < current.since]
    if not older:
        return "the version before it"
    return seen.service.version(max(older, key=lambda one: one.since).version)
