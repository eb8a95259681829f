"""How a new version takes over: what it must prove, in which steps, and who has the last word.

Every phase but the verification can be left out. Without `shadow` and `steps` a verified version
takes over at once and is watched; with `shadow` alone nobody but the operator sees its answers
before it reigns; with `steps` alone it is a canary.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from regnant.api.model import (
    DecimalString,
    Duration,
    Model,
    Rule,
    at_least_a_second,
    decimal_between,
    one_of,
)

MAX_STEPS = 10
HEADER_PATTERN = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"
"""A token of RFC 9110, which is what the name of a header or of a cookie is made of."""


class LoadProbe(Model):
    """A short, bounded load of golden rows that a candidate must carry before any user meets it."""

    requests: Annotated[int, Field(ge=10, le=10_000)] = 200
    """How many requests are sent."""
    concurrency: Annotated[int, Field(ge=1, le=32)] = 4
    """How many of them are under way at a time."""
    max_p99_milliseconds: Annotated[int, Field(ge=1, le=60_000)] | None = None
    """The most that the slowest 1 % may take, as seen through the router."""
    min_requests_per_second: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """The least throughput."""


class Verify(Model):
    """What a candidate must show at weight 0, beside being ready and answering its golden rows."""

    load: LoadProbe | None = None
    """A bounded load probe; left out, none is made."""


class Shadow(Model):
    """Requests of users are mirrored to the candidate; its answers are compared, and thrown away.

    Only the champion's answers reach users, so this costs them nothing.
    """

    rules: ClassVar = (
        Rule(
            "duration(self.maxDuration) > duration(self.minDuration)",
            "shadow.maxDuration: choose more than shadow.minDuration, or shadowing never ends well",
        ),
        decimal_between(
            "minAgreement", "0", "1", where="shadow", why="it is a part of the compared answers"
        ),
    )

    percent: Annotated[int, Field(ge=1, le=100)] = 100
    """The part of the requests that is mirrored, in percent."""
    min_requests: Annotated[int, Field(ge=0, le=10_000_000)] = 500
    """The least number of mirrored requests that the candidate must have been given."""
    min_duration: Duration = timedelta(0)
    """The least time."""
    max_duration: Duration = timedelta(hours=1)
    """When the evidence does not suffice by then, `onInconclusive` decides."""
    min_agreement: DecimalString | None = None
    """The least part of the pairs that must agree: the same label and, with `scoreTolerance`, close
    scores. Left out, agreement is measured and shown, and decides nothing: a better model differs
    from the champion."""
    score_tolerance: DecimalString | None = None
    """How far apart two scores may be and still agree; needed for regression, where there are no
    labels."""


class Step(Model):
    """A part of the traffic, and what must be seen before the next step."""

    rules: ClassVar = (
        Rule(
            "duration(self.maxDuration) > duration(self.minDuration)",
            "steps.maxDuration: choose more than the step's minDuration, or the step never ends "
            "well",
        ),
    )

    weight: Annotated[int, Field(ge=1, le=100)]
    """The part of the requests that the candidate answers, in percent."""
    min_requests: Annotated[int, Field(ge=0, le=10_000_000)] = 100
    """The least number of requests that the candidate must have been given in this step."""
    min_duration: Duration = timedelta(minutes=1)
    """The least time, counted from when every router was seen to have the weight."""
    max_duration: Duration = timedelta(hours=24)
    """When the evidence does not suffice by then, `onInconclusive` decides."""
    approval: Literal["Automatic", "Manual"] = "Automatic"
    """Manual waits at the end of the step until a person says `regnant promote`."""


class Cookie(Model):
    """A cookie that the router gives to those who have none."""

    rules: ClassVar = (at_least_a_second("ttl", where="sticky.cookie"),)

    name: Annotated[str, StringConstraints(pattern=HEADER_PATTERN, max_length=64)]
    """Its name."""
    ttl: Duration = timedelta(hours=24)
    """How long browsers keep it."""


class Sticky(Model):
    """What ties a user to a version for as long as the split lasts.

    Whoever was given the candidate keeps it when its weight grows.
    """

    rules: ClassVar = (
        one_of("header", "cookie", where="sticky"),
        Rule(
            "!has(self.header) || !(self.header.lowerAscii().startsWith('x-regnant-')"
            " || self.header.lowerAscii().startsWith('x-envoy-'))",
            "sticky.header: routers take x-regnant- and x-envoy- headers off users' requests; "
            "choose another header",
        ),
    )

    header: Annotated[str, StringConstraints(pattern=HEADER_PATTERN, max_length=64)] | None = None
    """A request header that names the user, such as x-user-id; requests without it are split at
    random."""
    cookie: Cookie | None = None
    """A cookie; the router sets it."""


class Limits(Model):
    """What a candidate may be worse by, and how sure one must be.

    Each is judged by a test that may be looked at all the time: docs/evidence.md.
    """

    rules: ClassVar = (
        decimal_between(
            "alpha",
            "0.0001",
            "0.2",
            where="limits",
            why="it is the chance of a wrong decision that you accept",
        ),
        decimal_between(
            "errorRateMargin", "0.0001", "0.5", where="limits", why="0.01 allows one in a hundred"
        ),
        decimal_between(
            "latencyQuantile", "0.5", "0.999", where="limits", why="0.95 is the slowest twentieth"
        ),
        Rule(
            "double(self.maxLatencyRatio) == 0.0 || (double(self.maxLatencyRatio) >= 1.01"
            " && double(self.maxLatencyRatio) <= 100.0)",
            "limits.maxLatencyRatio: choose a number from 1.01 to 100, or 0 to leave latency out",
        ),
    )

    alpha: DecimalString = Decimal("0.05")
    """The chance of a wrong decision, in all looks together."""
    error_rate_margin: DecimalString = Decimal("0.01")
    """By how much the part of failing requests may exceed the champion's."""
    latency_quantile: DecimalString = Decimal("0.95")
    """Which quantile of the answering times is compared."""
    max_latency_ratio: DecimalString = Decimal(2)
    """How many times the champion's that quantile may be; 0 leaves latency out."""
    fast_enough_milliseconds: Annotated[int, Field(ge=0, le=60_000)] = 5
    """A quantile of at most this is fast enough, however many times the champion's it is; 0
    compares always."""


