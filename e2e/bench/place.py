"""Where a benchmark runs: the installed operator, a namespace of its own, and what it is made from.

What is measured against is built by the product's own builders, less what makes it the operator's:
so it is the same pod, image, probes and configuration, and differs only in who takes care of it.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from e2e.cluster.settings import CHECKOUT, Settings
from e2e.harness import Cluster, Manifest
from e2e.installation import Installation
from regnant.api.meta import API_VERSION, Kind, ObjectRef
from regnant.manifests.names import MANAGED_BY, OWNER
from regnant.manifests.platform import Platform

EXAMPLES = CHECKOUT / "docs" / "examples"


@dataclass(frozen=True)
class Place:
    """One run's surroundings."""

    installation: Installation
    namespace: str

    @property
    def cluster(self) -> Cluster:
        """The cluster of the installation."""
        return self.installation.cluster

    @property
    def platform(self) -> Platform:
        """What the operator was installed with."""
        settings, installed = Settings.from_environment(), self.installation
        return Platform(
            trainer_image=settings.image("trainer"),
            server_image=settings.image("server"),
            router_image=settings.image("router"),
            store_uri=f"oci://{installed.registry}.{installed.namespace}.svc:5000/models",
            store_plain_http=True,
        )

    def owner(self, kind: Kind, name: str) -> ObjectRef:
        """Who the builders are told to build for."""
        return ObjectRef(kind=kind, name=name, namespace=self.namespace, uid="")

    def remove(self, owner: str, *what: str) -> None:
        """Delete `what` of an owner, and its pods without the time that a graceful end takes."""
        here = f"--namespace={self.namespace}"
        self.cluster.kubectl("delete", *what, here, "--cascade=foreground", "--wait=false")
        self.cluster.wait_for(f"the pods of {owner} are gone", lambda: self._no_pods_of(owner))

    def _no_pods_of(self, owner: str) -> bool:
        selector = f"{OWNER}={owner}"
        if not self.cluster.find_all("pods", self.namespace, selector):
            return True
        words = (f"--namespace={self.namespace}", f"--selector={selector}", "--grace-period=1")
        self.cluster.kubectl("delete", "pods", *words)
        return False


@contextmanager
def place(installation: Installation) -> Iterator[Place]:
    """A namespace that is gone afterwards, whatever happened."""
    cluster, name = installation.cluster, f"bench-{uuid.uuid4().hex[:6]}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    )
    try:
        yield Place(installation, name)
    finally:
        cluster.delete("namespace", name, wait=False)
        here = f"--namespace={name}"
        cluster.kubectl("delete", "pods", "--all", here, "--grace-period=1", "--wait=false")


def resource(kind: Kind, name: str, spec: Manifest) -> Manifest:
    """One of the three resources."""
    return {
        "apiVersion": API_VERSION,
        "kind": kind.value,
        "metadata": {"name": name},
        "spec": spec,
    }


def by_hand(manifest: Manifest) -> Manifest:
    """What the operator would make, as somebody makes it who has no operator."""
    made = copy.deepcopy(manifest)
    made["metadata"].pop("ownerReferences", None)
    template = made.get("spec", {}).get("template", {})
    for metadata in (made["metadata"], template.get("metadata", {})):
        metadata.get("labels", {}).pop(MANAGED_BY, None)
    return made
