"""The restricted Pod Security Standard of Kubernetes, as far as Linux pods are concerned.

Written from the standard itself and not from our builders, so that it can say no to them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
_SECCOMP = {"RuntimeDefault", "Localhost"}


def violations(pod: dict[str, Any]) -> list[str]:
    """Every control of the standard that a PodSpec breaks; none for a pod that is admitted."""
    return [*_pod_violations(pod), *(found for one in _containers(pod) for found in _of(one, pod))]


def _containers(pod: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for field in ("initContainers", "containers", "ephemeralContainers"):
        yield from pod.get(field, ())


def _pod_violations(pod: dict[str, Any]) -> Iterator[str]:
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(field):
            yield field
    for volume in pod.get("volumes", ()):
        (source,) = volume.keys() - {"name"}
        if source not in _VOLUMES:
            yield f"volume {volume['name']} of type {source}"
    if pod.get("securityContext", {}).get("sysctls"):
        yield "sysctls"


def _of(container: dict[str, Any], pod: dict[str, Any]) -> Iterator[str]:
    name = container["name"]
    own, whole = container.get("securityContext", {}), pod.get("securityContext", {})
    merged = {**whole, **own}
    if own.get("privileged"):
        yield f"{name}: privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield f"{name}: allowPrivilegeEscalation"
    if merged.get("runAsNonRoot") is not True:
        yield f"{name}: runAsNonRoot"
    if merged.get("runAsUser") == 0:
        yield f"{name}: runAsUser"
    if merged.get("seccompProfile", {}).get("type") not in _SECCOMP:
        yield f"{name}: seccompProfile"
    if "ALL" not in own.get("capabilities", {}).get("drop", ()):
        yield f"{name}: capabilities.drop"
    if set(own.get("capabilities", {}).get("add", ())) - {"NET_BIND_SERVICE"}:
        yield f"{name}: capabilities.add"
    if own.get("procMount", "Default") != "Default":
        yield f"{name}: procMount"
    if any(port.get("hostPort") for port in container.get("ports", ())):
        yield f"{name}: hostPort"
