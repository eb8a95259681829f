"""Where a service is, derived from its status: what the open rollout has, needs and waits for.

The operator decides; this only reads what it wrote down, by the rules that the api's models give
to both. Every face of the command line (tree,
table, explanation, JSON) is made from a `Standing`, so that all of them say the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from regnant.api.rollout_status import Check, Stage, Transition
from regnant.cli import wording
from regnant.cli.service import Service


class Wait(StrEnum):
    """What has to happen before a service moves on."""

    NOTHING = "Nothing"
    OPERATOR = "Operator"
    VERSION = "Version"
    SERVERS = "Servers"
    VERIFICATION = "Verification"
    ROUTERS = "Routers"
    REQUESTS = "Requests"
    TIME = "Time"
    EVIDENCE = "Evidence"
    APPROVAL = "Approval"
    RESUME = "Resume"
    DECISION = "Decision"
    WATCH = "Watch"
    PIN = "Pin"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the stage is on the way to its least requests and its least time."""

    stage: Stage
    elapsed: timedelta
    missing_time: timedelta
    """How much more time is needed."""
    overdue: bool
    """Whether the time that the evidence may take is over."""
    lacking: tuple[Check, ...]
    """The checks that it cannot end well without."""
    next_weight: int | None
    """The weight of the step that comes next; None where all the traffic does, which only evidence
    allows."""

    @property
    def unproven(self) -> tuple[Check, ...]:
        """The comparisons among those."""
        return tuple(check for check in self.lacking if check.name != "Requests")

    @property
    def complete(self) -> bool:
        """Whether nothing is missing any more."""
        return not (self.stage.missing_requests or self.missing_time or self.lacking)


@dataclass(frozen=True, slots=True)
class Standing:
    """A service at a time."""

    service: Service
    now: datetime
    phase: str
    wait: Wait
    progress: Progress | None = None

    @property
    def champion(self) -> str:
        """The name of the version that reigns; empty without one."""
        champion = self.service.status.champion
        return self.service.version(champion.version) if champion else ""

    @property
    def previous(self) -> str:
        """The name of the version that a rollback returns to; empty without one."""
        previous = self.service.status.previous
        return self.service.version(previous.version) if previous else ""

    @property
    def candidate(self) -> str:
        """The name of the version that the open rollout is about; empty without one."""
        rollout = self.service.status.rollout
        return self.service.version(rollout.to.version) if rollout else ""

    @property
    def paused_by_spec(self) -> bool:
        """Whether the spec holds the rollout, which only a change of the spec undoes."""
        return self.service.spec.rollout.paused

    @property
    def paused(self) -> bool:
        """Whether a person holds the rollout."""
        return self.service.status.is_paused(self.service.spec.rollout)

    @property
    def held_by_pin(self) -> bool:
        """Whether the champion is pinned to another version, so the candidate never takes over."""
        rollout = self.service.status.rollout
        return rollout is not None and self.service.spec.pins_another(rollout.to.version)

    @property
    def outdated(self) -> bool:
        """Whether the spec was changed since the operator looked at it last."""
        return self.service.status.observed_generation < self.service.generation

    @property
    def available(self) -> bool:
        """Whether users are answered."""
        condition = self.service.status.condition("Available")
        return condition is not None and condition.status == "True"


def standing(service: Service, now: datetime) -> Standing:
    """Where the service is at `now`."""
    status = service.status
    rollout = status.rollout
    counting = rollout is not None and not (rollout.promoting_at or rollout.promoted_at)
    progress = _progress(service, rollout, now) if rollout and counting else None
    return Standing(service, now, status.phase, _wait(service, progress), progress)


def watched_until(service: Service) -> datetime | None:
    """When the former version is let go, if nothing happens until then."""
    rollout = service.status.rollout
    return rollout.watched_until(service.spec.rollout) if rollout else None


def step_number(service: Service, stage: Stage) -> tuple[int, int] | None:
    """Which step of how many it is; None once the spec does not have it any more."""
    weights = [step.weight for step in service.spec.rollout.steps]
    if stage.step is None or stage.step.weight not in weights:
        return None
    return weights.index(stage.step.weight) + 1, len(weights)


