"""What is seen of an InferenceService: versions, servers, routers, and how a candidate answers.

Routers are asked what they have only while a takeover is open, so a settled service costs the
operator nothing but its watches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from regnant.api.inference_service import InferenceServiceStatus
from regnant.api.meta import Kind
from regnant.api.model_version import Artifact, Interface
from regnant.api.rollout_status import Serving
from regnant.cluster.client import Cluster
from regnant.cluster.kinds import Manifest
from regnant.controllers.attempts import of_this_attempt
from regnant.controllers.children import Children
from regnant.controllers.counting import Counter, Seen, contest
from regnant.controllers.queue import Key
from regnant.controllers.reconciler import Sighting
from regnant.controllers.router_sync import RouterSync
from regnant.controllers.scrape import Variant
from regnant.controllers.verifying import verify
from regnant.controllers.volumes import missing_volume
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
from regnant.probes import ProbeError, Prober
from regnant.probes.statistics import Discovery

_OF_A_SERVER = ("Deployment", "Service", "PodDisruptionBudget")
"""Of a version that is over each may be the last that is left, if a crash came in between."""

_REFUSED = Fault(
    "RouterRefusedConfiguration",
    "a router refused its configuration and serves on with the former one; its log says why: "
    "kubectl logs -l app.kubernetes.io/name=router",
)


@dataclass(frozen=True, slots=True)
class InferenceServiceObserver:
    """Sees what a decision on an InferenceService rests on."""

    cluster: Cluster
    children: Children
    prober: Prober
    counter: Counter
    routers: RouterSync
    platform: Platform
    wake: Callable[[Key], None]

    async def observe(
        self, resource: Service, obstacle: Fault | None
    ) -> Sighting[InferenceServiceStatus]:
        """What is so now."""
        counted = contest(resource.status) is not None
        children = await self.children.of(_key(resource), watched=counted)
        found = children.by_kind
        routers = _routers(found["Pod"])
        health, refusal, shown = await self._routers(resource, routers)
        seen = await self._count(resource, found["Pod"])
        observed = Observed(
            service=resource,
            platform=self.platform,
            versions=_versions(resource, children.versions),
            servers=await self._servers(resource, found["Pod"], found["Deployment"]),
            server_names=frozenset(
                one["metadata"]["name"]
                for kind in _OF_A_SERVER
                for one in found[kind]
                if _component(one) == server.COMPONENT
            ),
            routers=health,
            tally=seen.tally,
            heard=seen.heard,
            silent=seen.silent,
            obstacle=obstacle or refusal,
        )
        if lifecycle.wants_verification(observed):
            observed = replace(observed, verification=await self._verify(resource, found["Pod"]))

        async def afterwards(decision: Decision[InferenceServiceStatus]) -> None:
            wanted = serving_plan.routing(resource, decision.status).revision
            await self.routers.sync(routers, wanted, shown)
            self._wake_versions(resource, decision.status)

        return Sighting(
            lambda now: lifecycle.decide(observed, now), children.made, afterwards, lasting=counted
        )

    async def _servers(
        self, resource: Service, pods: Sequence[Manifest], deployments: Sequence[Manifest]
    ) -> dict[str, ServerHealth]:
        """The health of each version's servers, by digest.

        What is desired is the spec's word: a Deployment learns of it only when the decision is
        carried out, and a service that is to grow would be called ready until then.
        """
        health = {}
        for digest in serving_plan.running(resource.status):
            short = names.short(digest)
            own, its = (
                [one for one in found if one["metadata"]["labels"].get(names.DIGEST) == short]
                for found in (pods, deployments)
            )
            tried = of_this_attempt(own, its)
            fault = (
                diagnose(tried)
                or diagnose_deployments(its)
                or await missing_volume(self.cluster, tried)
            )
            ready = sum(is_ready(pod) for pod in own)
            health[digest] = ServerHealth(resource.spec.server.replicas, ready, fault)
        return health

    async def _routers(
        self, resource: Service, pods: Sequence[Manifest]
    ) -> tuple[RouterHealth, Fault | None, Mapping[str, str]]:
        """How the routers are, what one of them refused, and what each was seen to have."""
        ready = [pod for pod in pods if is_ready(pod)]
        asked = ready if _open(resource) else []
        wanted = serving_plan.routing(resource, resource.status).revision
        seen = [await self._discovery(pod) for pod in asked]
        revisions = tuple(_revision(found) for found in seen)
        health = RouterHealth(
            desired=resource.spec.router.replicas,
            ready=len(ready),
            revisions=revisions,
            fault=diagnose(pods),
        )
        refused = any(found and found.refusals and not found.has(wanted) for found in seen)
        shown = {
            str(pod["metadata"]["name"]): revision
            for pod, revision in zip(asked, revisions, strict=True)
        }
        return health, _REFUSED if refused else None, shown

    async def _discovery(self, pod: Manifest) -> Discovery | None:
        """What a router has; None where it cannot be told."""
        try:
            return await self.prober.discovery(_address(pod))
        except ProbeError:
            return None

    async def _count(self, resource: Service, pods: Sequence[Manifest]) -> Seen:
        """What is new in the counts of an open rollout, and who answered."""
        key = _key(resource)
        subject = contest(resource.status)
        if subject is None:
            self.counter.forget(key)
            return Seen()
        return await self.counter.count(
            key,
            subject,
            [_address(pod) for pod in _routers(pods) if is_ready(pod)],
            _variant(subject.champion, pods) if subject.champion else None,
            _variant(subject.challenger, pods),
        )

    async def _verify(self, resource: Service, pods: Sequence[Manifest]) -> Verification | None:
        """What the candidate of the open rollout proves; None while it cannot be told."""
        routers = [_address(pod) for pod in _routers(pods) if is_ready(pod)]
        transition, champion = resource.status.rollout, resource.status.champion
        if transition is None or not routers:
            return None
        return await verify(
            self.prober,
            resource.spec.model_name,
            routers,
            champion=_variant(champion, pods) if champion else None,
            candidate=_variant(transition.to, pods),
            load=resource.spec.rollout.verify.load,
        )

    def _wake_versions(self, resource: Service, status: InferenceServiceStatus) -> None:
        """Roles that changed show in the ModelVersions, whose keys are woken here."""
        before, after = _roles(resource.status), _roles(status)
        for version in {version for _, version in before ^ after}:
            name = names.model_version(resource.spec.model_name, version)
            self.wake(Key(Kind.MODEL_VERSION, resource.metadata.namespace, name))


def _key(resource: Service) -> Key:
    head = resource.metadata
    return Key(Kind.INFERENCE_SERVICE, head.namespace, head.name)


def _versions(resource: Service, found: Sequence[Manifest]) -> tuple[Candidate, ...]:
    """The versions of the service's model line that are not on their way out."""
    return tuple(
        Candidate(
            one["spec"]["version"],
            Artifact.model_validate(one["spec"]["artifact"]),
            Interface.model_validate(one["spec"].get("interface") or {}),
        )
        for one in found
        if one["spec"]["modelName"] == resource.spec.model_name
        and "deletionTimestamp" not in one["metadata"]
    )


