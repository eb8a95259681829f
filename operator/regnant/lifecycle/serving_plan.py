"""What must exist for an InferenceService, given its status: servers, router, routes.

The status alone says which versions run and who gets the traffic, so the children can be made again
from it at any time. Clusters are published from before a version gets traffic until after it lost
it: a route never names a cluster that a router does not know.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from regnant.api.inference_service import InferenceServiceSpec, InferenceServiceStatus
from regnant.api.meta import Kind
from regnant.api.model_version import Artifact
from regnant.api.resources import Resource, reference
from regnant.api.rollout import Sticky
from regnant.api.rollout_status import Retiring, Serving, Share, Stage, Transition
from regnant.lifecycle.decision import Manifest
from regnant.lifecycle.diagnosis import Fault
from regnant.manifests import names, network, router, server
from regnant.manifests import routing as routes
from regnant.manifests.platform import Platform
from regnant.manifests.router_config import RouterFilesError
from regnant.manifests.routing import Routing, Variant
from regnant.manifests.server import ServedVersion

Service = Resource[InferenceServiceSpec, InferenceServiceStatus]


@dataclass(frozen=True, slots=True)
class Plan:
    """The children of one InferenceService."""

    servers: tuple[ServedVersion, ...]
    routing: Routing
    manifests: tuple[Manifest, ...]
    fault: Fault | None = None
    """Why the routers' objects are left out: what they would be told does not hold together, so
    they keep what they have."""

    @property
    def server_names(self) -> frozenset[str]:
        """The Deployments of servers that must exist; any other is to go."""
        return frozenset(served.name for served in self.servers)


def plan(service: Service, status: InferenceServiceStatus, platform: Platform) -> Plan:
    """The children that `status` asks for."""
    owner = reference(Kind.INFERENCE_SERVICE, service.metadata)
    served = tuple(
        ServedVersion(
            owner=owner,
            model=service.spec.model_name,
            version=version,
            artifact=artifact,
            server=service.spec.server,
            platform=platform,
            request_timeout=service.spec.router.request_timeout,
        )
        for version, artifact in running(status).values()
    )
    routes = routing(service, status)
    manifests = [manifest for version in served for manifest in server.build(version)]
    manifests += network.build(owner, platform)
    try:
        manifests += router.build(owner, service.spec.router, routes, platform)
    except RouterFilesError as error:
        return Plan(served, routes, tuple(manifests), _unpublished(error))
    return Plan(served, routes, tuple(manifests))


def _unpublished(error: RouterFilesError) -> Fault:
    return Fault(
        error.reason,
        f"{error.message}; the operator wrote it, so report this message, and install the "
        "operator's former release until it is corrected",
    )


def running(status: InferenceServiceStatus) -> dict[str, tuple[int, Artifact]]:
    """The versions whose servers must run, by digest, the champion first."""
    transition = status.rollout
    wanted: list[Serving | Retiring | None] = [status.champion]
    if transition:
        wanted.append(transition.to)
        wanted.append(status.previous if transition.promoted_at else None)
    wanted.extend(status.retiring)
    found: dict[str, tuple[int, Artifact]] = {}
    for one in wanted:
        if one:
            found.setdefault(one.artifact.digest, (one.version, one.artifact))
    return found


def answering(status: InferenceServiceStatus) -> Serving | None:
    """The version that users are to be answered by."""
    transition = status.rollout
    if transition is None:
        return status.champion
    if transition.rollback:
        return status.previous if transition.promoted_at else status.champion
    return transition.to if transition.promoting_at else status.champion


def standing_by(status: InferenceServiceStatus) -> Serving | None:
    """The version that answers what the answering one fails at, while a takeover is young."""
    transition = status.rollout
    if transition is None or transition.promoting_at is None or transition.rollback:
        return None
    return status.previous if transition.promoted_at else status.champion


def stage(status: InferenceServiceStatus) -> Stage | None:
    """The shadow or the step that routers are to have now; None when there is no comparison."""
    transition = status.rollout
    if transition is None or transition.promoting_at or transition.rollback:
        return None
    return transition.stage


def shares(status: InferenceServiceStatus, reigning: Serving) -> tuple[Share, ...]:
    """What part of the traffic each version is to get, beside the one that reigns."""
    comparison = stage(status)
    weight = comparison.weight if comparison else 0
    parts = [(reigning, 100 - weight)]
    if status.rollout and weight:
        parts.append((status.rollout.to, weight))
    return tuple(
        Share(version=one.version, digest=one.digest, percent=percent) for one, percent in parts
    )


def is_shared_as_decided(status: InferenceServiceStatus) -> bool:
    """Whether the routers were seen to give every version the part that it is to get."""
    reigning = answering(status)
    return reigning is None or status.traffic == shares(status, reigning)


def routing(service: Service, status: InferenceServiceStatus) -> Routing:
    """The routers' configuration that `status` asks for."""
    comparison, spec = stage(status), service.spec
    plain = Routing(
        service=service.metadata.name,
        namespace=service.metadata.namespace,
        model=service.spec.model_name,
        variants=tuple(
            variant(service, version, artifact.digest)
            for version, artifact in running(status).values()
        ),
        champion=_digest(answering(status)),
        fallback=_digest(standing_by(status)),
        request_timeout=spec.router.request_timeout,
    )
    transition = status.rollout
    if transition is None:
        return plain
    attempt = _attempt_timeout(spec, transition)
    if comparison is None:
        return replace(plain, attempt_timeout=attempt if plain.fallback else None)
    return replace(
        plain,
        challenger=transition.to.digest,
        weight=comparison.weight,
        shadow=comparison.mirrored,
        sticky=_sticky(spec.rollout.sticky) if comparison.step else None,
        attempt_timeout=attempt,
    )


def variant(service: Service, version: int, digest: str) -> Variant:
    """A version as routers know it."""
    return Variant(
        host=names.server(service.metadata.name, version, digest),
        version=version,
        digest=digest,
        port=server.PORT,
    )


def _attempt_timeout(spec: InferenceServiceSpec, transition: Transition) -> timedelta:
    """How long a try may take while another version stands by.

    The one that stands by gets no more, so it must be enough for what it was seen to need.
    """
    asked = max(spec.rollout.attempt_timeout_milliseconds, 2 * transition.slowest_milliseconds)
    return min(timedelta(milliseconds=asked), spec.router.request_timeout / 2)


def _sticky(asked: Sticky | None) -> routes.Sticky | None:
    if asked is None:
        return None
    if asked.cookie:
        return routes.Sticky(cookie=asked.cookie.name, cookie_ttl=asked.cookie.ttl)
    return routes.Sticky(header=asked.header or "")


def _digest(serving: Serving | None) -> str:
    return serving.digest if serving else ""
