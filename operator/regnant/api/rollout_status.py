"""What is written down of a rollout: enough to go on after any crash, and to retrace every verdict.

A `Transition` is one takeover. Its `stage` is the shadow or the step that it is at, with all that
was counted there. Each date is written before the step that it allows is taken.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field

from regnant.api.latency import BUCKETS
from regnant.api.model import Digest, Model, Reason, Text, Time, VersionNumber
from regnant.api.model_version import Artifact
from regnant.api.rollout import Rollout, Shadow, Step

Count = Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})]
Reading = Annotated[str, Field(max_length=300)]

MAX_HISTORY = 20
MAX_CHECKS = 5
MAX_MARKS = 2


class Serving(Model):
    """A version as the service runs it; enough to keep it running when its ModelVersion is gone."""

    version: VersionNumber
    """The number in the model line."""
    artifact: Artifact
    """The bundle."""
    since: Time
    """Since when it has had this role."""

    @property
    def digest(self) -> str:
        """The bundle's digest."""
        return self.artifact.digest


class Counts(Model):
    """What one version did with the requests that it was given."""

    tries: Count = 0
    """Requests that a router gave it, each try counted."""
    failures: Count = 0
    """Tries that failed: an answer of 500 and above, a reset, a refused connection, or too late."""
    timeouts: Count = 0
    """Those of the failures that came too late."""
    non_finite: Count = 0
    """Answers with NaN or infinity in them."""
    latency: Annotated[tuple[Count, ...], Field(max_length=BUCKETS)] = ()
    """Answering times at the servers, by bucket: the first up to 10 us, each next one 1.2 times as
    far."""

    def __add__(self, other: Counts) -> Counts:
        """Both together."""
        longest = max(len(self.latency), len(other.latency))
        return Counts(
            tries=self.tries + other.tries,
            failures=self.failures + other.failures,
            timeouts=self.timeouts + other.timeouts,
            non_finite=self.non_finite + other.non_finite,
            latency=tuple(
                mine + theirs
                for mine, theirs in zip(
                    _filled(self.latency, longest), _filled(other.latency, longest), strict=True
                )
            ),
        )


class Pairs(Model):
    """Requests that both versions answered, compared."""

    total: Count = 0
    """How many were compared."""
    agreeing: Count = 0
    """Those with the same label and scores as close as asked for."""

    def __add__(self, other: Pairs) -> Pairs:
        """Both together."""
        return Pairs(total=self.total + other.total, agreeing=self.agreeing + other.agreeing)


