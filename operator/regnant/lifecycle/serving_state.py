"""What is seen of an InferenceService, and which phase it is in.

The records that decisions rest on, without any decision: `inference_service` makes those. The phase
is derived here from the dates that the status holds, and from nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from regnant.api.inference_service import InferenceServiceStatus
from regnant.api.model_version import Artifact, Interface
from regnant.api.rollout_status import Serving, Tally
from regnant.lifecycle import serving_plan
from regnant.lifecycle.diagnosis import Fault
from regnant.lifecycle.serving_plan import Service
from regnant.manifests.platform import Platform


class Phase(StrEnum):
    """Where a service is; derived from the status, never stored as an input."""

    WAITING = "Waiting"
    PREPARING = "Preparing"
    VERIFYING = "Verifying"
    SHADOWING = "Shadowing"
    SPLITTING = "Splitting"
    PROMOTING = "Promoting"
    WATCHING = "Watching"
    ROLLING_BACK = "RollingBack"
    SERVING = "Serving"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A ModelVersion of the model line."""

    version: int
    artifact: Artifact
    interface: Interface = field(default_factory=Interface)


@dataclass(frozen=True, slots=True)
class ServerHealth:
    """How the servers of one version are."""

    desired: int
    ready: int
    fault: Fault | None = None

    @property
    def complete(self) -> bool:
        """Whether every server is ready."""
        return self.ready >= self.desired > 0


@dataclass(frozen=True, slots=True)
class RouterHealth:
    """How the routers are, and which configuration each ready one was seen to have."""

    desired: int = 0
    ready: int = 0
    revisions: tuple[str, ...] = ()
    fault: Fault | None = None

    def have(self, revision: str) -> bool:
        """Whether there are routers, and every one has that configuration."""
        return bool(self.revisions) and all(seen == revision for seen in self.revisions)


@dataclass(frozen=True, slots=True)
class Verification:
    """How a version answered its golden rows through every router, and bore a load if asked to."""

    digest: str
    passed: bool
    message: str = ""
    reason: str = "VerificationFailed"
    slowest: timedelta = timedelta(0)
    """The longest that the champion's servers took over an answer to users."""


@dataclass(frozen=True, slots=True)
class Observed:
    """All that a decision on an InferenceService rests on."""

    service: Service
    platform: Platform
    versions: tuple[Candidate, ...] = ()
    servers: Mapping[str, ServerHealth] = field(default_factory=dict)
    """By digest."""
    server_names: frozenset[str] = frozenset()
    """The servers of which anything exists: Deployment, Service or PodDisruptionBudget."""
    routers: RouterHealth = RouterHealth()
    verification: Verification | None = None
    tally: Tally = field(default_factory=Tally)
    """What was counted in the current stage, or watch, and is not in the status yet."""
    heard: frozenset[str] = frozenset()
    """The digests whose servers, or one of them, answered the operator just now."""
    silent: Mapping[str, str] = field(default_factory=dict)
    """Why a pod whose counts are asked for has not answered for a while, by its address."""
    obstacle: Fault | None = None
    """What the cluster refused when the last decision was carried out."""

    def server(self, serving: Serving | None) -> ServerHealth:
        """The health of a version's servers; none at all when there are none."""
        missing = ServerHealth(0, 0)
        return self.servers.get(serving.digest, missing) if serving else missing

    def is_down(self, serving: Serving | None) -> bool:
        """Whether a version cannot answer anybody.

        A kubelet that starts anew calls every container not ready until it has probed it, so a
        server that has just answered the operator is believed over it.
        """
        heard = serving is not None and serving.digest in self.heard
        return not heard and self.server(serving).ready == 0

    def only_answers(self, candidate: Serving) -> bool:
        """Whether a candidate can answer users and the champion cannot: nobody else is left."""
        champion = self.service.status.champion
        return champion is not None and self.is_down(champion) and not self.is_down(candidate)

    @property
    def paused(self) -> bool:
        """Whether a person holds the open rollout."""
        return self.service.status.is_paused(self.service.spec.rollout)

    def candidate(self, digest: str) -> Candidate | None:
        """The ModelVersion of that bundle, if it is still there; the newest of several."""
        found = (one for one in self.versions if one.artifact.digest == digest)
        return max(found, key=lambda one: one.version, default=None)

    def routed(self) -> bool:
        """Whether every router has the configuration that the status asks for."""
        routing = serving_plan.routing(self.service, self.service.status)
        return self.routers.have(routing.revision)


def phase(status: InferenceServiceStatus, candidate: ServerHealth) -> Phase:
    """Where the service is."""
    transition = status.rollout
    if transition is None:
        return Phase.SERVING if status.champion else Phase.WAITING
    if transition.rollback:
        return Phase.ROLLING_BACK
    if transition.promoted_at:
        return Phase.WATCHING
    if transition.promoting_at:
        return Phase.PROMOTING
    if transition.stage:
        return Phase.SPLITTING if transition.stage.step else Phase.SHADOWING
    return Phase.VERIFYING if candidate.complete else Phase.PREPARING
