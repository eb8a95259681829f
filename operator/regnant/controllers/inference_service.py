"""What is seen of an InferenceService: versions, servers, routers, and how a candidate answers.

Routers are asked what they have only while a takeover is open, so a settled service costs the
operator nothing but its watches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from regnant.api.inference_service import InferenceServiceStatus
from regnant.api.meta import Kind
from regnant.api.model_version import Artifact
from regnant.api.rollout_status import Serving
from regnant.cluster.client import Cluster
from regnant.cluster.errors import NotFoundError
from regnant.cluster.kinds import Manifest, Ref
from regnant.controllers.queue import Key
from regnant.controllers.reconciler import Sighting
from regnant.lifecycle import inference_service as lifecycle
from regnant.lifecycle import serving_plan
from regnant.lifecycle.decision import Decision
from regnant.lifecycle.diagnosis import Fault, diagnose, diagnose_deployments, is_ready
from regnant.lifecycle.serving_plan import Service
from regnant.lifecycle.serving_state import (
    Candidate,
    Observed,
    RouterHealth,
    ServerHealth,
    Verification,
)
from regnant.manifests import names, router, server
from regnant.manifests.platform import Platform
from regnant.probes.errors import ProbeError
from regnant.probes.router import Prober, Target

CHILDREN = (
    "Deployment",
    "Service",
    "ConfigMap",
    "PodDisruptionBudget",
    "NetworkPolicy",
    "Pod",
)


@dataclass(frozen=True, slots=True)
class InferenceServiceObserver:
    """Sees what a decision on an InferenceService rests on."""

    cluster: Cluster
    prober: Prober
    platform: Platform
    wake: Callable[[Key], None]

    async def observe(
        self, resource: Service, obstacle: Fault | None
    ) -> Sighting[InferenceServiceStatus]:
        """What is so now."""
        head = resource.metadata
        labels = names.owned_by(Kind.INFERENCE_SERVICE, head.name)
        found = {kind: await self.cluster.list(kind, head.namespace, labels) for kind in CHILDREN}
        routers = [pod for pod in found["Pod"] if _component(pod) == router.COMPONENT]
        observed = Observed(
            service=resource,
            platform=self.platform,
            versions=await self._versions(resource),
            servers=_servers(resource, found["Pod"], found["Deployment"]),
            server_names=frozenset(
                one["metadata"]["name"]
                for one in found["Deployment"]
                if _component(one) == server.COMPONENT
            ),
            routers=await self._routers(resource, routers),
            obstacle=obstacle,
        )
        if lifecycle.wants_verification(observed):
            observed = replace(observed, verification=await self._verify(resource, routers))
        children = {
            (one["kind"], one["metadata"]["name"]): one
            for kind in CHILDREN
            if kind != "Pod"
            for one in found[kind]
        }

        async def afterwards(decision: Decision[InferenceServiceStatus]) -> None:
            await self._sync_routers(resource, decision.status, routers)
            self._wake_versions(resource, decision.status)

        return Sighting(lambda now: lifecycle.decide(observed, now), children, afterwards)

    async def _versions(self, resource: Service) -> tuple[Candidate, ...]:
        found = await self.cluster.list("ModelVersion", resource.metadata.namespace)
        return tuple(
            Candidate(one["spec"]["version"], Artifact.model_validate(one["spec"]["artifact"]))
            for one in found
            if one["spec"]["modelName"] == resource.spec.model_name
            and "deletionTimestamp" not in one["metadata"]
        )

    async def _routers(self, resource: Service, pods: Sequence[Manifest]) -> RouterHealth:
        ready = [pod for pod in pods if is_ready(pod)]
        asked = ready if _open(resource) else []
        revisions = [await self.prober.router_revision(pod["status"]["podIP"]) for pod in asked]
        return RouterHealth(
            desired=resource.spec.router.replicas,
            ready=len(ready),
            revisions=tuple(revision or "" for revision in revisions),
            fault=diagnose(pods),
        )

    async def _verify(self, resource: Service, routers: Sequence[Manifest]) -> Verification | None:
        """Replay the candidate's golden rows through every router; None if one is not reached."""
        transition = resource.status.rollout
        if transition is None:
            return None
        candidate = transition.to
        target = Target(resource.spec.model_name, candidate.version, candidate.digest)
        for pod in routers:
            if not is_ready(pod):
                continue
            try:
                result = await self.prober.verify(pod["status"]["podIP"], target)
            except ProbeError:
                return None
            if not result.passed:
                return Verification(candidate.digest, passed=False, message=result.message)
        return Verification(candidate.digest, passed=True)

    async def _sync_routers(
        self, resource: Service, status: InferenceServiceStatus, pods: Sequence[Manifest]
    ) -> None:
        """Have the kubelet bring the configuration to every router at once, not within a minute."""
        revision = serving_plan.routing(resource, status).revision
        for pod in pods:
            annotations = pod["metadata"].get("annotations", {})
            if "deletionTimestamp" in pod["metadata"]:
                continue
            if annotations.get(router.CONFIG_SYNC) != revision:
                target = Ref("Pod", resource.metadata.namespace, pod["metadata"]["name"])
                try:
                    await self.cluster.annotate(target, {router.CONFIG_SYNC: revision})
                except NotFoundError:
                    continue

    def _wake_versions(self, resource: Service, status: InferenceServiceStatus) -> None:
        """Roles that changed show in the ModelVersions, whose keys are woken here."""
        before, after = _roles(resource.status), _roles(status)
        for version in {version for _, version in before ^ after}:
            name = names.model_version(resource.spec.model_name, version)
            self.wake(Key(Kind.MODEL_VERSION, resource.metadata.namespace, name))


def _open(resource: Service) -> bool:
    """Whether it matters now what the routers have."""
    status = resource.status
    answering = serving_plan.answering(status)
    seen = {share.digest for share in status.traffic}
    return status.rollout is not None or (answering is not None and answering.digest not in seen)


def _roles(status: InferenceServiceStatus) -> set[tuple[str, int]]:
    named: Mapping[str, Serving | None] = {
        "champion": status.champion,
        "candidate": status.rollout.to if status.rollout else None,
        "previous": status.previous,
    }
    roles = {(role, serving.version) for role, serving in named.items() if serving}
    return roles | {("rejected", rejection.version) for rejection in status.rejected}


def _servers(
    resource: Service, pods: Sequence[Manifest], deployments: Sequence[Manifest]
) -> dict[str, ServerHealth]:
    """The health of each version's servers, by digest.

    What is desired is the spec's word: a Deployment learns of it only when the decision is carried
    out, and a service that is to grow would be called ready until then.
    """
    health = {}
    for digest in serving_plan.running(resource.status):
        short = names.short(digest)
        own, its = (
            [one for one in found if one["metadata"]["labels"].get(names.DIGEST) == short]
            for found in (pods, deployments)
        )
        ready = sum(is_ready(pod) for pod in own)
        fault = diagnose(own) or diagnose_deployments(its)
        health[digest] = ServerHealth(resource.spec.server.replicas, ready, fault)
    return health


def _component(found: Manifest) -> str:
    return str(found["metadata"]["labels"].get(names.COMPONENT, ""))
