"""Who says which version of a model answers, when a new one takes over, and when it goes back.

    Waiting -> Preparing -> Verifying -> Shadowing -> Splitting -> Promoting -> Watching -> Serving
                   |            |            |            |            |            |
                   '-- rejected-'            '------------'------------'------------'-> RollingBack

A rollout is a `Transition` in the status. Each step is written there before it is acted on, and is
dated only when it was seen to be so: verified through the routers, then routed on every router,
then counted. The phase is derived from those dates. Only the routes change at a promotion; no
server does.

In order of precedence: deletion, what people ask for unless it endangers users, the return to a
former version, the withdrawal of a candidate, the verdict of the evidence, promotion. What each
phase does is in `proving`, `comparing` and `takeover`; what follows from the status, here.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from regnant.api.inference_service import InferenceServiceStatus
from regnant.lifecycle import actions, comparing, proving, serving_plan, serving_report, takeover
from regnant.lifecycle.decision import Child, Decision, turning_point
from regnant.lifecycle.eligibility import is_leaving, rejected_digests, target
from regnant.lifecycle.endings import Step, begin, returned
from regnant.lifecycle.serving_plan import Plan
from regnant.lifecycle.serving_state import Observed, Phase, phase
from regnant.lifecycle.waiting import waiting_for

DRAIN = timedelta(seconds=20)
"""How long the servers of a version outlive its last route: the longest of the usual requests."""
SOON = timedelta(milliseconds=250)
"""While the next step waits for what no event tells: the routers' answers."""
WATCHFUL = timedelta(seconds=2)
"""While the next step waits for pods, whose events wake anyway."""
LOOK = timedelta(seconds=1)
"""While users meet a version that is not settled yet: how often it is looked at."""


def decide(observed: Observed, now: datetime) -> Decision[InferenceServiceStatus]:
    """What must become of the service, given what was seen of it."""
    service = observed.service
    if service.metadata.deletion_timestamp:
        return Decision(service.status)
    step = _retire(_advance(observed, now), now)
    plan = serving_plan.plan(service, step.status, observed.platform)
    status = _describe(observed, step.status, plan, now)
    return Decision(
        status=status,
        apply=plan.manifests,
        delete=_superfluous(observed, plan),
        announce=(*step.announce, *turning_point(service.status, status)),
        requeue_after=_next_look(observed, status, now),
    )


def wants_verification(observed: Observed) -> bool:
    """Whether the candidate's golden rows are to be replayed through the routers now."""
    transition = observed.service.status.rollout
    if transition is None or observed.service.metadata.deletion_timestamp:
        return False
    if observed.paused:
        return False
    current = phase(observed.service.status, observed.server(transition.to))
    return current is Phase.VERIFYING and observed.routed()


def _advance(observed: Observed, now: datetime) -> Step:
    """Take the one step that the observation allows."""
    status = observed.service.status
    if answered := actions.answer(observed, now):
        return answered
    transition = status.rollout
    if transition is None:
        return _begin(observed, now)
    if back := transition.rollback:
        return returned(observed, transition, back, now) if observed.routed() else Step(status)
    match phase(status, observed.server(transition.to)):
        case Phase.WATCHING:
            return takeover.watch(observed, transition, now)
        case Phase.PROMOTING:
            return takeover.promote(observed, transition, now)
        case Phase.SHADOWING | Phase.SPLITTING if transition.stage:
            return comparing.compare(observed, transition, transition.stage, now)
        case _:
            return proving.prove(observed, transition, now)


def _begin(observed: Observed, now: datetime) -> Step:
    """Open a rollout, if there is a version that should be tried."""
    candidate = target(observed)
    if candidate is None or is_leaving(observed, candidate.artifact.digest):
        return Step(observed.service.status)
    opened = begin(observed.service.status, candidate, now)
    return Step(opened, (serving_report.started(observed.service, candidate.version),))


def _retire(step: Step, now: datetime) -> Step:
    """Forget the versions whose last answers are out, and those that are wanted again."""
    status = step.status
    champion = status.champion.digest if status.champion else ""
    retiring = tuple(
        one
        for one in status.retiring
        if now - one.since < DRAIN and one.artifact.digest != champion
    )
    return Step(status.model_copy(update={"retiring": retiring}), step.announce)


# --- what follows from a status -----------------------------------------------------------------


def _describe(
    observed: Observed, status: InferenceServiceStatus, plan: Plan, now: datetime
) -> InferenceServiceStatus:
    """The status with everything that is derived: conditions, phase, URL, shares."""
    candidate = observed.server(status.rollout.to if status.rollout else None)
    current = phase(status, candidate)
    waits = waiting_for(observed, status, current)
    if status.rollout:
        waiting = status.rollout.model_copy(update={"waiting_for": waits})
        status = status.model_copy(update={"rollout": waiting})
    answering = serving_plan.answering(status)
    seen = answering if observed.routers.have(plan.routing.revision) else None
    shares = serving_plan.shares(status, seen) if seen else status.traffic
    described = status.model_copy(
        update={"url": serving_report.url(observed.service), "traffic": shares}
    )
    then = replace(observed, service=replace(observed.service, status=described))
    next_up = target(then) if status.rollout is None else None
    standing = serving_report.Standing(
        service=observed.service,
        status=described,
        phase=current.value,
        champion=observed.server(answering),
        candidate=candidate,
        routers=observed.routers,
        digests={one.version: one.artifact.digest for one in observed.versions},
        next_up=next_up.version if next_up else 0,
        refused=rejected_digests(observed),
        obstacle=plan.fault or observed.obstacle,
        fallback_ready=observed.server(serving_plan.standing_by(status)).ready,
    )
    return serving_report.conclude(standing, now)


def _superfluous(observed: Observed, plan: Plan) -> tuple[Child, ...]:
    """The objects of versions that are over; none while routers keep what may still name them."""
    if plan.fault:
        return ()
    gone = sorted(observed.server_names - plan.server_names)
    kinds = ("Deployment", "Service", "PodDisruptionBudget")
    return tuple(Child(kind, name) for name in gone for kind in kinds)


def _next_look(
    observed: Observed, status: InferenceServiceStatus, now: datetime
) -> timedelta | None:
    """When to look again although nothing changed; a settled service is not looked at."""
    looks = [max(DRAIN - (now - one.since), SOON) for one in status.retiring]
    transition = status.rollout
    if transition:
        looks.append(_pace(observed, status))
    elif observed.service.status.rollout or not serving_plan.is_shared_as_decided(status):
        # A rollout just ended: another version may have waited for its turn.
        looks.append(SOON)
    elif (following := target(observed)) and is_leaving(observed, following.artifact.digest):
        looks.append(WATCHFUL)
    return min(looks, default=None)


def _pace(observed: Observed, status: InferenceServiceStatus) -> timedelta:
    """How soon to look again while a rollout is open."""
    transition = status.rollout
    current = phase(status, observed.server(transition.to if transition else None))
    if current is Phase.PREPARING:
        return WATCHFUL
    counting = transition and transition.stage and transition.stage.evidence
    if current is Phase.WATCHING or (current in {Phase.SHADOWING, Phase.SPLITTING} and counting):
        return LOOK
    return SOON
