"""Why other versions do not serve: the newest one first, then those that were turned down."""

from __future__ import annotations

from regnant.api.rollout_status import Rejection
from regnant.cli import wording
from regnant.cli.standing import Standing
from regnant.cli.wording import sentence, with_names

_SHOWN = 3

_MEANING = {
    "ErrorRateTooHigh": "It failed at more requests than it may.",
    "LatencyTooHigh": "It answered too slowly.",
    "DisagreesWithChampion": "It answered too differently from the champion.",
    "NonFiniteAnswers": "It answered with NaN or infinity.",
    "ServersNotReady": "Its servers stopped being ready.",
    "ChampionUnhealthy": "Its servers stopped being ready after it had taken over.",
    "GoldenMismatch": "It did not give the answers that were recorded when it was trained.",
    "VerificationFailed": "Asked through the routers, it did not give its recorded answers.",
    "InterfaceChanged": "It takes or gives other columns than the champion, so today's requests "
    "would fail.",
    "ProgressDeadlineExceeded": "It did not become ready in time.",
    "Inconclusive": "The evidence did not suffice in the time it had, and "
    "spec.rollout.onInconclusive is Reject.",
    "Crashed": "Its servers crashed.",
    "OutOfMemory": "Its servers used more memory than they may.",
    "ImagePullFailed": "The image of its servers could not be fetched.",
    "Unschedulable": "No node had room for its servers.",
    "ModelLoadFailed": "The model file could not be loaded.",
    "DigestMismatch": "The bytes in the store are not those that it names.",
    "BundleNotFound": "The store does not have its bundle.",
}
"""What a reason means; the rejection's own message has the particulars."""


def turned_down(seen: Standing) -> tuple[str, ...]:
    """The paragraphs; none where the newest version serves and nothing was turned down lately."""
    paragraphs = [_newest(seen), _floor(seen)]
    paragraphs += [_rejected(seen, one) for one in _relevant(seen)[:_SHOWN]]
    more = len(_relevant(seen)) - _SHOWN
    if more > 0:
        paragraphs.append(f"{wording.count(more, 'older one was', 'older ones were')} turned down.")
    return tuple(paragraph for paragraph in paragraphs if paragraph)


def _relevant(seen: Standing) -> tuple[Rejection, ...]:
    """Rejections of versions that would serve otherwise: those newer than the champion."""
    champion = seen.service.status.champion
    least = champion.version if champion else 0
    return tuple(one for one in seen.service.status.rejected if one.version > least)


def _newest(seen: Standing) -> str:
    """What the operator says of the version that should answer."""
    status = seen.service.status
    condition = status.condition("UpToDate")
    if condition is None:
        return ""
    if status.rollout:
        return ""
    if condition.reason == "NextUp":
        return f"{sentence(condition.message)} That begins within seconds."
    if condition.reason == "HeldBack" and _floor(seen):
        return ""
    if condition.reason == "SameBundle":
        return f"{sentence(condition.message)} There is nothing to compare."
    known = any(one.reason == condition.reason for one in status.rejected)
    if condition.status == "True" or known:
        return ""
    return sentence(condition.message)


def _floor(seen: Standing) -> str:
    status = seen.service.status
    if not status.floor or (status.champion and status.champion.version >= status.floor):
        return ""
    return (
        f"Versions up to {seen.service.version(status.floor)} do not challenge {seen.champion} by "
        "themselves, because a person went back behind them. A newer version does, and so does one "
        "that is retried or pinned."
    )


def _rejected(seen: Standing, one: Rejection) -> str:
    name = seen.service.version(one.version)
    meaning = _MEANING.get(one.reason, "")
    readings = with_names("; ".join(one.evidence).rstrip("."), challenger=name)
    evidence = f" What was seen: {readings}." if readings else ""
    # Often the message is one of the readings already.
    detail = (
        ""
        if one.message in one.evidence
        else f" {sentence(with_names(one.message, challenger=name))}"
    )
    lifted = (
        " Its rejection is lifted, because spec.rollout.retryToken was changed since."
        if not one.holds(seen.service.spec.rollout)
        else ""
    )
    return (
        f"{name} was turned down at {wording.since(one.at, seen.now)} ({one.reason}). {meaning}"
        f"{detail}{evidence}{lifted}"
    ).replace("  ", " ")