class Watch(Model):
    """The time after a takeover in which the former version stays ready to return."""

    duration: Duration = timedelta(minutes=10)
    """How long the former version is kept running; should the new one stop being healthy in this
    time, the former one answers again."""


class Rollout(Model):
    """How a new version takes over."""

    rules: ClassVar = (
        at_least_a_second("progressDeadline", where="rollout"),
        Rule(
            "!has(self.steps) || self.steps.map(s, s.weight).isSorted()",
            "rollout.steps: weights must go up from step to step",
        ),
        Rule(
            "!has(self.steps) || self.steps.all(s, self.steps.exists_one(t, t.weight == s.weight))",
            "rollout.steps: two steps have the same weight; leave one out",
        ),
    )

    progress_deadline: Duration = timedelta(minutes=10)
    """How long a new version may take to become healthy before it is rejected."""
    verify: Verify = Verify()
    """What it must show before any user meets it."""
    shadow: Shadow | None = None
    """Mirrors requests to the candidate first; left out, none are."""
    steps: Annotated[tuple[Step, ...], Field(max_length=MAX_STEPS)] = ()
    """The parts of the traffic that it is given, one after another; left out, it takes over at
    once. After the last step it gets everything."""
    sticky: Sticky | None = None
    """Ties users to a version while the traffic is split."""
    attempt_timeout_milliseconds: Annotated[int, Field(ge=10, le=600_000)] = 2000
    """How long the candidate may take over a request before the champion is asked instead."""
    limits: Limits = Limits()
    """What it may be worse by, and how sure one must be."""
    on_inconclusive: Literal["Hold", "Promote", "Reject"] = "Hold"
    """What becomes of a candidate whose evidence does not suffice by a phase's `maxDuration`. Hold
    waits, and says so, for more traffic or for a person."""
    on_new_version: Literal["Wait", "Supersede"] = "Wait"
    """What a newer version does while a rollout is open: wait for its end, or take its place."""
    watch: Watch = Watch()
    """The time after a takeover in which the former version stays ready to return."""
    paused: bool = False
    """Holds a candidate where it is. One that fails still loses its traffic, and a first version,
    beside which nothing could answer, is not held."""
    retry_token: Annotated[str, Field(max_length=128)] = ""
    """Any new text lets versions that were rejected before try again."""

    def step_after(self, weight: int) -> Step | None:
        """The first step with a greater weight; None where all the traffic comes next.

        So an edit in the middle of a rollout applies from the next step on, and never takes back
        what was given.
        """
        return next((step for step in self.steps if step.weight > weight), None)
