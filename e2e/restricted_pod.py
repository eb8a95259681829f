"""A pod that asks for no more than the restricted Pod Security profile allows.

The tests' own pods are held to what the operator's are.
"""

from __future__ import annotations

from collections.abc import Mapping

from e2e.harness import Manifest

_USER = 65532


def restricted_pod(
    name: str,
    container: Manifest,
    volumes: Mapping[str, Manifest],
    *,
    labels: Mapping[str, str],
    **fields: object,
) -> Manifest:
    """A pod of one container, which ends at once when it is told to.

    `volumes` are the sources by name, and `fields` more of the pod, as Kubernetes names them.
    """
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": dict(labels)},
        "spec": {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": _USER,
                "fsGroup": _USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [{**container, "securityContext": security}],
            "volumes": [{"name": each, **source} for each, source in volumes.items()],
            **fields,
        },
    }
