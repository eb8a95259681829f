"""What is wrong with a pod or a Job, in one reason and one sentence for people.

Kubernetes scatters the answer over conditions, waiting reasons, exit codes and termination
messages. Our own containers say it themselves, as JSON with `reason` and `message`; everything
else is translated here, and nowhere else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from regnant.api.exits import INPUT_AT_FAULT
from regnant.api.model import MAX_TEXT

# What a status holds: a container's own words may be longer, or not be ours at all.
_REASON = re.compile(r"[A-Z][A-Za-z0-9]{0,63}")
_LONGEST_STAGE = 64

_PULL = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}
_CONFIG = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
_STARTING = {"ContainerCreating", "PodInitializing"}
_MOUNTING = {"FailedMount", "FailedAttachVolume"}
_VOLUME = re.compile(r'volume "(?P<name>[^"]+)" : (?P<words>.*)', re.DOTALL)
_VOLUME_FIELDS = {
    "data": "data.uri",
    "data-credentials": "data.credentialsSecretRef",
    "store-credentials": "the Secret of the store",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that keeps a pod from doing its work.

    `final` says that waiting or trying again cannot help; `restarts` counts how often it was tried;
    `stage` is what our own container was doing.
    """

    reason: str
    message: str
    final: bool = False
    restarts: int = 0
    stage: str = ""


def diagnose(pods: Iterable[Mapping[str, Any]]) -> Fault | None:
    """The gravest fault of the pods: a final one first, then the one tried most often."""
    faults = [fault for pod in pods for fault in _faults(pod)]
    return max(faults, key=lambda fault: (fault.final, fault.restarts), default=None)


def diagnose_deployments(deployments: Iterable[Mapping[str, Any]]) -> Fault | None:
    """Why a Deployment has no pods that could speak for themselves."""
    for deployment in deployments:
        for condition in deployment.get("status", {}).get("conditions", ()):
            if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
                return Fault(
                    "PodsForbidden",
                    f"the cluster refuses to make pods: {condition.get('message', '')[:600]}; make "
                    "room in the namespace's quota, or correct what the refusal names",
                )
    return None


def waits_for_volumes(pod: Mapping[str, Any]) -> bool:
    """Whether the pod has a node and no container was created yet; its Events say why."""
    found = list(containers(pod))
    return bool(found) and all(
        each.get("state", {}).get("waiting", {}).get("reason") in _STARTING for each in found
    )


def unmounted(warnings: Iterable[Mapping[str, Any]]) -> Fault | None:
    """What the kubelet says of a volume that it cannot mount, among the Events of a pod."""
    for event in warnings:
        found = _VOLUME.search(event.get("note", ""))
        # A cache that is still being filled is no fault of anybody's.
        if event.get("reason") not in _MOUNTING or not found or "failed to sync" in found["words"]:
            continue
        field = _VOLUME_FIELDS.get(found["name"], f"volume {found['name']}")
        return _not_mounted(field, found["words"].strip())
    return None


def _not_mounted(field: str, words: str) -> Fault:
    return Fault(
        "VolumeNotMounted",
        f"{field}: {words[:400]}; create what is missing and the pod goes on by itself, or "
        "correct the name",
    )


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Whether the pod is ready, as its kubelet says, and not on its way out.

    `Ready` is also taken away from every pod of a node that was not heard of for a while, as after
    an outage of the API server. That says nothing about a version, so the containers are asked.
    """
    if "deletionTimestamp" in pod["metadata"]:
        return False
    conditions = {one["type"]: one["status"] for one in pod.get("status", {}).get("conditions", ())}
    return conditions.get("ContainersReady", conditions.get("Ready")) == "True"


def containers(pod: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The statuses of a pod's containers, those that run first first."""
    status = pod.get("status", {})
    yield from status.get("initContainerStatuses", ())
    yield from status.get("containerStatuses", ())


def job_outcome(job: Mapping[str, Any]) -> tuple[Literal["Active", "Complete", "Failed"], str]:
    """How a Job stands, and why it failed."""
    for condition in job.get("status", {}).get("conditions", ()):
        if condition["status"] == "True" and condition["type"] in {"Complete", "Failed"}:
            return condition["type"], condition.get("reason", "")
    return "Active", ""


def _faults(pod: Mapping[str, Any]) -> Iterator[Fault]:
    if "deletionTimestamp" in pod["metadata"]:
        return
    for condition in pod.get("status", {}).get("conditions", ()):
        if condition["type"] == "PodScheduled" and condition.get("reason") == "Unschedulable":
            yield _unschedulable(condition.get("message", ""))
    for container in containers(pod):
        fault = _container_fault(container)
        if fault:
            yield fault


def _unschedulable(words: str) -> Fault:
    if "persistentvolumeclaim" in words.lower():
        return _not_mounted("data.uri", words.partition(". ")[0])
    return Fault(
        "Unschedulable",
        f"no node can take the pod: {words}; lower the resources, change the placement or add "
        "nodes",
    )


def _container_fault(container: Mapping[str, Any]) -> Fault | None:
    state = container.get("state", {})
    waiting = state.get("waiting", {})
    name, image = container["name"], container.get("image", "")
    if waiting.get("reason") in _PULL:
        return Fault(
            "ImagePullFailed",
            f"container {name}: the image {image} cannot be pulled: "
            f"{waiting.get('message', waiting['reason'])}; correct its name or the pull secret",
        )
    if waiting.get("reason") in _CONFIG:
        return Fault(
            "ContainerNotCreated",
            f"container {name} cannot be created: {waiting.get('message', waiting['reason'])}",
        )
    if "running" in state and container.get("ready", False):
        return None
    ended = state.get("terminated") or container.get("lastState", {}).get("terminated")
    if not ended or ended.get("exitCode", 0) == 0:
        return None
    return _ended(name, ended, container.get("restartCount", 0))


def _ended(name: str, ended: Mapping[str, Any], restarts: int) -> Fault:
    if ended.get("reason") == "OOMKilled":
        return Fault(
            "OutOfMemory",
            f"container {name} used more memory than its limit; raise resources.limits.memory",
            restarts=restarts,
        )
    code = ended.get("exitCode", 0)
    said = _own_words(ended.get("message", ""))
    if said:
        return Fault(
            said["reason"],
            said["message"][:MAX_TEXT],
            final=code == INPUT_AT_FAULT,
            restarts=restarts,
            stage=said.get("stage", "")[:_LONGEST_STAGE],
        )
    last = ended.get("message", "").strip().rsplit("\n", 1)[-1][:400]
    words = f": {last}" if last else ""
    return Fault(
        "Crashed", f"container {name} ended with exit code {code}{words}", restarts=restarts
    )


def _own_words(message: str) -> dict[str, str] | None:
    """What our container wrote, or None for anything else, such as the tail of a log."""
    try:
        said = json.loads(message)
    except ValueError:
        return None
    if not isinstance(said, dict):
        return None
    words = {key: value for key, value in said.items() if isinstance(value, str)}
    ours = _REASON.fullmatch(words.get("reason", "")) and words.get("message")
    return words if ours else None