class Tally(Model):
    """All that was counted while one shadow or step lasted."""

    champion: Counts = Counts()
    """The version that reigns."""
    challenger: Counts = Counts()
    """The candidate."""
    pairs: Pairs = Pairs()
    """Shadowed requests, compared."""

    def __add__(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(
            champion=self.champion + other.champion,
            challenger=self.challenger + other.challenger,
            pairs=self.pairs + other.pairs,
        )


class Check(Model):
    """One comparison, with all that is needed to do it again by hand."""

    name: Literal["Requests", "Errors", "Latency", "Agreement", "NonFinite"]
    """What is compared."""
    verdict: Literal["Pass", "Fail", "Inconclusive", "Error"]
    """Pass and Fail are proven at `limits.alpha`; Inconclusive needs more requests."""
    estimate: Annotated[str, Field(max_length=32)] = ""
    """What was seen: a difference, a ratio, a part or a number."""
    low: Annotated[str, Field(max_length=32)] = ""
    """The lower end of the interval that holds the truth, whenever one looks."""
    high: Annotated[str, Field(max_length=32)] = ""
    """The upper end."""
    limit: Annotated[str, Field(max_length=32)] = ""
    """What it is held against."""
    counted: Count = 0
    """How many requests it rests on."""
    reading: Reading = ""
    """The same in a sentence."""


class Tried(Model):
    """Tries at one version, and how many of them failed."""

    tries: Count = 0
    """Requests that a router gave it, each try counted."""
    failures: Count = 0
    """Tries that failed."""

    @classmethod
    def of(cls, counts: Counts) -> Tried:
        """Those of all counts."""
        return cls(tries=counts.tries, failures=counts.failures)

    def __sub__(self, earlier: Tried) -> Tried:
        """What came since; counts only ever grow."""
        return Tried(tries=self.tries - earlier.tries, failures=self.failures - earlier.failures)


class Mark(Model):
    """Where the counts stood at some time, so that what came since can be looked at by itself."""

    number: Annotated[int, Field(ge=1)]
    """Which of the marks of this stage, or watch, it is; the chance of error of what came since
    follows from it."""
    at: Time
    """When."""
    champion: Tried = Tried()
    """The version that reigned."""
    challenger: Tried = Tried()
    """The candidate."""


class Evidence(Model):
    """What was counted, and what follows from it."""

    since: Time
    """When counting began: every router was seen to have the stage's configuration."""
    at: Time
    """When this was written down; what was counted since is added with the next writing."""
    tally: Tally = Tally()
    """The counts."""
    checks: Annotated[tuple[Check, ...], Field(max_length=MAX_CHECKS)] = ()
    """The comparisons."""
    marks: Annotated[tuple[Mark, ...], Field(max_length=MAX_MARKS)] = ()
    """Where the counts stood lately: what fails since then shows, although all went well before."""

    @property
    def lacking(self) -> tuple[Check, ...]:
        """The checks that decide and have not passed."""
        return tuple(check for check in self.checks if check.limit and check.verdict != "Pass")

    @property
    def failed(self) -> Check | None:
        """The first check that shows the candidate to be worse than it may be."""
        return next((check for check in self.checks if check.verdict == "Fail"), None)


class Stage(Model):
    """The shadow or the step that a rollout is at, as the spec had it when it began."""

    shadow: Shadow | None = None
    """Set while requests are mirrored."""
    step: Step | None = None
    """Set while the traffic is split."""
    decided_at: Time
    """When it was decided."""
    evidence: Evidence | None = None
    """Set once every router was seen to have it; from then on its time runs."""

    @classmethod
    def of(cls, asked: Shadow | Step, decided_at: datetime) -> Stage:
        """The stage that a shadow or a step of the spec opens."""
        if isinstance(asked, Shadow):
            return cls(shadow=asked, decided_at=decided_at)
        return cls(step=asked, decided_at=decided_at)

    @property
    def weight(self) -> int:
        """The part of the users' requests that the candidate gets, in percent."""
        return self.step.weight if self.step else 0

    @property
    def asked(self) -> Step | Shadow:
        """The minimum of requests and time, and the deadline."""
        return self.step or self.shadow or Shadow()

    @property
    def mirrored(self) -> int:
        """The part of the champion's requests that the candidate gets too, in percent."""
        return self.shadow.percent if self.shadow else 0

    @property
    def needs_approval(self) -> bool:
        """Whether a person has the last word on its end."""
        return self.step is not None and self.step.approval == "Manual"

    @property
    def requests(self) -> int:
        """How many requests the candidate was given in it."""
        return self.evidence.tally.challenger.tries if self.evidence else 0

    @property
    def missing_requests(self) -> int:
        """How many more requests the candidate must be given."""
        return max(0, self.asked.min_requests - self.requests)

    def elapsed(self, now: datetime) -> timedelta:
        """How long every router has had it."""
        return max(timedelta(0), now - self.evidence.since) if self.evidence else timedelta(0)

    def missing_time(self, now: datetime) -> timedelta:
        """How much longer it must last."""
        return max(timedelta(0), self.asked.min_duration - self.elapsed(now))

    def is_overdue(self, now: datetime) -> bool:
        """Whether it has had all the time that the evidence may take."""
        return self.elapsed(now) >= self.asked.max_duration


class Return(Model):
    """The decision to take the traffic back from a candidate."""

    outcome: Literal["Rejected", "RolledBack", "Aborted", "Superseded", "Withdrawn"] = "RolledBack"
    """What became of it. A superseded or withdrawn version may be tried again; any other is
    remembered as rejected."""
    decided_at: Time
    """When it was decided."""
    reason: Reason
    """Why."""
    message: Text
    """The same for people."""


class Transition(Model):
    """A takeover that is under way. Each date is written before the step it allows is taken."""

    id: Annotated[str, Field(max_length=64)]
    """Tells this takeover from every other: the version, its bundle and when it began."""
    to: Serving
    """The version that is to take over."""
    started_at: Time
    """When its servers were asked for."""
    by_hand: bool = False
    """Whether a person chose the version by an action; then it takes over once it is verified."""
    paused: bool = False
    """Whether a person paused it, by an action."""
    verified_at: Time | None = None
    """When it answered its golden rows rightly through the router; only from then on it may meet
    users."""
    slowest_milliseconds: Annotated[int, Field(ge=0)] = 0
    """The longest that the champion took over an answer to users by then. No try is given less than
    twice as much, whatever `rollout.attemptTimeoutMilliseconds` says."""
    stage: Stage | None = None
    """The shadow or the step that it is at, or was at last."""
    promoting_at: Time | None = None
    """When it was decided to give it all the traffic."""
    promoted_by_hand: bool = False
    """Whether a person decided that, before the evidence did."""
    promoted_at: Time | None = None
    """When every router was seen to send it the traffic; from then on it is watched."""
    watch: Evidence | None = None
    """What is counted while it is watched."""
    rollback: Return | None = None
    """Set when the traffic returns to the former version."""
    champion_down_at: Time | None = None
    """Since when the champion has had no ready server, while it is compared."""
    waiting_for: Text = ""
    """What the next step waits for, in words."""

    def following(self, rollout: Rollout) -> Shadow | Step | None:
        """What comes after the current stage as the spec has it now; None for all the traffic."""
        if self.stage is None and rollout.shadow:
            return rollout.shadow
        return rollout.step_after(self.stage.weight if self.stage else 0)

    def lacking(self, rollout: Rollout) -> tuple[Check, ...]:
        """The checks that the current stage cannot end well without.

        Before another step that is the number of requests; before all the traffic, every one.
        """
        evidence = self.stage.evidence if self.stage else None
        is_last = self.following(rollout) is None
        lacking = evidence.lacking if evidence else ()
        return tuple(check for check in lacking if is_last or check.name == "Requests")

    def ready_by(self, rollout: Rollout) -> datetime:
        """When a candidate that is still not verified has had time enough."""
        return self.started_at + rollout.progress_deadline

    def watched_until(self, rollout: Rollout) -> datetime | None:
        """When the former version is let go; None before the promotion."""
        return self.promoted_at + rollout.watch.duration if self.promoted_at else None


class Rejection(Model):
    """A bundle that was turned down. It is not tried again until `rollout.retryToken` changes."""

    version: VersionNumber
    """The number it had."""
    digest: Digest
    """The bundle; the same bundle under another number is still turned down."""
    reason: Reason
    """Why."""
    message: Text
    """The same for people, with the remedy."""
    at: Time
    """When."""
    retry_token: Annotated[str, Field(max_length=128)] = ""
    """The retry token that was set at the time."""
    evidence: Annotated[tuple[Reading, ...], Field(max_length=MAX_CHECKS)] = ()
    """What had been compared by then."""

    def holds(self, rollout: Rollout) -> bool:
        """Whether it was not lifted since by another retry token."""
        return self.retry_token == rollout.retry_token


class Reign(Model):
    """A time in which one version answered."""

    version: VersionNumber
    """The number in the model line."""
    digest: Digest
    """The bundle."""
    since: Time
    """When every router was seen to send it all the traffic."""
    until: Time | None = None
    """When another version took its place; unset while it reigns."""
    reason: Reason
    """How it came to reign: FirstVersion, Promoted, PromotedByHand, Pinned, RolledBack or
    ReturnedByHand."""
    message: Text
    """The same for people."""
    transition: Annotated[str, Field(max_length=64)] = ""
    """The rollout that ended with it."""
    evidence: Annotated[tuple[Reading, ...], Field(max_length=MAX_CHECKS)] = ()
    """What was compared before it got all the traffic."""


class Retiring(Model):
    """A version whose servers are removed once their last answers are out."""

    version: VersionNumber
    """The number in the model line."""
    artifact: Artifact
    """The bundle."""
    since: Time
    """Since when no router sends it traffic."""


class Share(Model):
    """What part of the traffic a version gets, as every router was seen to have it."""

    version: VersionNumber
    """The number in the model line."""
    digest: Digest
    """The bundle."""
    percent: Annotated[int, Field(ge=0, le=100)]
    """The part of the requests, in percent."""


def _filled(counts: tuple[int, ...], length: int) -> tuple[int, ...]:
    return counts + (0,) * (length - len(counts))