def waiting_words(seen: Standing) -> str:
    """What it waits for, in one short line."""
    own = seen.service.status.rollout.waiting_for if seen.service.status.rollout else ""
    match seen.wait:
        case Wait.REQUESTS | Wait.TIME:
            return _missing(seen)
        case Wait.APPROVAL:
            return "a person: the step's approval is Manual"
        case Wait.DECISION:
            return "more traffic or a person: the evidence does not suffice"
        case Wait.RESUME:
            return "being resumed" + (" in spec.rollout.paused" if seen.paused_by_spec else "")
        case Wait.WATCH:
            until = watched_until(seen.service)
            left = span_until(until, seen.now) if until else ""
            return f"the end of the watch{left}"
        case Wait.EVIDENCE:
            return own or f"a verdict on {_unproven(seen)}"
    return own or _PLAIN[seen.wait]


def span_until(until: datetime, now: datetime) -> str:
    """`, in 3m`, or nothing once it is over."""
    return f", in {wording.span(until - now)}" if until > now else ""


_PLAIN = {
    Wait.NOTHING: "",
    Wait.OPERATOR: "the operator",
    Wait.VERSION: "a first version",
    Wait.SERVERS: "its servers to be ready",
    Wait.VERIFICATION: "its golden rows to be answered through every router",
    Wait.ROUTERS: "every router to be seen with the new routes",
    Wait.PIN: "spec.champion, which pins another version, to be changed or removed",
}


def _progress(service: Service, rollout: Transition, now: datetime) -> Progress | None:
    stage = rollout.stage
    if stage is None:
        return None
    step = service.spec.rollout.step_after(stage.weight)
    return Progress(
        stage=stage,
        elapsed=stage.elapsed(now),
        missing_time=stage.missing_time(now),
        overdue=stage.is_overdue(now),
        lacking=rollout.lacking(service.spec.rollout),
        next_weight=step.weight if step else None,
    )


def _wait(service: Service, progress: Progress | None) -> Wait:
    status, rollout = service.status, service.status.rollout
    if rollout is None:
        return _settled(service)
    if rollout.rollback or (rollout.promoting_at and not rollout.promoted_at):
        return Wait.ROUTERS
    if rollout.promoted_at:
        return Wait.WATCH
    if progress:
        return _stage_wait(service, rollout, progress)
    match status.phase:
        case "Verifying":
            return Wait.VERIFICATION
        case "Promoting":
            return Wait.ROUTERS
        case _:
            return Wait.OPERATOR if rollout.verified_at else Wait.SERVERS


def _settled(service: Service) -> Wait:
    if not service.status.phase:
        return Wait.OPERATOR
    return Wait.NOTHING if service.status.champion else Wait.VERSION


def _stage_wait(service: Service, rollout: Transition, progress: Progress) -> Wait:
    if progress.stage.evidence is None:
        return Wait.ROUTERS
    if service.status.is_paused(service.spec.rollout):
        return Wait.RESUME
    if progress.overdue and not progress.complete:
        holds = service.spec.rollout.on_inconclusive == "Hold"
        return Wait.DECISION if holds else Wait.OPERATOR
    if progress.stage.missing_requests:
        return Wait.REQUESTS
    if progress.missing_time:
        return Wait.TIME
    if progress.unproven:
        return Wait.EVIDENCE
    if progress.stage.needs_approval:
        return Wait.APPROVAL
    pinned = service.spec.pins_another(rollout.to.version)
    return Wait.PIN if pinned and progress.next_weight is None else Wait.OPERATOR


def _missing(seen: Standing) -> str:
    if seen.progress is None:
        return ""
    parts = []
    if seen.progress.stage.missing_requests:
        parts.append(wording.count(seen.progress.stage.missing_requests, "more request"))
    if seen.progress.missing_time:
        parts.append(f"{wording.span(seen.progress.missing_time)} more")
    return wording.listing(parts)


def _unproven(seen: Standing) -> str:
    unproven = seen.progress.unproven if seen.progress else ()
    return wording.listing([CHECK_WORDS[check.name] for check in unproven])


CHECK_WORDS = {
    "Requests": "requests",
    "Errors": "errors",
    "Latency": "latency",
    "Agreement": "agreement",
    "NonFinite": "non-finite answers",
}
"""The comparisons as people call them."""
