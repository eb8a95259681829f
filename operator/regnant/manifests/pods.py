"""What every pod of ours has in common: the restricted security settings, and how it is started.

Pods run as an unprivileged user on a read-only root file system, with no capability, no service
account token and no environment of neighbouring Services.
"""

from __future__ import annotations

from typing import Any

from regnant.api.pod import Placement
from regnant.manifests.platform import Platform

Manifest = dict[str, Any]

USER = 65532


def metadata(
    name: str, namespace: str, labels: dict[str, str], owner: dict[str, Any]
) -> dict[str, Any]:
    """The metadata of a child; `owner` is the owner reference that collects it."""
    return {
        "name": name,
        "namespace": namespace,
        "labels": labels,
        "ownerReferences": [owner],
    }


def pod_spec(platform: Platform, placement: Placement, **fields: Any) -> dict[str, Any]:
    """A PodSpec that the restricted Pod Security Standard admits."""
    spec: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    if platform.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in platform.image_pull_secrets]
    return spec | placement.to_pod() | fields


def container(name: str, image: str, platform: Platform, **fields: Any) -> dict[str, Any]:
    """A container that may write only to what is mounted for it."""
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": platform.image_pull_policy,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
    } | fields


def secret_volume(name: str, secret: str) -> dict[str, Any]:
    """A Secret as files that only the pod's user reads."""
    return {"name": name, "secret": {"secretName": secret, "defaultMode": 0o440}}


def mount(name: str, path: str) -> dict[str, Any]:
    """A volume mounted for writing."""
    return {"name": name, "mountPath": path}


def read_only(name: str, path: str) -> dict[str, Any]:
    """A volume mounted for reading."""
    return {"name": name, "mountPath": path, "readOnly": True}
