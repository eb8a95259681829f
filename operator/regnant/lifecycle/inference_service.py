"""Who says which version of a model answers, when a new one takes over, and when it goes back.

    Waiting -> Preparing -> Verifying -> Promoting -> Watching -> Serving
                   |            |            |            |
                   '-- Rejected-'            '------------'--> RollingBack -> Serving

A takeover is a `Transition` in the status. Each step is written there before it is acted on, and is
dated only when it was seen to be so: verified through the routers, then routed on every router,
then watched. The phase is derived from those dates. Only the routes change at a promotion; no
server does.

In order of precedence: deletion, the return to a former version, a pin, the verdict on a candidate.
A champion is never given up for a version that is not healthy itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from regnant.api.inference_service import MAX_REJECTED, MAX_RETIRING, InferenceServiceStatus
from regnant.api.rollout_status import Rejection, Retiring, Return, Serving, Share, Transition
from regnant.lifecycle import serving_plan, serving_report
from regnant.lifecycle.decision import Announcement, Child, Decision, turning_point
from regnant.lifecycle.diagnosis import Fault
from regnant.lifecycle.serving_plan import Plan
from regnant.lifecycle.serving_state import Candidate, Observed, Phase, ServerHealth, phase
from regnant.manifests import names

DRAIN = timedelta(seconds=20)
"""How long the servers of a version outlive its last route: the longest of the usual requests."""
SOON = timedelta(milliseconds=250)
"""While the next step waits for what no event tells: the routers' answers."""
WATCHFUL = timedelta(seconds=2)
"""While the next step waits for pods, whose events wake anyway, or for a time to pass."""


@dataclass(frozen=True, slots=True)
class Step:
    """The status after one transition, and what is announced of it."""

    status: InferenceServiceStatus
    announce: tuple[Announcement, ...] = ()


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
    current = phase(observed.service.status, observed.server(transition.to))
    return current is Phase.VERIFYING and observed.routed()


def target(observed: Observed) -> Candidate | None:
    """The version that should answer, where it is not the one that does.

    A pin wins. Without one it is the newest that is newer than the champion. A digest that was
    rejected is not tried again until the retry token changes.
    """
    service = observed.service
    champion = service.status.champion
    refused = rejected_digests(observed)
    eligible = [one for one in observed.versions if one.artifact.digest not in refused]
    pin = service.spec.champion
    if pin:
        eligible = [one for one in eligible if one.version == pin.version]
    elif champion:
        eligible = [one for one in eligible if one.version > champion.version]
    newest = max(eligible, key=lambda one: one.version, default=None)
    if newest and champion and newest.artifact.digest == champion.digest:
        return None
    return newest


def rejected_digests(observed: Observed) -> frozenset[str]:
    """The bundles that are not to be tried, under whatever number they come."""
    token = observed.service.spec.rollout.retry_token
    return frozenset(
        rejection.digest
        for rejection in observed.service.status.rejected
        if rejection.retry_token == token
    )


# --- transitions ------------------------------------------------------------------------------


def _advance(observed: Observed, now: datetime) -> Step:
    """Take the one step that the observation allows."""
    status = observed.service.status
    transition = status.rollout
    if transition is None:
        return _begin(observed, now)
    if back := transition.rollback:
        return _returned(observed, transition, back, now) if observed.routed() else Step(status)
    match phase(status, observed.server(transition.to)):
        case Phase.WATCHING:
            return _watch(observed, transition, now)
        case Phase.PROMOTING:
            return _promote(observed, transition, now)
        case _:
            return _prove(observed, transition, now)


def _begin(observed: Observed, now: datetime) -> Step:
    """Open a takeover, if there is a version that should answer and does not."""
    status = observed.service.status
    candidate = target(observed)
    if candidate is None:
        return Step(status)
    digest = candidate.artifact.digest
    transition = Transition(
        id=f"{candidate.version}-{names.short(digest)[:8]}-{int(now.timestamp())}",
        to=Serving(version=candidate.version, artifact=candidate.artifact, since=now),
        started_at=now,
    )
    retiring = tuple(one for one in status.retiring if one.artifact.digest != digest)
    opened = status.model_copy(update={"rollout": transition, "retiring": retiring})
    return Step(opened, (serving_report.started(observed.service, candidate.version),))


def _prove(observed: Observed, transition: Transition, now: datetime) -> Step:
    """Preparing and Verifying: users see nothing of it until it is proven."""
    service, candidate = observed.service, observed.server(transition.to)
    wanted = target(observed)
    repinned = service.spec.champion and wanted and wanted.version != transition.to.version
    if wanted is None or repinned or not _still_there(observed, transition):
        return _abandon(observed, transition, now)
    verification = observed.verification
    if verification and verification.digest == transition.to.digest:
        if verification.passed:
            verified = transition.model_copy(update={"verified_at": now})
            return Step(service.status.model_copy(update={"rollout": verified}))
        failed = Fault("VerificationFailed", verification.message, final=True)
        return _reject(observed, transition, failed, now)
    fault = candidate.fault
    if fault and fault.final:
        return _reject(observed, transition, fault, now)
    if now - transition.started_at > service.spec.rollout.progress_deadline:
        late = fault or Fault("ProgressDeadlineExceeded", serving_report.not_ready(candidate.ready))
        newer_waits = wanted.artifact.digest != transition.to.digest
        if service.status.champion or late.restarts or newer_waits:
            return _reject(observed, transition, late, now)
    return Step(service.status)