def _open(resource: Service) -> bool:
    """Whether it matters now what the routers have."""
    status = resource.status
    return status.rollout is not None or not serving_plan.is_shared_as_decided(status)


def _roles(status: InferenceServiceStatus) -> set[tuple[str, int]]:
    named: Mapping[str, Serving | None] = {
        "champion": status.champion,
        "candidate": status.rollout.to if status.rollout else None,
        "previous": status.previous,
    }
    roles = {(role, serving.version) for role, serving in named.items() if serving}
    return roles | {("rejected", rejection.version) for rejection in status.rejected}


def _routers(pods: Sequence[Manifest]) -> list[Manifest]:
    return [pod for pod in pods if _component(pod) == router.COMPONENT]


def _variant(serving: Serving, pods: Sequence[Manifest]) -> Variant:
    """A version and the addresses of its servers that have one."""
    short = names.short(serving.digest)
    own = [pod for pod in pods if pod["metadata"]["labels"].get(names.DIGEST) == short]
    addresses = tuple(_address(pod) for pod in own if pod["status"].get("podIP"))
    return Variant(serving.version, serving.digest, addresses)


def _revision(found: Discovery | None) -> str:
    """The revision that a router has all of; empty while it has none as a whole."""
    if found is None or not found.has(found.routes.revision):
        return ""
    return found.routes.revision


def _address(pod: Manifest) -> str:
    return str(pod["status"]["podIP"])


def _component(found: Manifest) -> str:
    return str(found["metadata"]["labels"].get(names.COMPONENT, ""))
