"""InferenceService: one stable URL, behind which the best proven version of a model answers.

The spec is intent: the model line, the shape of the servers, how a new version takes over. The
status is outcome: who answers, who takes over, who was turned down and why. The operator never
edits a spec.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import Field

from regnant.api.actions import ActionResult
from regnant.api.meta import Status
from regnant.api.model import (
    DecimalString,
    Duration,
    Model,
    ModelName,
    Rule,
    VersionNumber,
    at_least_a_second,
    decimal_between,
    immutable,
)
from regnant.api.pod import Placement, Resources
from regnant.api.rollout import Rollout
from regnant.api.rollout_status import (
    MAX_HISTORY,
    Reign,
    Rejection,
    Retiring,
    Serving,
    Share,
    Transition,
)


class Pin(Model):
    """A version that is asked for by number."""

    version: VersionNumber
    """The ModelVersion's number in the model line."""


class Tuning(Model):
    """What a server holds at once and logs; what is left out has a default that suits most."""

    rules: ClassVar = (
        decimal_between(
            "accessLogShare", "0", "1", where="server.tuning", why="it is a part of the requests"
        ),
    )

    access_log_share: DecimalString | None = None
    """The part of the requests that each server logs, chosen by their ids; none if left out."""
    max_in_flight: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """The most requests that a server works on at a time; more are refused with 503."""
    max_body_bytes: Annotated[int, Field(ge=1024, le=1 << 30)] | None = None
    """The longest body of a request; a longer one is refused with 413."""
    max_batch_rows: Annotated[int, Field(ge=1, le=65_536)] | None = None
    """The most rows of several requests that are computed together; 1 keeps requests apart."""
    queue_timeout: Duration | None = None
    """How long a request may wait for a free thread; after that it is refused with 503."""


class Server(Model):
    """The pods that run one version."""

    replicas: Annotated[int, Field(ge=1, le=100)] = 1
    """How many pods each version has."""
    resources: Resources = Resources(
        requests={"cpu": "100m", "memory": "128Mi"}, limits={"memory": "512Mi"}
    )
    """What each server asks for and may use."""
    placement: Placement = Placement()
    """Where the servers may run."""
    tuning: Tuning = Tuning()
    """What each server holds at once and logs."""


class Router(Model):
    """The pods behind the stable URL."""

    rules: ClassVar = (at_least_a_second("requestTimeout", where="router"),)

    replicas: Annotated[int, Field(ge=1, le=20)] = 1
    """How many router pods there are; two or more keep answering while a node is drained."""
    resources: Resources = Resources(
        requests={"cpu": "100m", "memory": "64Mi"}, limits={"memory": "512Mi"}
    )
    """What each router asks for and may use."""
    placement: Placement = Placement()
    """Where the routers may run."""
    request_timeout: Duration = timedelta(seconds=60)
    """How long a request may take in all; after that the user gets 504."""


class InferenceServiceSpec(Model):
    """Which model line answers, on what, and how a new version takes over."""

    rules: ClassVar = (
        immutable("modelName", remedy="make a new InferenceService for another model line"),
        Rule(
            "!has(self.champion) || !has(self.challenger)"
            " || self.champion.version != self.challenger.version",
            "challenger.version: is the champion's own version; pin another one, or leave it out",
        ),
    )

    model_name: ModelName
    """The model line. Its newest version takes over once it is verified."""
    champion: Pin | None = None
    """Pins the version that is to answer. It takes over as soon as it is verified, without shadow
    and steps; to return to an earlier version, pin it. Without a pin the newest version challenges
    the one that answers."""
    challenger: Pin | None = None
    """Pins the version that challenges the champion. Beside a pinned champion it is compared and
    never promoted."""
    server: Server = Server()
    """The pods that run one version."""
    router: Router = Router()
    """The pods behind the stable URL."""
    rollout: Rollout = Rollout()
    """How a new version takes over, and when it is turned down."""

    def pins(self, version: int) -> bool:
        """Whether a person pinned that version to answer, which is a verdict of its own."""
        return self.champion is not None and self.champion.version == version

    def pins_another(self, version: int) -> bool:
        """Whether another version is pinned to answer, which no evidence overrules."""
        return self.champion is not None and self.champion.version != version

    def chooses(self, transition: Transition) -> bool:
        """Whether a person chose the version: then it takes over once it is verified."""
        return transition.by_hand or self.pins(transition.to.version)


MAX_REJECTED = 20
MAX_RETIRING = 8


class InferenceServiceStatus(Status):
    """Who answers, who takes over, who was turned down and why."""

    phase: Annotated[str, Field(max_length=32)] = ""
    """One word for a list: Waiting, Preparing, Verifying, Shadowing, Splitting, Promoting,
    Watching, Serving, RollingBack or Degraded."""
    url: Annotated[str, Field(max_length=512)] = ""
    """Where the model answers inside the cluster; it never changes."""
    champion: Serving | None = None
    """The version that answers."""
    previous: Serving | None = None
    """The version that answered before it, which a rollback returns to."""
    rollout: Transition | None = None
    """The takeover that is under way."""
    floor: Annotated[int, Field(ge=0)] = 0
    """Versions up to this number challenge only when they are pinned or tried again by hand: a
    person went back behind them."""
    retried: VersionNumber | None = None
    """The version up to the floor that a person lets challenge all the same, by `regnant retry`;
    of several, the last one that was asked for."""
    last_action: ActionResult | None = None
    """The answer to the action that a person asked for last."""
    history: Annotated[tuple[Reign, ...], Field(max_length=MAX_HISTORY)] = ()
    """Who answered from when to when, and why; newest first."""
    retiring: Annotated[tuple[Retiring, ...], Field(max_length=MAX_RETIRING)] = ()
    """Versions whose servers are being removed."""
    traffic: Annotated[tuple[Share, ...], Field(max_length=4)] = ()
    """What part of the traffic each version gets, as seen on every router."""
    rejected: Annotated[tuple[Rejection, ...], Field(max_length=MAX_REJECTED)] = ()
    """Versions that were turned down, newest first."""

    def is_paused(self, rollout: Rollout) -> bool:
        """Whether a person holds the open rollout, by the spec or by an action.

        A first version is not held: there is nothing that could answer instead.
        """
        if self.rollout is None or self.champion is None:
            return False
        return rollout.paused or self.rollout.paused

    def holds_back(self, version: int) -> bool:
        """Whether a version does not challenge by itself, as a person went back behind it."""
        return version <= self.floor and version != self.retried

    @property
    def former(self) -> int | None:
        """The version that is returned to where none is named; None where none is recorded.

        That is the one before the champion. After a return it is the last one that reigned before
        and was not turned down: nobody means to go back to what was just left.
        """
        if self.previous:
            return self.previous.version
        bad = {one.digest for one in self.rejected}
        bad |= {self.champion.digest} if self.champion else set()
        return next((one.version for one in self.history if one.digest not in bad), None)
