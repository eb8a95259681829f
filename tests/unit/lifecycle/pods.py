"""Pods as the kubelet reports them, in the shapes that go wrong."""

from __future__ import annotations

from typing import Any

Manifest = dict[str, Any]


def pod(*containers: Manifest, init: tuple[Manifest, ...] = (), **status: Any) -> Manifest:
    reported: Manifest = {"containerStatuses": list(containers), **status}
    if init:
        reported["initContainerStatuses"] = list(init)
    return {"metadata": {"name": "churn-1-x7k2p"}, "status": reported}


def container(name: str = "server", *, restarts: int = 0, **fields: Any) -> Manifest:
    """A container's status; `state` and `lastState` are given as the kubelet writes them."""
    return {
        "name": name,
        "image": "registry/server:1",
        "imageID": "",
        "ready": False,
        "started": False,
        "restartCount": restarts,
        "lastState": {},
    } | fields


def waiting(reason: str, message: str | None = None) -> Manifest:
    said = {} if message is None else {"message": message}
    return {"waiting": {"reason": reason, **said}}


def terminated(code: int, *, reason: str = "Error", message: str | None = None) -> Manifest:
    said = {} if message is None else {"message": message}
    return {
        "terminated": {
            "exitCode": code,
            "reason": reason,
            "startedAt": "2026-01-01T00:00:00Z",
            "finishedAt": "2026-01-01T00:00:05Z",
            "containerID": "containerd://0123",
            **said,
        }
    }


RUNNING: Manifest = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
CRASH_LOOP = waiting(
    "CrashLoopBackOff", "back-off 20s restarting failed container=server pod=churn-1-x7k2p_ns"
)
UNSCHEDULABLE: Manifest = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/1 nodes are available: 1 Insufficient memory.",
}
