"""What is said of an InferenceService: Events of its transitions, its conditions, its phase.

`inference_service` decides; this module only tells, in words that a person who never saw the
operator understands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, assert_never

from regnant.api.actions import ActionResult
from regnant.api.inference_service import InferenceServiceStatus
from regnant.api.meta import Finding, settle
from regnant.api.model import format_duration
from regnant.api.rollout_status import Rejection, Return, Serving, Transition
from regnant.lifecycle.decision import Announcement, Verdict
from regnant.lifecycle.diagnosis import Fault
from regnant.lifecycle.serving_plan import Service
from regnant.manifests import names


class Health(Protocol):
    """How some pods are."""

    @property
    def desired(self) -> int:
        """How many there should be."""

    @property
    def ready(self) -> int:
        """How many are ready."""

    @property
    def fault(self) -> Fault | None:
        """What is wrong with them."""


@dataclass(frozen=True, slots=True)
class Standing:
    """All that the conditions of a service rest on."""

    service: Service
    status: InferenceServiceStatus
    phase: str
    champion: Health
    candidate: Health
    routers: Health
    fallback_ready: int
    digests: Mapping[int, str]
    """The bundles of the model line's versions, by number."""
    next_up: int
    """The number of the version that will be tried next; 0 for none."""
    refused: frozenset[str]
    """The digests that are not tried."""
    obstacle: Fault | None
    """What the cluster refused when the last decision was carried out."""

    @property
    def model(self) -> str:
        """The model line."""
        return self.service.spec.model_name

    @property
    def newest(self) -> int:
        """The highest number among the model line's versions; 0 where there is none."""
        return max(self.digests, default=0)

    def name(self, version: int) -> str:
        """The ModelVersion's name."""
        return names.model_version(self.model, version)

    @property
    def available(self) -> bool:
        """Whether a user who asks now is answered."""
        return self.routers.ready > 0 and self.champion.ready + self.fallback_ready > 0


def url(service: Service) -> str:
    """The address that never changes, as pods of the cluster reach it."""
    head = service.metadata
    return f"http://{head.name}.{head.namespace}.svc/v2/models/{service.spec.model_name}"


def conclude(standing: Standing, now: datetime) -> InferenceServiceStatus:
    """The status with its conditions and its phase."""
    verdict = _verdict(standing)
    findings = (*verdict.findings(), _available(standing), _up_to_date(standing))
    generation = standing.service.metadata.generation
    held = standing.status.champion is not None and not standing.available
    degraded = held and standing.phase == "Serving"
    return standing.status.model_copy(
        update={
            "observed_generation": generation,
            "phase": "Degraded" if degraded else standing.phase,
            "conditions": settle(
                standing.status.conditions, findings, generation=generation, now=now
            ),
        }
    )


# --- transitions, as Events -----------------------------------------------------------------------


def started(service: Service, version: int) -> Announcement:
    """A candidate is prepared."""
    name = names.model_version(service.spec.model_name, version)
    beside = " beside the champion" if service.status.champion else ""
    return Announcement("Normal", "RolloutStarted", f"{name} is started{beside}, without traffic")


def stage_opened(service: Service, transition: Transition) -> Announcement:
    """A shadow or a step begins."""
    name = names.model_version(service.spec.model_name, transition.to.version)
    stage = transition.stage
    if stage and stage.step:
        words = f"{name} is given {stage.weight} % of the requests"
        return Announcement("Normal", "StepStarted", words)
    percent = stage.mirrored if stage else 0
    words = f"{percent} % of the requests are mirrored to {name}; users see none of its answers"
    return Announcement("Normal", "ShadowStarted", words)


def promotion(service: Service, transition: Transition, reason: str) -> str:
    """Why a version has come to answer all requests."""
    name = names.model_version(service.spec.model_name, transition.to.version)
    evidence = transition.stage.evidence if transition.stage else None
    proven = "; ".join(check.reading for check in evidence.checks) if evidence else ""
    match reason:
        case "FirstVersion":
            return f"{name} is the first version, and was verified"
        case "Pinned":
            return f"{name} is pinned by spec.champion, and was verified"
        case "ReturnedByHand":
            return f"a person went back to {name}, and it was verified"
        case "PromotedByHand":
            return f"{name} was verified, and a person promoted it"
        case _:
            return f"{name} was verified" + (f", and proved itself: {proven}" if proven else "")


