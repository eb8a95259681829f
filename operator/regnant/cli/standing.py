"""Where a service is, derived from its status: what the open rollout has, needs and waits for.

The operator decides; this only reads what it wrote down. Every face of the command line (tree,
table, explanation, JSON) is made from a `Standing`, so that all of them say the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from regnant.api.rollout_status import Check, Evidence, Stage
from regnant.cli import wording
from regnant.cli.service import Service

ZERO = timedelta(0)


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
    requests: int
    min_requests: int
    elapsed: timedelta
    min_duration: timedelta
    max_duration: timedelta
    checks: tuple[Check, ...]
    is_last: bool
    """Whether all the traffic comes next, which only evidence allows."""

    @property
    def overdue(self) -> bool:
        """Whether the time that the evidence may take is over."""
        return self.elapsed >= self.max_duration

    @property
    def missing_requests(self) -> int:
        """How many more requests are needed."""
        return max(0, self.min_requests - self.requests)

    @property
    def missing_time(self) -> timedelta:
        """How much more time is needed."""
        return max(ZERO, self.min_duration - self.elapsed)

    @property
    def unproven(self) -> tuple[Check, ...]:
        """The comparisons that decide and are not passed; only the last stage asks for them."""
        decisive = (check for check in self.checks if check.limit and check.name != "Requests")
        return tuple(check for check in decisive if self.is_last and check.verdict != "Pass")

    @property
    def complete(self) -> bool:
        """Whether nothing is missing any more."""
        return not (self.missing_requests or self.missing_time or self.unproven)


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
        rollout = self.service.status.rollout
        return rollout is not None and (rollout.paused or self.paused_by_spec)

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
    stage = rollout.stage if rollout else None
    counting = rollout is not None and not (rollout.promoting_at or rollout.promoted_at)
    progress = _progress(service, stage, now) if stage and counting else None
    return Standing(service, now, status.phase, _wait(service, progress), progress)


def watched_until(service: Service) -> datetime | None:
    """When the former version is let go, if nothing happens until then."""
    rollout = service.status.rollout
    if rollout is None or rollout.promoted_at is None:
        return None
    return rollout.promoted_at + service.spec.rollout.watch.duration


def held_by_pin(service: Service) -> bool:
    """Whether the champion is pinned to another version, so that the candidate never takes over."""
    pin, rollout = service.spec.champion, service.status.rollout
    return pin is not None and rollout is not None and pin.version != rollout.to.version


def next_weight(service: Service, current: int) -> int | None:
    """The weight of the step after the current one; None where all the traffic comes next."""
    following = (step.weight for step in service.spec.rollout.steps if step.weight > current)
    return next(following, None)


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


def _progress(service: Service, stage: Stage, now: datetime) -> Progress:
    asked = stage.step or stage.shadow
    evidence = stage.evidence
    return Progress(
        stage=stage,
        requests=evidence.tally.challenger.tries if evidence else 0,
        min_requests=asked.min_requests if asked else 0,
        elapsed=_elapsed(evidence, now),
        min_duration=asked.min_duration if asked else ZERO,
        max_duration=asked.max_duration if asked else timedelta.max,
        checks=evidence.checks if evidence else (),
        is_last=next_weight(service, stage.weight) is None,
    )


def _elapsed(evidence: Evidence | None, now: datetime) -> timedelta:
    return max(ZERO, now - evidence.since) if evidence else ZERO


def _wait(service: Service, progress: Progress | None) -> Wait:
    status, rollout = service.status, service.status.rollout
    if rollout is None:
        return _settled(service)
    if rollout.rollback or (rollout.promoting_at and not rollout.promoted_at):
        return Wait.ROUTERS
    if rollout.promoted_at:
        return Wait.WATCH
    if progress:
        return _stage_wait(service, progress, paused=rollout.paused or service.spec.rollout.paused)
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


def _stage_wait(service: Service, progress: Progress, *, paused: bool) -> Wait:
    if progress.stage.evidence is None:
        return Wait.ROUTERS
    if paused:
        return Wait.RESUME
    if progress.overdue and not progress.complete:
        holds = service.spec.rollout.on_inconclusive == "Hold"
        return Wait.DECISION if holds else Wait.OPERATOR
    if progress.missing_requests:
        return Wait.REQUESTS
    if progress.missing_time:
        return Wait.TIME
    if progress.unproven:
        return Wait.EVIDENCE
    step = progress.stage.step
    if step and step.approval == "Manual":
        return Wait.APPROVAL
    return Wait.PIN if progress.is_last and held_by_pin(service) else Wait.OPERATOR


def _missing(seen: Standing) -> str:
    if seen.progress is None:
        return ""
    parts = []
    if seen.progress.missing_requests:
        parts.append(wording.count(seen.progress.missing_requests, "more request"))
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
