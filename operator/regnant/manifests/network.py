"""Who may reach the pods of an InferenceService, where the cluster's network enforces it.

Users reach routers, and routers reach servers. The operator reaches the routers' second listener,
and the servers, whose counts and outcomes it reads pod by pod while a rollout is open. Metrics may
be read by everyone in the cluster: nobody here knows where its Prometheus is. What pods may reach
is left to the owner of the namespace: only they know where stores and data are.
"""

from __future__ import annotations

from typing import Any

from regnant.api.meta import ObjectRef
from regnant.manifests import names, router, server
from regnant.manifests.platform import Platform
from regnant.manifests.pods import Manifest, metadata
from regnant.manifests.router_config.place import USERS_PORT, VERIFICATION_PORT

_NAMESPACE_NAME = "kubernetes.io/metadata.name"


def build(owner: ObjectRef, platform: Platform) -> list[Manifest]:
    """One NetworkPolicy for the routers and one for the servers of a service.

    None when the operator runs outside of a cluster: no policy could let it in.
    """
    if not platform.operator_namespace:
        return []
    operator = {
        "namespaceSelector": {"matchLabels": {_NAMESPACE_NAME: platform.operator_namespace}}
    }
    routers = {"podSelector": {"matchLabels": names.component_selector(owner, router.COMPONENT)}}
    return [
        _policy(
            owner,
            router.COMPONENT,
            [
                {"ports": [_tcp(USERS_PORT)]},
                {"from": [operator], "ports": [_tcp(VERIFICATION_PORT)]},
            ],
        ),
        _policy(
            owner,
            server.COMPONENT,
            [
                {"from": [routers, operator], "ports": [_tcp(server.PORT)]},
                {"ports": [_tcp(server.METRICS_PORT)]},
            ],
        ),
    ]


def _policy(owner: ObjectRef, component: str, ingress: list[dict[str, Any]]) -> Manifest:
    labels = names.child_labels(owner, component)
    head = metadata(f"{owner.name}-{component}", owner.namespace, labels, owner.owner_reference())
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": head,
        "spec": {
            "podSelector": {"matchLabels": names.component_selector(owner, component)},
            "policyTypes": ["Ingress"],
            "ingress": ingress,
        },
    }


def _tcp(port: int) -> dict[str, Any]:
    return {"port": port, "protocol": "TCP"}
