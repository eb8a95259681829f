"""What a rollout waits for, in words for people: the answer to "why does nothing happen?".

The words rest on what stands in the status, and on what is seen to last, so that they change only
when either does: the status is written whenever they do.
"""

from __future__ import annotations

from collections.abc import Mapping

from regnant.api.inference_service import InferenceServiceStatus
from regnant.api.model import MAX_TEXT, format_duration
from regnant.api.rollout import Rollout
from regnant.api.rollout_status import Stage, Transition
from regnant.lifecycle.serving_state import Observed, Phase

_ABSENT = "the champion, which has no ready server; until it has one, no request goes back to it"
_PAUSED = "a person: it is paused; `regnant resume`, or unset rollout.paused"


def waiting_for(observed: Observed, status: InferenceServiceStatus, phase: Phase) -> str:
    """What must be so before the next step is taken; empty when nothing is open."""
    transition = status.rollout
    if transition is None:
        return ""
    return _words(observed, status, transition, phase)[:MAX_TEXT]


def _words(
    observed: Observed, status: InferenceServiceStatus, transition: Transition, phase: Phase
) -> str:
    candidate = observed.server(transition.to)
    match phase:
        case Phase.VERIFYING if status.is_paused(observed.service.spec.rollout):
            return _PAUSED
        case Phase.PREPARING:
            return f"its servers to be ready: {candidate.ready} of {candidate.desired} are"
        case Phase.VERIFYING:
            return "its golden rows to be answered rightly through every router"
        case Phase.SHADOWING | Phase.SPLITTING:
            return _of_stage(observed, status, transition)
        case Phase.PROMOTING:
            return "every router to send it all the requests"
        case Phase.WATCHING:
            return _of_watch(observed, status)
        case _:
            return "every router to send it no requests any more"


def _of_stage(observed: Observed, status: InferenceServiceStatus, transition: Transition) -> str:
    spec, stage = observed.service.spec, transition.stage
    if stage and stage.step and transition.champion_down_at:
        return _ABSENT
    if stage is None or stage.evidence is None:
        return "every router to have this stage's weights"
    if status.is_paused(spec.rollout):
        return _PAUSED
    missing = [check.reading for check in transition.lacking(spec.rollout)]
    if not stage.evidence.checks:
        missing = ["the first requests to be counted"]
    if missing:
        unheard = _unheard(observed.silent)
        return "; ".join([*unheard, *missing, *_held(spec.rollout, stage)])
    if stage.needs_approval:
        return "a person: this step is manual; `regnant promote` goes on"
    is_last = transition.following(spec.rollout) is None
    if is_last and spec.pins_another(transition.to.version):
        return "the pin: spec.champion names another version; change or remove it to promote"
    return f"the least time of this stage, {format_duration(stage.asked.min_duration)}"


def _unheard(silent: Mapping[str, str]) -> list[str]:
    """That what is missing may be so because the operator does not reach who counts it."""
    if not silent:
        return []
    pod, why = next(iter(silent.items()))
    if len(silent) == 1:
        return [f"a pod that does not answer the operator ({pod}: {why})"]
    return [f"{len(silent)} pods that do not answer the operator ({pod}: {why}, and others)"]


def _held(rollout: Rollout, stage: Stage) -> list[str]:
    then = {"Hold": "it is held", "Promote": "it goes on", "Reject": "it is rejected"}
    most = format_duration(stage.asked.max_duration)
    return [f"after {most} without it, {then[rollout.on_inconclusive]}"]


def _of_watch(observed: Observed, status: InferenceServiceStatus) -> str:
    duration = format_duration(observed.service.spec.rollout.watch.duration)
    words = f"the end of the watch, {duration} after the promotion"
    if status.previous and not observed.server(status.previous).ready:
        words += "; it cannot return: the former version has no ready server"
    return words
