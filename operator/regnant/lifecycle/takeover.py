"""Promoting and Watching: the candidate gets all the traffic, and may still lose it.

Only the routes change. While the new version is watched the former one is kept running and answers
what the new one fails at; it is returned to as long as it is healthy itself. A return to a broken
version would help nobody: then the new one stays, and the status says so.
"""

from __future__ import annotations

from datetime import datetime

from regnant.api.model import MAX_TEXT
from regnant.api.rollout_status import Counts, Evidence, Return, Transition
from regnant.lifecycle import danger, serving_report, weighing
from regnant.lifecycle.diagnosis import Fault
from regnant.lifecycle.eligibility import target
from regnant.lifecycle.endings import Accession, Step, all_to, reigned, retiring, turn_back
from regnant.lifecycle.serving_state import Observed


def promote(observed: Observed, transition: Transition, now: datetime) -> Step:
    """The routes were changed; wait until every router is seen to have them."""
    status = observed.service.status
    fallback = observed.server(status.champion)
    if observed.is_down(transition.to) and fallback.ready:
        return turn_back(observed, transition, _return(_unhealthy(observed, transition), now))
    if not observed.routed():
        return Step(status)
    reigning = transition.to.model_copy(update={"since": now})
    watched = transition.model_copy(
        update={"promoted_at": now, "to": reigning, "watch": Evidence(since=now, at=now)}
    )
    reason = _how(observed, transition)
    words = serving_report.promotion(observed.service, transition, reason)
    update = {
        "champion": reigning,
        "previous": status.champion or status.previous,
        "rollout": watched if status.champion else None,
        "traffic": all_to(reigning),
        "history": reigned(status, transition, Accession(reigning, reason, words), now),
    }
    announcement = serving_report.promoted(observed.service, words, status.champion)
    return Step(status.model_copy(update=update), (announcement,))


def watch(observed: Observed, transition: Transition, now: datetime) -> Step:
    """The new champion answers; the former one is kept ready to return."""
    service, status = observed.service, observed.service.status
    watched = _weighed(observed, transition, now)
    seen = transition.model_copy(update={"watch": watched})
    fault = _fault(observed, seen)
    if fault and observed.server(status.previous).ready:
        return turn_back(observed, seen, _return(fault, now))
    repinned = service.spec.pins_another(transition.to.version) and target(observed)
    until = transition.watched_until(service.spec.rollout)
    if repinned or (until and now >= until):
        gone = retiring(status, status.previous, now)
        settled = status.model_copy(update={"rollout": None, "retiring": gone})
        return Step(settled, (serving_report.settled(service, transition.to.version),))
    written = {"watch": weighing.due(transition.watch, watched)}
    return Step(status.model_copy(update={"rollout": transition.model_copy(update=written)}))


def _fault(observed: Observed, transition: Transition) -> Fault | None:
    """Why the version that was promoted should not go on answering."""
    if observed.is_down(transition.to):
        return _unhealthy(observed, transition)
    return danger.worse(transition.watch)


def _weighed(observed: Observed, transition: Transition, now: datetime) -> Evidence:
    """What was counted of the new champion by now."""
    before = transition.watch or Evidence(since=now, at=now)
    tally = before.tally + observed.tally
    compared = transition.stage.evidence if transition.stage else None
    former = compared.tally.champion if compared else Counts()
    rollout = observed.service.spec.rollout
    checks = weighing.weigh_watch(tally.challenger, before.marks, former, rollout)
    return weighing.note(before, tally, checks, now)


def _unhealthy(observed: Observed, transition: Transition) -> Fault:
    return danger.unable(observed.server(transition.to), "ChampionUnhealthy")


def _return(fault: Fault, now: datetime) -> Return:
    return Return(decided_at=now, reason=fault.reason, message=fault.message[:MAX_TEXT])


def _how(observed: Observed, transition: Transition) -> str:
    """The reason of the reign that begins."""
    if observed.service.status.champion is None:
        return "FirstVersion"
    if transition.by_hand:
        return "ReturnedByHand"
    if observed.service.spec.pins(transition.to.version):
        return "Pinned"
    return "PromotedByHand" if transition.promoted_by_hand else "Promoted"
