"""InferenceService: one stable URL, behind which the best proven version of a model answers.

The spec is intent: the model line, the shape of the servers, how a new version takes over. The
status is outcome: who answers, who takes over, who was turned down and why. The operator never
edits a spec.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import Field

from regnant.api.meta import Status
from regnant.api.model import (
    Digest,
    Duration,
    Model,
    ModelName,
    Reason,
    Text,
    Time,
    VersionNumber,
    at_least_a_second,
    immutable,
)
from regnant.api.model_version import Artifact
from regnant.api.pod import Placement, Resources


class Pin(Model):
    """A version that is asked for by number."""

    version: VersionNumber
    """The ModelVersion's number in the model line."""


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


class Watch(Model):
    """The time after a takeover in which the former version stays ready to return."""

    duration: Duration = timedelta(minutes=10)
    """How long the former version is kept running; should the new one stop being healthy in this
    time, the former one answers again."""


class Rollout(Model):
    """How a new version takes over."""

    rules: ClassVar = (at_least_a_second("progressDeadline", where="rollout"),)

    progress_deadline: Duration = timedelta(minutes=10)
    """How long a new version may take to become healthy before it is rejected."""
    watch: Watch = Watch()
    """The time after a takeover in which the former version stays ready to return."""
    retry_token: Annotated[str, Field(max_length=128)] = ""
    """Any new text lets versions that were rejected before try again."""


class InferenceServiceSpec(Model):
    """Which model line answers, on what, and how a new version takes over."""

    rules: ClassVar = (
        immutable("modelName", remedy="make a new InferenceService for another model line"),
    )

    model_name: ModelName
    """The model line. Its newest version takes over once it is verified."""
    champion: Pin | None = None
    """Pins the version that is to answer; without it the newest one does. To return to an earlier
    version, pin it."""
    server: Server = Server()
    """The pods that run one version."""
    router: Router = Router()
    """The pods behind the stable URL."""
    rollout: Rollout = Rollout()
    """How a new version takes over, and when it is turned down."""


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


class Return(Model):
    """The decision to go back to the former version."""

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
    verified_at: Time | None = None
    """When it answered its golden rows rightly through the router; from then on it gets the
    traffic."""
    promoted_at: Time | None = None
    """When every router was seen to send it the traffic; from then on it is watched."""
    rollback: Return | None = None
    """Set when the traffic returns to the former version."""


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


MAX_REJECTED = 20
MAX_RETIRING = 8


class InferenceServiceStatus(Status):
    """Who answers, who takes over, who was turned down and why."""

    phase: Annotated[str, Field(max_length=32)] = ""
    """One word for a list: Waiting, Preparing, Verifying, Promoting, Watching, Serving, RollingBack
    or Degraded."""
    url: Annotated[str, Field(max_length=512)] = ""
    """Where the model answers inside the cluster; it never changes."""
    champion: Serving | None = None
    """The version that answers."""
    previous: Serving | None = None
    """The version that answered before it, which a rollback returns to."""
    rollout: Transition | None = None
    """The takeover that is under way."""
    retiring: Annotated[tuple[Retiring, ...], Field(max_length=MAX_RETIRING)] = ()
    """Versions whose servers are being removed."""
    traffic: Annotated[tuple[Share, ...], Field(max_length=4)] = ()
    """What part of the traffic each version gets, as seen on every router."""
    rejected: Annotated[tuple[Rejection, ...], Field(max_length=MAX_REJECTED)] = ()
    """Versions that were turned down, newest first."""