def promoted(service: Service, words: str, former: Serving | None) -> Announcement:
    """Every router sends the traffic to the new version."""
    model = service.spec.model_name
    words += "; it answers all requests"
    if former:
        watch = format_duration(service.spec.rollout.watch.duration)
        kept = names.model_version(model, former.version)
        words += f"; {kept} is kept ready to return for {watch}"
    return Announcement("Normal", "Promoted", words)


def acted(result: ActionResult) -> Announcement:
    """A person's wish was done, or refused."""
    by = f" ({result.by})" if result.by else ""
    if result.outcome == "Done":
        return Announcement("Normal", "ActionDone", f"{result.action}{by}: {result.message}")
    return Announcement("Warning", "ActionRefused", f"{result.action}{by}: {result.message}")


def settled(service: Service, version: int) -> Announcement:
    """The watch is over."""
    name = names.model_version(service.spec.model_name, version)
    return Announcement("Normal", "RolloutCompleted", f"{name} stayed healthy and reigns")


def rejected(service: Service, version: int, fault: Fault) -> Announcement:
    """A candidate was turned down before it had any traffic."""
    name = names.model_version(service.spec.model_name, version)
    return Announcement(
        "Warning",
        fault.reason,
        f"{name} was rejected before it had any traffic: {fault.message}",
    )


def returned(
    service: Service, version: int, reigning: Serving | None, back: Return
) -> Announcement:
    """A candidate has lost its traffic, and the former version answers everything."""
    model = service.spec.model_name
    former = names.model_version(model, reigning.version) if reigning else "no version"
    name = names.model_version(model, version)
    match back.outcome:
        case "RolledBack":
            words = f"{former} answers again, as {name} stopped being healthy: {back.message}"
            return Announcement("Warning", "RolledBack", words)
        case "Rejected":
            words = f"{name} was rejected, and {former} answers: {back.message}"
            return Announcement("Warning", back.reason, words)
        case "Aborted":
            return Announcement("Warning", "Aborted", f"{name}: {back.message}")
        case "Superseded" | "Withdrawn":
            return Announcement("Normal", back.reason, f"{name} is left: {back.message}")
        case _ as unreachable:
            assert_never(unreachable)


def abandoned(service: Service, version: int) -> Announcement:
    """A candidate is not wanted any more."""
    name = names.model_version(service.spec.model_name, version)
    return Announcement(
        "Normal", "RolloutAborted", f"{name} is not asked for any more; its servers are removed"
    )


def not_ready(ready: int) -> str:
    """Why a candidate that shows no fault was late."""
    return (
        f"only {ready} of its servers became ready and were verified before "
        "rollout.progressDeadline; raise it, or look at the servers' logs"
    )


# --- conditions -------------------------------------------------------------------------------


def _verdict(standing: Standing) -> Verdict:
    """How the service stands as a whole."""
    status = standing.status
    if standing.obstacle:
        return Verdict("Failed", standing.obstacle.reason, standing.obstacle.message)
    if standing.routers.fault and not standing.routers.ready:
        fault = standing.routers.fault
        return Verdict("InProgress", fault.reason, f"no router is ready: {fault.message}")
    if status.champion is None:
        return _verdict_without_champion(standing)
    champion = standing.name(status.champion.version)
    if not standing.available:
        fault = standing.champion.fault or Fault("NoServerReady", "none of its servers is ready")
        return Verdict(
            "InProgress",
            fault.reason,
            f"{champion} does not answer: {fault.message}; there is no other version to return to",
        )
    if _shrunken(standing.champion) or _shrunken(standing.routers):
        return Verdict(
            "InProgress",
            "Scaling",
            f"{champion} answers; {standing.champion.ready} of {standing.champion.desired} servers "
            f"and {standing.routers.ready} of {standing.routers.desired} routers are ready",
        )
    return Verdict("Ready", "Serving", f"{champion} answers all requests")


def _verdict_without_champion(standing: Standing) -> Verdict:
    status = standing.status
    if status.rollout is None:
        return _nothing_to_serve(standing)
    name = standing.name(status.rollout.to.version)
    fault = standing.candidate.fault
    if fault:
        return Verdict("InProgress", fault.reason, f"{name} does not start: {fault.message}")
    return Verdict(
        "InProgress", "Starting", f"{name} is started; nothing answers before it is verified"
    )


