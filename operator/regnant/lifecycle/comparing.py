"""Shadowing and Splitting: champion and challenger answer the same world, and are compared.

In order of precedence: what endangers users, what people asked for, what the evidence shows. A
stage counts from the moment that every router was seen to have it; it ends when its minimum of
requests and time is reached, and the last one before the promotion only with every check passed.
Who fails, or is not asked for any more, goes; but not while nobody else can answer its users.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import assert_never

from regnant.api.inference_service import InferenceServiceStatus
from regnant.api.model import MAX_TEXT
from regnant.api.rollout_status import Evidence, Return, Stage, Transition
from regnant.lifecycle import danger, serving_report, weighing
from regnant.lifecycle.diagnosis import Fault
from regnant.lifecycle.eligibility import target
from regnant.lifecycle.endings import Step, turn_back
from regnant.lifecycle.serving_state import Observed

BLIP = timedelta(seconds=5)
"""How long a champion without a ready server is waited for; a kubelet starts anew in less."""


def next_stage(observed: Observed, transition: Transition, now: datetime) -> Step:
    """Open the stage after the current one, or decide the promotion if there is none."""
    service = observed.service
    asked = transition.following(service.spec.rollout)
    if asked is None or service.status.champion is None or service.spec.chooses(transition):
        promoting = transition.model_copy(update={"promoting_at": now})
        return Step(service.status.model_copy(update={"rollout": promoting}))
    opened = transition.model_copy(update={"stage": Stage.of(asked, now)})
    status = service.status.model_copy(update={"rollout": opened})
    return Step(status, (serving_report.stage_opened(service, opened),))


def compare(observed: Observed, transition: Transition, stage: Stage, now: datetime) -> Step:
    """Take the step that the evidence allows."""
    seen = _with_champion(observed, _weighed(observed, transition, stage, now), now)
    alone = stage.step is not None and observed.only_answers(seen.to)
    if decided := danger_of(observed, seen, now):
        return _leave(observed, seen, decided, now, alone=alone)
    chosen = observed.service.spec.pins(seen.to.version)
    if (chosen or _champion_is_sick(observed, seen, now)) and _is_whole(observed, seen):
        return _promote(observed, seen, now)
    if withdrawn := _withdrawn(observed, seen, now):
        return _leave(observed, seen, withdrawn, now, alone=alone)
    if stage.evidence is None:
        return _confirm(observed, seen, stage, now) if observed.routed() else _keep(observed, seen)
    if observed.paused:
        return _keep(observed, seen)
    return _conclude(observed, seen, now)


def danger_of(observed: Observed, transition: Transition, now: datetime) -> Return | None:
    """What users must be kept from; it wins over everything that people or the evidence want.

    That servers are not ready is held against a candidate only while the champion's are: what both
    suffer, such as a node that starts anew, says nothing about either.
    """
    health = observed.server(transition.to)
    if observed.is_down(transition.to) and not observed.is_down(observed.service.status.champion):
        fault: Fault | None = danger.unable(health, "ServersNotReady")
    else:
        fault = danger.worse(transition.stage.evidence if transition.stage else None)
    return _return("Rejected", fault.reason, fault.message, now) if fault else None


def _weighed(observed: Observed, transition: Transition, stage: Stage, now: datetime) -> Transition:
    """The transition with what was counted by now."""
    before, rollout = stage.evidence, observed.service.spec.rollout
    if before is None:
        return transition
    tally = before.tally + observed.tally
    checks = weighing.weigh(tally, before.marks, rollout, stage)
    return _with_evidence(transition, weighing.note(before, tally, checks, now))


def _conclude(observed: Observed, transition: Transition, now: datetime) -> Step:
    """What the evidence of the stage leads to."""
    stage, lacking = _stage(transition), transition.lacking(observed.service.spec.rollout)
    lasted = not stage.missing_time(now) and _is_whole(observed, transition)
    if lasted and not lacking:
        return _go_on(observed, transition, now)
    if stage.is_overdue(now):
        return _inconclusive(observed, transition, now)
    return _keep(observed, transition)


def _go_on(observed: Observed, transition: Transition, now: datetime) -> Step:
    """End a stage well, unless a person or a pin has the last word on it."""
    if _stage(transition).needs_approval:
        return _keep(observed, transition)
    if transition.following(observed.service.spec.rollout):
        return next_stage(observed, transition, now)
    if observed.service.spec.pins_another(transition.to.version):
        return _keep(observed, transition)
    return _promote(observed, transition, now)


def _promote(observed: Observed, transition: Transition, now: datetime) -> Step:
    promoting = _noted_now(transition, now).model_copy(update={"promoting_at": now})
    return Step(observed.service.status.model_copy(update={"rollout": promoting}))


def _confirm(observed: Observed, transition: Transition, stage: Stage, now: datetime) -> Step:
    """Every router was seen to have the stage: its counting and its time begin."""
    begun = stage.model_copy(update={"evidence": Evidence(since=now, at=now)})
    return _keep(observed, transition.model_copy(update={"stage": begun}))


def _inconclusive(observed: Observed, transition: Transition, now: datetime) -> Step:
    """The time is over and the evidence does not suffice: the user said what to do then."""
    rollout = observed.service.spec.rollout
    match rollout.on_inconclusive:
        case "Hold":
            return _keep(observed, transition)
        case "Promote":
            return _go_on(observed, transition, now)
        case "Reject":
            readings = [check.reading for check in transition.lacking(rollout)]
            words = "; ".join(readings) or "not all of its servers are ready"
            decided = _return("Rejected", "Inconclusive", f"by its deadline: {words}", now)
            return turn_back(observed, _noted_now(transition, now), decided)
        case _ as unreachable:
            assert_never(unreachable)


def _with_champion(observed: Observed, transition: Transition, now: datetime) -> Transition:
    """The transition with since when the champion is down, if it is."""
    down = observed.is_down(observed.service.status.champion)
    since = (transition.champion_down_at or now) if down else None
    return transition.model_copy(update={"champion_down_at": since})


def _is_whole(observed: Observed, transition: Transition) -> bool:
    """Whether all of the candidate's servers are ready."""
    return observed.server(transition.to).complete


