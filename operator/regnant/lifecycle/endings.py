"""How a rollout is opened, and how it ends: turned down, turned back, left, or with a new reign.

Whatever had traffic loses it first, and every router is seen to have taken it away; only then is
the end written down. Nothing here decides that a rollout ends: `proving`, `comparing`, `takeover`
and `actions` do.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from regnant.api.inference_service import MAX_REJECTED, MAX_RETIRING, InferenceServiceStatus
from regnant.api.model import MAX_TEXT
from regnant.api.rollout_status import (
    MAX_HISTORY,
    Evidence,
    Reign,
    Rejection,
    Retiring,
    Return,
    Serving,
    Share,
    Transition,
)
from regnant.lifecycle import serving_report
from regnant.lifecycle.decision import Announcement
from regnant.lifecycle.diagnosis import Fault
from regnant.lifecycle.serving_state import Candidate, Observed
from regnant.manifests import names

_FAILED = {"Rejected", "RolledBack"}
_REMEMBERED = {"Rejected", "RolledBack", "Aborted"}


@dataclass(frozen=True, slots=True)
class Step:
    """The status after one transition, and what is announced of it."""

    status: InferenceServiceStatus
    announce: tuple[Announcement, ...] = ()


@dataclass(frozen=True, slots=True)
class Accession:
    """How a version comes to reign."""

    champion: Serving
    reason: str
    message: str


def begin(
    status: InferenceServiceStatus, candidate: Candidate, now: datetime, *, by_hand: bool = False
) -> InferenceServiceStatus:
    """The status with a rollout of that version open."""
    artifact = candidate.artifact
    transition = Transition(
        id=f"{candidate.version}-{names.short(artifact.digest)[:8]}-{int(now.timestamp())}",
        to=Serving(version=candidate.version, artifact=artifact, since=now),
        started_at=now,
        by_hand=by_hand,
    )
    others = tuple(one for one in status.retiring if one.artifact.digest != artifact.digest)
    return status.model_copy(update={"rollout": transition, "retiring": others})


def turn_back(observed: Observed, transition: Transition, decided: Return) -> Step:
    """Decide to take the traffic back; it is done once every router is seen to have it so."""
    status = observed.service.status
    turned = transition.model_copy(update={"rollback": decided})
    return Step(status.model_copy(update={"rollout": turned}))


def returned(observed: Observed, transition: Transition, back: Return, now: datetime) -> Step:
    """Every router has the former version back: the candidate is retired."""
    status = observed.service.status
    back = _with_cause(observed, transition, back)
    reigning = status.champion
    update: dict[str, object] = {
        "rollout": None,
        "retiring": retiring(status, transition.to, now),
    }
    if transition.promoted_at and status.previous:
        reigning = status.previous.model_copy(update={"since": now})
        how = Accession(reigning, "RolledBack", back.message)
        update |= {
            "champion": reigning,
            "previous": None,
            "history": reigned(status, transition, how, now),
        }
    if reigning:
        update["traffic"] = all_to(reigning)
    if back.outcome in _REMEMBERED:
        update["rejected"] = _with_rejection(observed, transition, back.reason, back.message, now)
    announcement = serving_report.returned(observed.service, transition.to.version, reigning, back)
    return Step(status.model_copy(update=update), (announcement,))


def reject(observed: Observed, transition: Transition, fault: Fault, now: datetime) -> Step:
    """Turn a candidate down before any router knew it as more than a name."""
    status = observed.service.status
    message = fault.message[:MAX_TEXT]
    update = {
        "rollout": None,
        "retiring": retiring(status, transition.to, now),
        "rejected": _with_rejection(observed, transition, fault.reason, message, now),
    }
    announcement = serving_report.rejected(observed.service, transition.to.version, fault)
    return Step(status.model_copy(update=update), (announcement,))


def leave(observed: Observed, transition: Transition, now: datetime) -> Step:
    """Leave a candidate that nobody asks for any more; it is not rejected."""
    status = observed.service.status
    left = {"rollout": None, "retiring": retiring(status, transition.to, now)}
    announcement = serving_report.abandoned(observed.service, transition.to.version)
    return Step(status.model_copy(update=left), (announcement,))


def reigned(
    status: InferenceServiceStatus, transition: Transition, how: Accession, now: datetime
) -> tuple[Reign, ...]:
    """The history with a new reign in front; the one before it ends now."""
    reign = Reign(
        version=how.champion.version,
        digest=how.champion.digest,
        since=now,
        reason=how.reason,
        message=how.message[:MAX_TEXT],
        transition=transition.id,
        evidence=_readings(transition.watch or _compared(transition)),
    )
    ended = tuple(
        one.model_copy(update={"until": now}) if one.until is None else one
        for one in status.history
    )
    return (reign, *ended)[:MAX_HISTORY]


def all_to(reigning: Serving) -> tuple[Share, ...]:
    """The shares when every router was seen to send everything to one version."""
    return (Share(version=reigning.version, digest=reigning.digest, percent=100),)


def retiring(
    status: InferenceServiceStatus, leaving: Serving | None, now: datetime
) -> tuple[Retiring, ...]:
    """The versions whose servers go, with one more."""
    if leaving is None:
        return status.retiring
    entry = Retiring(version=leaving.version, artifact=leaving.artifact, since=now)
    return (*status.retiring, entry)[-MAX_RETIRING:]


def _with_rejection(
    observed: Observed, transition: Transition, reason: str, message: str, now: datetime
) -> tuple[Rejection, ...]:
    rejection = Rejection(
        version=transition.to.version,
        digest=transition.to.digest,
        reason=reason,
        message=message,
        at=now,
        retry_token=observed.service.spec.rollout.retry_token,
        evidence=_readings(transition.watch or _compared(transition)),
    )
    before = observed.service.status.rejected
    others = tuple(one for one in before if one.digest != rejection.digest)
    return (rejection, *others)[:MAX_REJECTED]


def _with_cause(observed: Observed, transition: Transition, back: Return) -> Return:
    """What the pods say by now, behind what was seen of their answers: it has the remedy."""
    fault = observed.server(transition.to).fault
    if fault is None or fault.message in back.message or back.outcome not in _FAILED:
        return back
    message = f"{back.message}; {fault.message}"[:MAX_TEXT]
    return back.model_copy(update={"message": message})


def _compared(transition: Transition) -> Evidence | None:
    return transition.stage.evidence if transition.stage else None


def _readings(evidence: Evidence | None) -> tuple[str, ...]:
    return tuple(check.reading for check in evidence.checks) if evidence else ()
