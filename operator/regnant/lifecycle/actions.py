"""What people ask for at once, by the annotation of `regnant.api.actions`.

Every action is answered once, in `status.lastAction`: done, or refused with the reason. It is bound
to the transition that the person saw, so a late click cannot promote something else. Safety comes
before people: nobody promotes a candidate that is failing right now.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import assert_never

from regnant.api.actions import Action, ActionResult, requested
from regnant.api.inference_service import InferenceServiceStatus
from regnant.api.model import MAX_TEXT
from regnant.api.rollout_status import Return, Transition
from regnant.lifecycle import comparing, serving_report
from regnant.lifecycle.eligibility import rejected_digests
from regnant.lifecycle.endings import Step, begin, turn_back
from regnant.lifecycle.serving_state import Observed, Phase, phase
from regnant.manifests import names

_BEFORE_VERIFIED = {Phase.PREPARING, Phase.VERIFYING}
_COMPARING = {Phase.SHADOWING, Phase.SPLITTING}
_ANSWERS_USERS = {Phase.SPLITTING, Phase.PROMOTING}
"""The candidate answers some of them, or is about to answer all."""


class _RefusedError(Exception):
    """Why an action is not done."""


def answer(observed: Observed, now: datetime) -> Step | None:
    """Carry out the action that is asked for; None where there is none that was not answered."""
    status = observed.service.status
    action = requested(observed.service.metadata.annotations)
    if action is None or (status.last_action and status.last_action.id == action.id):
        return None
    try:
        step, words = _carry_out(observed, action, now)
    except _RefusedError as refused:
        step, words, outcome = Step(status), str(refused), "Refused"
    else:
        outcome = "Done"
    result = ActionResult.model_validate(
        {
            "id": action.id,
            "action": action.action,
            "outcome": outcome,
            "message": words[:MAX_TEXT],
            "by": action.by,
            "at": now,
        }
    )
    answered = step.status.model_copy(update={"last_action": result})
    announced = serving_report.acted(result)
    return Step(answered, (*step.announce, announced))


def _carry_out(observed: Observed, action: Action, now: datetime) -> tuple[Step, str]:
    match action.action:
        case "promote" | "promoteFull":
            return _promote(observed, action, now)
        case "abort":
            return _abort(observed, action, now)
        case "pause" | "resume":
            return _pause(observed, action)
        case "retry":
            return _retry(observed, action)
        case "rollback":
            return _roll_back(observed, action, now)
        case "unreadable":
            raise _RefusedError(
                "the annotation regnant.dev/action cannot be read; write it by `kubectl regnant`"
            )
        case _ as unreachable:
            assert_never(unreachable)


def _promote(observed: Observed, action: Action, now: datetime) -> tuple[Step, str]:
    transition, current = _open(observed, action)
    if current in _BEFORE_VERIFIED:
        raise _RefusedError("the candidate is not verified yet; nothing unverified meets users")
    if current not in _COMPARING:
        raise _RefusedError(f"the rollout is {current}; there is nothing left to promote")
    if danger := comparing.danger_of(observed, transition, now):
        raise _RefusedError(f"the candidate is failing: {danger.message}")
    if not observed.server(transition.to).complete:
        raise _RefusedError("not all of the candidate's servers are ready")
    spec = observed.service.spec
    if action.action == "promote" and transition.following(spec.rollout):
        step = comparing.next_stage(observed, transition, now)
        return step, "the next stage begins"
    if spec.pins_another(transition.to.version):
        raise _RefusedError(
            "spec.champion pins another version; change or remove the pin to promote this one"
        )
    promoting = transition.model_copy(update={"promoting_at": now, "promoted_by_hand": True})
    return Step(_with(observed.service.status, promoting)), "it gets all the traffic"


def _abort(observed: Observed, action: Action, now: datetime) -> tuple[Step, str]:
    transition, current = _open(observed, action)
    if current is Phase.ROLLING_BACK:
        raise _RefusedError("its traffic is being taken back already")
    if nowhere := _nowhere_to_return(observed, transition, current):
        raise _RefusedError(nowhere)
    by = f" by {action.by}" if action.by else ""
    decided = Return(
        outcome="Aborted", reason="Aborted", message=f"a person aborted it{by}", decided_at=now
    )
    return turn_back(observed, transition, decided), "its traffic is taken back"


def _nowhere_to_return(observed: Observed, transition: Transition, current: Phase) -> str:
    """Why the traffic is not taken back: who would get it cannot answer; empty where it can.

    Before the first step of weight the candidate answers nobody and stands in for nobody, so that
    an abort takes no answer from users, however the champion is. Nor does it where both are down.
    """
    status, spec = observed.service.status, observed.service.spec
    if current is Phase.WATCHING:
        ready = observed.server(status.previous).ready
        return "" if ready else "the former version has no ready server to return to"
    if current not in _ANSWERS_USERS or not observed.only_answers(transition.to):
        return ""
    gone = "the champion has no ready server to return to, and the candidate has"
    if current is Phase.PROMOTING:
        return f"{gone}; wait for the champion, or let the candidate take over"
    if spec.pins_another(transition.to.version):
        return f"{gone}; wait for the champion, or pin the candidate by spec.champion"
    return f"{gone}; wait for the champion, or `regnant promote --full` the candidate"


def _pause(observed: Observed, action: Action) -> tuple[Step, str]:
    transition, _ = _open(observed, action)
    wanted = action.action == "pause"
    if not wanted and observed.service.spec.rollout.paused:
        raise _RefusedError("spec.rollout.paused is set; unset it there")
    if transition.paused == wanted:
        raise _RefusedError("it is paused already" if wanted else "it is not paused")
    paused = transition.model_copy(update={"paused": wanted})
    words = "it stays where it is" if wanted else "it goes on"
    return Step(_with(observed.service.status, paused)), words


def _retry(observed: Observed, action: Action) -> tuple[Step, str]:
    status, version = observed.service.status, _version(action)
    found = next((one for one in observed.versions if one.version == version), None)
    if found is None:
        raise _RefusedError(f"there is no ModelVersion {_name(observed, version)}")
    digest, name = found.artifact.digest, _name(observed, version)
    is_behind = status.champion is not None and version <= status.champion.version
    held_back = status.holds_back(version) and not is_behind
    if not held_back and digest not in rejected_digests(observed):
        raise _RefusedError(f"{name} is not rejected, and nobody went back behind it")
    if is_behind and not _is_pinned(observed, version):
        raise _RefusedError(
            f"{name} is older than the champion; `regnant rollback --to {version}` returns to it"
        )
    rejected = tuple(one for one in status.rejected if one.digest != digest)
    retried = version if held_back else status.retried
    update = {"rejected": rejected, "retried": retried}
    return Step(status.model_copy(update=update)), f"{name} may try again"


def _roll_back(observed: Observed, action: Action, now: datetime) -> tuple[Step, str]:
    status = observed.service.status
    if status.rollout:
        return _roll_back_in_watch(observed, action, now)
    if observed.service.spec.champion:
        raise _RefusedError("spec.champion pins the version that answers; change the pin instead")
    version = action.version or status.former
    if version is None:
        raise _RefusedError("there is no former version; name one: `regnant rollback --to N`")
    found = next((one for one in observed.versions if one.version == version), None)
    if found is None:
        raise _RefusedError(f"there is no ModelVersion {_name(observed, version)}")
    if status.champion and status.champion.digest == found.artifact.digest:
        raise _RefusedError(f"{_name(observed, version)} answers already")
    lifted = tuple(one for one in status.rejected if one.digest != found.artifact.digest)
    begun = begin(status, found, now, by_hand=True)
    update = {"rejected": lifted, **_held_back(observed)}
    words = f"{_name(observed, version)} is started, verified, and then answers"
    return Step(begun.model_copy(update=update)), words


def _roll_back_in_watch(observed: Observed, action: Action, now: datetime) -> tuple[Step, str]:
    """The former version is still warm: the traffic returns at once."""
    status = observed.service.status
    transition, current = _open(observed, action)
    previous = status.previous
    if current is not Phase.WATCHING or previous is None:
        raise _RefusedError(
            f"the rollout is {current}; `regnant abort` ends it, and the champion stays"
        )
    if action.version not in (None, previous.version):
        raise _RefusedError(
            f"only {_name(observed, previous.version)} is ready to return to at once; "
            "wait for the end of the watch for any other"
        )
    if not observed.server(previous).ready:
        raise _RefusedError("the former version has no ready server to return to")
    by = f" by {action.by}" if action.by else ""
    decided = Return(reason="RolledBackByHand", message=f"a person went back{by}", decided_at=now)
    step = turn_back(observed, transition, decided)
    words = f"the traffic returns to {_name(observed, previous.version)}"
    return replace(step, status=step.status.model_copy(update=_held_back(observed))), words


def _held_back(observed: Observed) -> dict[str, object]:
    """No version that is known by now is tried by itself: a person went back behind them all."""
    newest = max((one.version for one in observed.versions), default=0)
    return {"floor": max(observed.service.status.floor, newest), "retried": None}


def _open(observed: Observed, action: Action) -> tuple[Transition, Phase]:
    """The transition that the action is bound to.

    Raises:
        _RefusedError: it is over, or it is not the one that the person saw.
    """
    status = observed.service.status
    transition = status.rollout
    if transition is None:
        raise _RefusedError("no rollout is open")
    if action.transition != transition.id:
        raise _RefusedError(
            f"the rollout {action.transition or '(none)'} is over; {transition.id} is open now: "
            "look at it first"
        )
    return transition, phase(status, observed.server(transition.to))


def _version(action: Action) -> int:
    if action.version is None:
        raise _RefusedError("name the version that is to be tried again")
    return action.version


def _name(observed: Observed, version: int) -> str:
    return names.model_version(observed.service.spec.model_name, version)


def _is_pinned(observed: Observed, version: int) -> bool:
    spec = observed.service.spec
    return version in {pin.version for pin in (spec.champion, spec.challenger) if pin}


def _with(status: InferenceServiceStatus, transition: Transition) -> InferenceServiceStatus:
    return status.model_copy(update={"rollout": transition})
