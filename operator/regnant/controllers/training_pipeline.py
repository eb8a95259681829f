"""What is seen of a TrainingPipeline: its Job and pods, its model line, its elders."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from regnant.api.meta import Kind
from regnant.api.training_pipeline import TrainingPipelineStatus
from regnant.cluster.client import Cluster
from regnant.cluster.errors import ClusterError
from regnant.cluster.kinds import Manifest
from regnant.controllers.reconciler import Sighting
from regnant.controllers.volumes import missing_volume
from regnant.lifecycle import training_pipeline as lifecycle
from regnant.lifecycle.diagnosis import (
    Fault,
    containers,
    diagnose,
    job_outcome,
)
from regnant.lifecycle.training_pipeline import Observed, Pipeline, Registered
from regnant.lifecycle.training_runs import Job
from regnant.manifests import names
from regnant.manifests.platform import Platform
from regnant.manifests.training_job import PACKER, TRAINER

LOG_LINES = 20


class TrainingPipelineObserver:
    """Sees what a decision on a TrainingPipeline rests on."""

    def __init__(self, cluster: Cluster, platform: Platform) -> None:
        self._cluster = cluster
        self._platform = platform

    async def observe(
        self, resource: Pipeline, obstacle: Fault | None
    ) -> Sighting[TrainingPipelineStatus]:
        """What is so now."""
        head, model = resource.metadata, resource.spec.model_name
        labels = names.owned_by(Kind.TRAINING_PIPELINE, head.name)
        found = await self._cluster.list("Job", head.namespace, labels)
        # The Job of a deleted pipeline of this name outlives it a while; its result is not ours.
        jobs = [job for job in found if _owned(job, head.uid)]
        maps = await self._cluster.list("ConfigMap", head.namespace, labels)
        versions = await self._cluster.list("ModelVersion", head.namespace)
        line = [found for found in versions if found["spec"]["modelName"] == model]
        observed = Observed(
            pipeline=resource,
            platform=self._platform,
            job=await self._job(resource, jobs, labels),
            past_jobs=tuple(job["metadata"]["name"] for job in sorted(jobs, key=_age)),
            versions=tuple(_registered(found) for found in line),
            older_pipeline=await self._older(resource),
            obstacle=obstacle,
        )
        children = {(child["kind"], child["metadata"]["name"]): child for child in [*jobs, *maps]}
        return Sighting(lambda now: lifecycle.decide(observed, now), children)

    async def _older(self, resource: Pipeline) -> str:
        """The oldest other pipeline of the model line, if it is older than this one."""
        found = await self._cluster.list("TrainingPipeline", resource.metadata.namespace)
        same = [one for one in found if one["spec"]["modelName"] == resource.spec.model_name]
        ages = sorted(
            (one["metadata"]["creationTimestamp"], one["metadata"]["name"]) for one in same
        )
        eldest = ages[0][1] if ages else resource.metadata.name
        return "" if eldest == resource.metadata.name else str(eldest)

    async def _job(
        self, resource: Pipeline, jobs: Sequence[Manifest], labels: dict[str, str]
    ) -> Job | None:
        run = resource.status.run
        if run is None or not run.state.active:
            return None
        job = next((found for found in jobs if found["metadata"]["name"] == run.job), None)
        if job is None or "deletionTimestamp" in job["metadata"]:
            return None
        ours = {**labels, names.MODEL_VERSION: str(run.version)}
        pods = await self._cluster.list("Pod", resource.metadata.namespace, ours)
        pods.sort(key=_age)
        outcome, reason = job_outcome(job)
        running = next((pod for pod in pods if _works(pod)), None)
        return Job(
            name=run.job,
            outcome=outcome,
            reason=reason,
            running=running is not None,
            stage=await self._stage(running) if running else "",
            fault=diagnose(pods) or await missing_volume(self._cluster, pods),
            output=_output(pods),
        )

    async def _stage(self, pod: Manifest) -> str:
        """What the training said last that it is doing; nothing while it has said nothing."""
        for container in (PACKER, TRAINER):
            try:
                log = await self._cluster.pod_log_tail(
                    pod["metadata"]["namespace"],
                    pod["metadata"]["name"],
                    container,
                    lines=LOG_LINES,
                )
            except ClusterError:
                continue
            stages = [stage for line in log.splitlines() if (stage := _stage_of(line))]
            if stages:
                return stages[-1]
        return ""


def _works(pod: Manifest) -> bool:
    """Whether a container of the pod runs; a user's own does so while the pod is still Pending."""
    return any("running" in container.get("state", {}) for container in containers(pod))


def _stage_of(line: str) -> str:
    try:
        said = json.loads(line)
    except ValueError:
        return ""
    return str(said.get("stage", ""))[:64] if isinstance(said, dict) else ""


def _output(pods: Sequence[Manifest]) -> str:
    """The termination message of the container of ours that ended well."""
    for pod in pods:
        for container in reversed(list(containers(pod))):
            ended = container.get("state", {}).get("terminated", {})
            if ended.get("exitCode") == 0 and container["name"] in {TRAINER, PACKER}:
                return str(ended.get("message", ""))
    return ""


def _owned(found: Manifest, uid: str) -> bool:
    references = found["metadata"].get("ownerReferences", ())
    return any(reference["uid"] == uid for reference in references)


def _registered(found: dict[str, Any]) -> Registered:
    spec = found["spec"]
    return Registered(found["metadata"]["name"], spec["version"], spec["artifact"]["digest"])


def _age(found: Manifest) -> tuple[float, str]:
    """Sorts the newest first."""
    created = datetime.fromisoformat(found["metadata"]["creationTimestamp"])
    return (-created.timestamp(), found["metadata"]["name"])