def _nothing_to_serve(standing: Standing) -> Verdict:
    pin = standing.service.spec.champion
    if pin and not _is_refused(standing, pin.version):
        return Verdict(
            "InProgress",
            "ModelVersionNotFound",
            f"champion.version: there is no ModelVersion {standing.name(pin.version)} in this "
            "namespace; apply it, or pin another version",
        )
    latest = next(iter(standing.status.rejected), None)
    if latest and standing.newest:
        return Verdict(
            "Failed",
            latest.reason,
            f"every version was rejected, the last one, {standing.name(latest.version)}, because: "
            f"{latest.message}; set rollout.retryToken to try again",
        )
    return Verdict(
        "InProgress",
        "ModelVersionNotFound",
        f"modelName: there is no ModelVersion of {standing.model} in this namespace yet; apply a "
        "TrainingPipeline or a ModelVersion for it",
    )


def _available(standing: Standing) -> Finding:
    def finding(*, status: bool, reason: str, message: str) -> Finding:
        return Finding(type="Available", status=status, reason=reason, message=message)

    if standing.available:
        return finding(status=True, reason="Answering", message="users get answers")
    if standing.status.champion is None:
        return finding(status=False, reason="NoChampion", message="no version answers yet")
    if not standing.routers.ready:
        return finding(status=False, reason="NoRouterReady", message="no router is ready")
    return finding(status=False, reason="NoServerReady", message="the champion has no ready server")


def _up_to_date(standing: Standing) -> Finding:
    """Whether the version that should answer does, and if not, why not."""

    def finding(*, status: bool | None, reason: str, message: str) -> Finding:
        return Finding(type="UpToDate", status=status, reason=reason, message=message)

    status, pin = standing.status, standing.service.spec.champion
    if status.rollout:
        return finding(
            status=False, reason=standing.phase, message=_taking_over(standing, status.rollout)
        )
    if standing.next_up:
        name = standing.name(standing.next_up)
        return finding(status=False, reason="NextUp", message=f"{name} is tried next")
    wanted = pin.version if pin else standing.newest
    champion = status.champion.version if status.champion else 0
    if champion and (champion == wanted or (not pin and champion > wanted)):
        return finding(
            status=True, reason="Serving", message=f"{standing.name(champion)} is what is asked for"
        )
    if status.champion and standing.digests.get(wanted) == status.champion.digest:
        return finding(
            status=True,
            reason="SameBundle",
            message=f"{standing.name(wanted)} is the same bundle as the champion's",
        )
    rejection = _rejection(standing, wanted)
    if rejection:
        return finding(
            status=False, reason=rejection.reason, message=_still_rejected(standing, rejection)
        )
    if wanted in standing.digests:
        return finding(status=False, reason="HeldBack", message=_held_back(standing, wanted))
    return finding(
        status=False,
        reason="ModelVersionNotFound",
        message=f"there is no ModelVersion {standing.name(wanted)}" if wanted else "no version yet",
    )


def _held_back(standing: Standing, version: int) -> str:
    """Why a version that is there is not tried by itself."""
    name, challenger = standing.name(version), standing.service.spec.challenger
    if challenger:
        return (
            f"{name} does not challenge: spec.challenger pins {standing.name(challenger.version)}"
        )
    return (
        f"{name} does not challenge by itself, as a person went back behind it; `regnant retry "
        f"{standing.service.metadata.name} {version}` lets it, and a newer version does"
    )


def _taking_over(standing: Standing, transition: Transition) -> str:
    name = standing.name(transition.to.version)
    words = f"{name} is taking over and waits for {transition.waiting_for}"
    fault = standing.candidate.fault
    return f"{words}: {fault.message}" if fault else words


def _still_rejected(standing: Standing, rejection: Rejection) -> str:
    pin = standing.service.spec.champion
    wanted = standing.name(pin.version if pin else standing.newest)
    tried = standing.name(rejection.version)
    same = "" if tried == wanted else f" is the same bundle as {tried}, which"
    return (
        f"{wanted}{same} was rejected: {rejection.message}; correct it under a new version, or set "
        "rollout.retryToken to try it again"
    )


def _is_refused(standing: Standing, version: int) -> bool:
    return _rejection(standing, version) is not None


def _rejection(standing: Standing, version: int) -> Rejection | None:
    """Why the bundle of that number is not tried, whatever number it was rejected under."""
    digest = standing.digests.get(version)
    if digest not in standing.refused:
        return None
    return next((one for one in standing.status.rejected if one.digest == digest), None)


def _shrunken(health: Health) -> bool:
    return health.ready < health.desired