def _promote(observed: Observed, transition: Transition, now: datetime) -> Step:
    """The routes were changed; wait until every router is seen to have them."""
    status = observed.service.status
    fallback = observed.server(status.champion)
    if _is_down(observed.server(transition.to)) and fallback.ready:
        return _turn_back(observed, transition, now)
    if not observed.routed():
        return Step(status)
    reigning = transition.to.model_copy(update={"since": now})
    watched = transition.model_copy(update={"promoted_at": now, "to": reigning})
    update = {
        "champion": reigning,
        "previous": status.champion or status.previous,
        "rollout": watched if status.champion else None,
    }
    announcement = serving_report.promoted(observed.service, transition.to.version, status.champion)
    return Step(status.model_copy(update=update), (announcement,))


def _watch(observed: Observed, transition: Transition, now: datetime) -> Step:
    """The new champion answers; the former one is kept ready to return."""
    service, status = observed.service, observed.service.status
    if _is_down(observed.server(transition.to)) and observed.server(status.previous).ready:
        return _turn_back(observed, transition, now)
    pin = service.spec.champion
    repinned = pin is not None and pin.version != transition.to.version and target(observed)
    promoted = transition.promoted_at or now
    if repinned or now - promoted >= service.spec.rollout.watch.duration:
        retiring = _retiring(status, status.previous, now)
        settled = status.model_copy(update={"rollout": None, "retiring": retiring})
        return Step(settled, (serving_report.settled(service, transition.to.version),))
    return Step(status)


def _turn_back(observed: Observed, transition: Transition, now: datetime) -> Step:
    """Decide to return the traffic; it is done once every router is seen to have it back."""
    status = observed.service.status
    fault = observed.server(transition.to).fault or Fault(
        "ChampionUnhealthy", "none of its servers is ready any more"
    )
    decided = Return(decided_at=now, reason=fault.reason, message=fault.message[:1024])
    turned = transition.model_copy(update={"rollback": decided})
    return Step(status.model_copy(update={"rollout": turned}))


def _returned(observed: Observed, transition: Transition, back: Return, now: datetime) -> Step:
    """Every router has the former version back: the new one is rejected and retired."""
    status = observed.service.status
    reigning = status.previous if transition.promoted_at else status.champion
    update = {
        "champion": reigning.model_copy(update={"since": now}) if reigning else None,
        "previous": None if transition.promoted_at else status.previous,
        "rollout": None,
        "retiring": _retiring(status, transition.to, now),
        "rejected": _with_rejection(observed, transition, back.reason, back.message, now),
    }
    announcement = serving_report.rolled_back(
        observed.service, transition.to.version, reigning, back
    )
    return Step(status.model_copy(update=update), (announcement,))


def _reject(observed: Observed, transition: Transition, fault: Fault, now: datetime) -> Step:
    """Turn a candidate down before it had any traffic."""
    status = observed.service.status
    message = fault.message[:1024]
    update = {
        "rollout": None,
        "retiring": _retiring(status, transition.to, now),
        "rejected": _with_rejection(observed, transition, fault.reason, message, now),
    }
    announcement = serving_report.rejected(observed.service, transition.to.version, fault)
    return Step(status.model_copy(update=update), (announcement,))


def _abandon(observed: Observed, transition: Transition, now: datetime) -> Step:
    """Leave a candidate that nobody asks for any more; it is not rejected."""
    status = observed.service.status
    retiring = _retiring(status, transition.to, now)
    left = status.model_copy(update={"rollout": None, "retiring": retiring})
    return Step(left, (serving_report.abandoned(observed.service, transition.to.version),))


def _still_there(observed: Observed, transition: Transition) -> bool:
    return any(one.artifact.digest == transition.to.digest for one in observed.versions)


def _is_down(health: ServerHealth) -> bool:
    return health.ready == 0


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
    )
    before = observed.service.status.rejected
    others = tuple(one for one in before if one.digest != rejection.digest)
    return (rejection, *others)[:MAX_REJECTED]


def _retiring(
    status: InferenceServiceStatus, leaving: Serving | None, now: datetime
) -> tuple[Retiring, ...]:
    if leaving is None:
        return status.retiring
    entry = Retiring(version=leaving.version, artifact=leaving.artifact, since=now)
    return (*status.retiring, entry)[-MAX_RETIRING:]


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
    answering = serving_plan.answering(status)
    seen = answering is not None and observed.routers.have(plan.routing.revision)
    shares = (
        (Share(version=answering.version, digest=answering.digest, percent=100),)
        if seen and answering
        else status.traffic
    )
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
        obstacle=observed.obstacle,
        fallback_ready=observed.server(serving_plan.standing_by(status)).ready,
    )
    return serving_report.conclude(standing, now)


def _superfluous(observed: Observed, plan: Plan) -> tuple[Child, ...]:
    """The objects of versions that are over."""
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
        current = phase(status, observed.server(transition.to))
        looks.append(WATCHFUL if current in {Phase.PREPARING, Phase.WATCHING} else SOON)
    elif observed.service.status.rollout:
        # A takeover just ended: another version may have waited for its turn.
        looks.append(SOON)
    return min(looks, default=None)
