"""The kinds that the operator touches, and where the API server keeps them.

A table instead of discovery: the operator uses these and no others, and must work while discovery
of somebody else's broken API does not. Its RBAC is written from the same list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from regnant.api.meta import API_VERSION
from regnant.api.resources import RESOURCES

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Collection:
    """Where the objects of a kind are."""

    kind: str
    api_version: str
    plural: str

    def path(self, namespace: str | None = None, name: str = "", subresource: str = "") -> str:
        """The URL path of the collection in a namespace (None: in all), or of one object of it."""
        root = "/api" if "/" not in self.api_version else "/apis"
        parts = [root, self.api_version]
        if namespace is not None:
            parts += ["namespaces", namespace]
        parts += [part for part in (self.plural, name, subresource) if part]
        return "/".join(parts)


@dataclass(frozen=True, slots=True)
class Ref:
    """One object, by kind and name."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


COLLECTIONS = {
    collection.kind: collection
    for collection in (
        *(Collection(row.kind.value, API_VERSION, row.plural) for row in RESOURCES),
        Collection("ConfigMap", "v1", "configmaps"),
        Collection("Pod", "v1", "pods"),
        Collection("Service", "v1", "services"),
        Collection("Deployment", "apps/v1", "deployments"),
        Collection("Job", "batch/v1", "jobs"),
        Collection("Lease", "coordination.k8s.io/v1", "leases"),
        Collection("Event", "events.k8s.io/v1", "events"),
        Collection("NetworkPolicy", "networking.k8s.io/v1", "networkpolicies"),
        Collection("PodDisruptionBudget", "policy/v1", "poddisruptionbudgets"),
    )
}

CHILDREN = (
    "ConfigMap",
    "Deployment",
    "Job",
    "NetworkPolicy",
    "Pod",
    "PodDisruptionBudget",
    "Service",
)
"""What the operator makes, directly or through a controller, and is woken by."""


def collection(kind: str) -> Collection:
    """The table's row of a kind."""
    return COLLECTIONS[kind]


def ref(manifest: Manifest) -> Ref:
    """The object that a manifest describes."""
    metadata = manifest["metadata"]
    return Ref(manifest["kind"], metadata.get("namespace", ""), metadata["name"])
