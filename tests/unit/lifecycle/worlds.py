"""A cluster in a few lines, to drive decisions through: what is decided is carried out at once.

Servers become what the test says they are, routers take up a configuration when the test lets them,
and time passes only when it is told to.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from regnant.api.actions import ANNOTATION, Action
from regnant.api.inference_service import InferenceServiceSpec, InferenceServiceStatus
from regnant.api.meta import Metadata
from regnant.api.model_version import Artifact
from regnant.api.resources import Resource
from regnant.api.rollout_status import Counts, Tally
from regnant.lifecycle import inference_service, serving_plan
from regnant.lifecycle.decision import Announcement, Decision
from regnant.lifecycle.diagnosis import Fault
from regnant.lifecycle.serving_state import (
    Candidate,
    Observed,
    RouterHealth,
    ServerHealth,
    Verification,
)
from regnant.manifests import names
from regnant.manifests.platform import Platform

START = datetime(2026, 1, 1, tzinfo=UTC)
PLATFORM = Platform(
    trainer_image="trainer:1",
    server_image="server:1",
    router_image="router:1",
    store_uri="oci://registry:5000/models",
    store_plain_http=True,
)


def digest(letter: str) -> str:
    """A digest that a reader can tell from another."""
    return "sha256:" + letter * 64


def artifact(letter: str) -> Artifact:
    return Artifact(uri="oci://registry:5000/models/ns/churn", digest=digest(letter))


def candidate(version: int, letter: str | None = None) -> Candidate:
    return Candidate(version, artifact(letter or "0123456789abcdef"[version % 16]))


@dataclass
class ServiceWorld:
    """One InferenceService and everything around it."""

    spec: InferenceServiceSpec = field(
        default_factory=lambda: InferenceServiceSpec(model_name="churn")
    )
    status: InferenceServiceStatus = field(default_factory=InferenceServiceStatus)
    versions: list[Candidate] = field(default_factory=list)
    now: datetime = START
    health: dict[str, ServerHealth] = field(default_factory=dict)
    """By digest; servers that run and are not listed here are ready."""
    wrong: set[str] = field(default_factory=set)
    """Digests that answer their golden rows falsely."""
    deployed: set[str] = field(default_factory=set)
    routers_follow: bool = True
    revision: str = ""
    announced: list[Announcement] = field(default_factory=list)
    heard: set[str] = field(default_factory=set)
    """Digests whose servers answered the operator."""
    silent: dict[str, str] = field(default_factory=dict)
    """Why pods have not answered the operator for long, by their addresses."""
    slowest: timedelta = timedelta(0)
    """The longest that the champion took over an answer."""
    annotations: dict[str, str] = field(default_factory=dict)
    pending: Tally = field(default_factory=Tally)
    """What was counted and is not in the status yet; gone once it is."""

    def observe(self) -> Observed:
        service = Resource(
            Metadata(name="shop", namespace="ns", uid="u", annotations=self.annotations),
            self.spec,
            self.status,
        )
        running = serving_plan.running(self.status)
        servers = {
            one: self.health.get(one, ServerHealth(1, 1))
            for one, (version, _) in running.items()
            if names.server("shop", version, one) in self.deployed
        }
        observed = Observed(
            service=service,
            platform=PLATFORM,
            versions=tuple(self.versions),
            servers=servers,
            server_names=frozenset(self.deployed),
            routers=RouterHealth(1, 1, (self.revision,)),
            tally=self.pending,
            heard=frozenset(self.heard),
            silent=dict(self.silent),
        )
        if inference_service.wants_verification(observed) and self.status.rollout:
            tried = self.status.rollout.to.digest
            passed = tried not in self.wrong
            verification = Verification(
                tried, passed, "" if passed else "row 3 differs", slowest=self.slowest
            )
            observed = replace(observed, verification=verification)
        return observed

    def decide(self) -> Decision[InferenceServiceStatus]:
        return inference_service.decide(self.observe(), self.now)

    def execute(self, decision: Decision[InferenceServiceStatus]) -> None:
        if _written(self.status) != _written(decision.status):
            self.pending = Tally()
        self.status = decision.status
        for manifest in decision.apply:
            if manifest["kind"] == "Deployment" and not manifest["metadata"]["name"].endswith(
                "-router"
            ):
                self.deployed.add(manifest["metadata"]["name"])
        self.deployed -= {child.name for child in decision.delete if child.kind == "Deployment"}
        if self.routers_follow:
            self.follow()
        self.announced.extend(decision.announce)

    def follow(self) -> None:
        """The routers take up the configuration that the status asks for."""
        self.revision = serving_plan.routing(self.observe().service, self.status).revision

    def step(self, *, seconds: float = 0) -> Decision[InferenceServiceStatus]:
        self.now += timedelta(seconds=seconds)
        decision = self.decide()
        self.execute(decision)
        return decision

    def run(self, steps: int = 8) -> None:
        for _ in range(steps):
            self.step(seconds=1)

    def settle(self, limit: int = 400) -> None:
        """Go on until nothing is left to look at again."""
        for _ in range(limit):
            decision = self.step(seconds=5)
            if decision.requeue_after is None:
                return
        raise AssertionError(f"did not settle: {self.status}")

    def add(self, version: int, letter: str | None = None) -> str:
        added = candidate(version, letter)
        self.versions.append(added)
        return added.artifact.digest

    def serve(
        self,
        *,
        champion: tuple[int, int] = (0, 0),
        challenger: tuple[int, int] = (0, 0),
        seconds: float = 1,
    ) -> None:
        """Let users be served for a while: (tries, failures) of each version, then a look."""
        self.pending += Tally(champion=_counts(*champion), challenger=_counts(*challenger))
        self.step(seconds=seconds)

    def content(self, limit: int = 2000) -> None:
        """Let every version answer well, and people approve, until nothing is left to do."""
        for _ in range(limit):
            rollout = self.status.rollout
            held = rollout is not None and (
                "a person" in rollout.waiting_for or "spec.champion" in rollout.waiting_for
            )
            if held:
                self.spec = self.spec.model_copy(
                    update={"rollout": self.spec.rollout.model_copy(update={"paused": False})}
                )
                self.ask("abort" if self.spec.champion else "promoteFull")
            self.pending += Tally(champion=_counts(3000, 0), challenger=_counts(3000, 0))
            if self.step(seconds=5).requeue_after is None:
                return
        raise AssertionError(f"did not settle: {self.status}")

    def until(self, phase: str, limit: int = 60) -> None:
        """Go on, without users, until the service is in that phase."""
        for _ in range(limit):
            if self.status.phase == phase:
                return
            self.step(seconds=1)
        raise AssertionError(f"never {phase}: {self.status.phase}, {self.status.rollout}")

    def ask(self, action: str, *, transition: str | None = None, version: int | None = None) -> str:
        """Write the annotation that `regnant ACTION` writes, and let it be answered."""
        open_now = self.status.rollout.id if self.status.rollout else ""
        wish = Action.model_validate(
            {
                "id": f"wish-{len(self.announced)}-{self.now.isoformat()}"[:64],
                "action": action,
                "transition": open_now if transition is None else transition,
                "version": version,
                "by": "ada",
            }
        )
        self.annotations = {ANNOTATION: wish.model_dump_json(by_alias=True)}
        self.step()
        assert self.status.last_action
        assert self.status.last_action.id == wish.id
        return self.status.last_action.outcome

    @property
    def weight(self) -> int:
        """The part of the traffic that the candidate is to get."""
        return serving_plan.routing(self.observe().service, self.status).weight

    def down(self, which: str, fault: Fault | None = None) -> None:
        self.health[which] = ServerHealth(1, 0, fault)

    @property
    def answering(self) -> str:
        """The digest that the routers send users to."""
        serving = serving_plan.answering(self.status)
        return serving.digest if serving else ""

    def reasons(self) -> list[str]:
        return [announcement.reason for announcement in self.announced]


def _counts(tries: int, failures: int) -> Counts:
    """So many requests, all answered equally fast."""
    return Counts(tries=tries, failures=failures, latency=(0, 0, 0, tries - failures))


def _written(status: InferenceServiceStatus) -> object:
    """Which counting stands in the status, and when it was written."""
    rollout = status.rollout
    stage = rollout.stage if rollout else None
    evidence = (rollout.watch if rollout else None) or (stage.evidence if stage else None)
    return (rollout.id if rollout else "", stage and stage.decided_at, evidence and evidence.at)


def serving_world(**spec: object) -> ServiceWorld:
    """A world in which churn-1 has answered for long."""
    world = ServiceWorld(spec=InferenceServiceSpec.model_validate({"modelName": "churn"} | spec))
    world.add(1)
    world.settle()
    assert world.status.champion
    assert world.status.champion.version == 1
    return world
