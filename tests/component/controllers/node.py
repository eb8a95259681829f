"""What a node and the controllers of Kubernetes do, done by hand: pods, their statuses, Jobs.

Deployments get the pods that they ask for, routers get their configuration, and containers end as
a test says. Everything is written to the API server as the kubelet would.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from regnant.cluster.client import Cluster
from regnant.cluster.kinds import Manifest, Ref
from regnant.manifests import names
from tests.component.controllers.routers import RouterStandIn

_AT = "2026-01-01T00:00:00Z"
_EVENT_TIME = "2026-01-01T00:00:00.000000Z"


@dataclass
class Node:
    """One namespace's share of a node."""

    cluster: Cluster
    namespace: str
    router: RouterStandIn
    sick: dict[str, Manifest] = field(default_factory=dict)
    """What the containers of a Deployment's pods are like; those not listed are ready."""

    async def run(self) -> None:
        """Bring pods and routers up to date with the Deployments and ConfigMaps."""
        deployments = await self.cluster.list("Deployment", self.namespace)
        wanted = {
            f"{one['metadata']['name']}-{number}": one
            for one in deployments
            for number in range(one["spec"]["replicas"])
        }
        pods = {
            one["metadata"]["name"]: one for one in await self.cluster.list("Pod", self.namespace)
        }
        for name in pods.keys() - wanted.keys():
            if names.COMPONENT in pods[name]["metadata"]["labels"]:
                await self._remove(pods[name])
        for name, deployment in wanted.items():
            if name not in pods:
                await self._create(name, deployment["spec"]["template"])
            await self._report(name, self._condition_of(deployment["metadata"]["name"]))
        self._bring_configuration(await self.cluster.list("ConfigMap", self.namespace), deployments)

    def _condition_of(self, deployment: str) -> Manifest:
        ready: Manifest = {"conditions": [{"type": "Ready", "status": "True"}]}
        return {"podIP": "127.0.0.1", **self.sick.get(deployment, ready)}

    def _bring_configuration(
        self, configurations: list[Manifest], deployments: list[Manifest]
    ) -> None:
        for one in configurations:
            if "cds.json" in one["data"]:
                self.router.revision = json.loads(one["data"]["cds.json"])["version_info"]
        self.router.digests = {}
        for one in deployments:
            (container,) = one["spec"]["template"]["spec"]["containers"]
            said = {entry["name"]: entry["value"] for entry in container.get("env", ())}
            if "REGNANT_BUNDLE_DIGEST" in said:
                number = int(said["REGNANT_MODEL_VERSION"])
                self.router.digests[number] = said["REGNANT_BUNDLE_DIGEST"]

    async def train(self, job: str, container: Manifest) -> None:
        """A pod of the Job, with one container's status."""
        made = await self.cluster.get(Ref("Job", self.namespace, job))
        assert made
        name = f"{job}-x7k2p"
        if await self.cluster.get(Ref("Pod", self.namespace, name)) is None:
            await self._create(name, made["spec"]["template"])
        phase = "Running" if "running" in container["state"] else "Succeeded"
        await self._report(name, {"phase": phase, "containerStatuses": [container]})

    async def end_job(self, job: str, *, failed: str = "") -> None:
        """The Job controller's verdict: complete, or failed for a reason."""
        turning = "FailureTarget" if failed else "SuccessCriteriaMet"
        final = "Failed" if failed else "Complete"
        conditions = [
            {
                "type": kind,
                "status": "True",
                "reason": failed or "CompletionsReached",
                "message": "",
                "lastTransitionTime": _AT,
                "lastProbeTime": _AT,
            }
            for kind in (turning, final)
        ]
        ended = {"failed": 1} if failed else {"succeeded": 1, "completionTime": _AT}
        status = {
            "conditions": conditions,
            "startTime": _AT,
            "uncountedTerminatedPods": {},
            "ready": 0,
            "terminating": 0,
            **ended,
        }
        await self._write_status(Ref("Job", self.namespace, job), "batch/v1", status)

    async def warn(self, pod: str, reason: str, note: str) -> None:
        """An Event of the kubelet about a pod."""
        event = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": f"{pod}.{reason.lower()}", "namespace": self.namespace},
            "type": "Warning",
            "reason": reason,
            "note": note,
            "action": reason,
            "eventTime": _EVENT_TIME,
            "reportingController": "kubelet",
            "reportingInstance": "node-1",
            "regarding": {"kind": "Pod", "name": pod, "namespace": self.namespace},
        }
        await self.cluster.create(event)

    async def _create(self, name: str, template: Manifest) -> None:
        head = {**template["metadata"], "name": name, "namespace": self.namespace}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": head, "spec": template["spec"]}
        await self.cluster.create(pod)

    async def _report(self, pod: str, status: Manifest) -> None:
        await self._write_status(Ref("Pod", self.namespace, pod), "v1", status)

    async def _write_status(self, target: Ref, api_version: str, status: Manifest) -> None:
        head = {"name": target.name, "namespace": target.namespace}
        manifest = {"apiVersion": api_version, "kind": target.kind, "metadata": head}
        await self.cluster.apply({**manifest, "status": status}, subresource="status")

    async def _remove(self, pod: Manifest) -> None:
        await self.cluster.delete(Ref("Pod", self.namespace, pod["metadata"]["name"]))


def ended(name: str, code: int, message: str, **fields: Any) -> Manifest:
    """The status of a container that is over."""
    return _status(name, {"terminated": {"exitCode": code, "message": message}}, **fields)


def running(name: str) -> Manifest:
    """The status of a container at work."""
    return _status(name, {"running": {"startedAt": _AT}}, ready=True, started=True)


def creating(name: str) -> Manifest:
    """The status of a container that was not created yet."""
    return _status(name, {"waiting": {"reason": "PodInitializing"}})


def crashing(name: str, code: int, message: str) -> Manifest:
    """The status of a container that is restarted again and again."""
    before = {"terminated": {"exitCode": code, "message": message}}
    waiting = {"waiting": {"reason": "CrashLoopBackOff"}}
    return _status(name, waiting, lastState=before, restartCount=3)


def _status(name: str, state: Manifest, **fields: Any) -> Manifest:
    head: Manifest = {"name": name, "image": "i", "imageID": "", "ready": False, "restartCount": 0}
    return {**head, "state": state, **fields}