def _champion_is_sick(observed: Observed, transition: Transition, now: datetime) -> bool:
    """Whether the champion fails where the verified challenger does not."""
    if observed.service.spec.pins_another(transition.to.version):
        return False
    down_at = transition.champion_down_at
    if down_at and now - down_at >= BLIP:
        return True
    evidence = transition.stage.evidence if transition.stage else None
    return evidence is not None and weighing.champion_is_worse(
        evidence.tally, observed.service.spec.rollout
    )


def _withdrawn(observed: Observed, transition: Transition, now: datetime) -> Return | None:
    """Why the candidate is not asked for any more."""
    if observed.candidate(transition.to.digest) is None:
        return _return("Withdrawn", "ModelVersionDeleted", "its ModelVersion was deleted", now)
    spec = observed.service.spec
    if spec.champion and spec.challenger is None and spec.pins_another(transition.to.version):
        return _return("Withdrawn", "Repinned", f"version {spec.champion.version} was pinned", now)
    wanted = target(observed)
    if wanted is None or wanted.artifact.digest == transition.to.digest:
        return None
    if spec.pins(wanted.version) or spec.challenger:
        return _return("Withdrawn", "Repinned", f"version {wanted.version} was pinned", now)
    if spec.rollout.on_new_version == "Supersede":
        message = f"version {wanted.version} takes its place, as rollout.onNewVersion says"
        return _return("Superseded", "Superseded", message, now)
    return None


def _leave(
    observed: Observed, transition: Transition, back: Return, now: datetime, *, alone: bool
) -> Step:
    """Take the traffic back, unless nobody is left to take it."""
    if alone:
        return _keep(observed, transition)
    return turn_back(observed, _noted_now(transition, now), back)


def _keep(observed: Observed, transition: Transition) -> Step:
    """Stay; counts are written down when that is due."""
    return Step(_status(observed, transition))


def _status(observed: Observed, transition: Transition) -> InferenceServiceStatus:
    before = observed.service.status.rollout
    stage, old = transition.stage, before.stage if before else None
    if stage and stage.evidence:
        written = weighing.due(old.evidence if old else None, stage.evidence)
        transition = _with_evidence(transition, written)
    return observed.service.status.model_copy(update={"rollout": transition})


def _stage(transition: Transition) -> Stage:
    """The stage, without which nothing is compared."""
    assert transition.stage is not None  # noqa: S101 - as said
    return transition.stage


def _with_evidence(transition: Transition, evidence: Evidence) -> Transition:
    stage = _stage(transition).model_copy(update={"evidence": evidence})
    return transition.model_copy(update={"stage": stage})


def _noted_now(transition: Transition, now: datetime) -> Transition:
    evidence = transition.stage.evidence if transition.stage else None
    if evidence is None:
        return transition
    return _with_evidence(transition, evidence.model_copy(update={"at": now}))


def _return(outcome: str, reason: str, message: str, now: datetime) -> Return:
    return Return.model_validate(
        {"outcome": outcome, "reason": reason, "message": message[:MAX_TEXT], "decided_at": now}
    )
