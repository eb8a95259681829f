"""One training run: the Job, and the ConfigMap that tells it what to do.

With the built-in trainer the Job has one container. With the user's image that image runs first, as
an init container, and our trainer packs, checks and pushes what it left: so the store's credentials
exist only in our container.

Exit code 64 is the trainer's word for "the input is at fault": the Job fails at once, as it does
for want of memory. Other faults are tried again up to the back-off limit, and evictions are not
counted.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from regnant.api import mounts
from regnant.api.exits import INPUT_AT_FAULT
from regnant.api.meta import ObjectRef
from regnant.api.training_pipeline import TrainerContainer, TrainingPipelineSpec
from regnant.manifests import names
from regnant.manifests.platform import Platform
from regnant.manifests.pods import (
    Manifest,
    container,
    metadata,
    mount,
    pod_spec,
    read_only,
    secret_volume,
)

OUT_OF_MEMORY = 137
TRAINER = "trainer"
PACKER = "pack"


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """All that one run's objects are made from."""

    owner: ObjectRef
    spec: TrainingPipelineSpec
    version: int
    inputs_digest: str
    platform: Platform

    @property
    def name(self) -> str:
        """The name of the Job, the ConfigMap and the ModelVersion to come."""
        return names.model_version(self.spec.model_name, self.version)

    @property
    def labels(self) -> dict[str, str]:
        """The labels of the Job and its pods."""
        labels = names.child_labels(self.owner, TRAINER)
        return labels | {
            names.MODEL: self.spec.model_name,
            names.MODEL_VERSION: str(self.version),
        }


def build(run: TrainingRun) -> list[Manifest]:
    """The run's ConfigMap and Job, in the order in which they are needed."""
    return [_config_map(run), _job(run)]


def _config_map(run: TrainingRun) -> Manifest:
    instructions = {
        "modelName": run.spec.model_name,
        "version": run.version,
        "namespace": run.owner.namespace,
        "pipeline": {"name": run.owner.name, "uid": run.owner.uid},
        "inputsDigest": run.inputs_digest,
        "trainerImage": training_image(run),
        "spec": run.spec.to_json(),
        "store": {"uri": run.platform.store_uri, "plainHTTP": run.platform.store_plain_http},
    }
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(run),
        "data": {"run.json": json.dumps(instructions, indent=2, sort_keys=True)},
    }


def _job(run: TrainingRun) -> Manifest:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": _metadata(run),
        "spec": {
            "backoffLimit": run.spec.backoff_limit,
            "activeDeadlineSeconds": run.spec.active_deadline_seconds,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {"rules": _failure_rules()},
            "template": {"metadata": {"labels": run.labels}, "spec": _pod(run)},
        },
    }


def _failure_rules() -> list[dict[str, Any]]:
    return [
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        {
            "action": "FailJob",
            "onExitCodes": {"operator": "In", "values": [INPUT_AT_FAULT, OUT_OF_MEMORY]},
        },
    ]


def _pod(run: TrainingRun) -> dict[str, Any]:
    ours = container(
        PACKER if run.spec.trainer.container else TRAINER,
        run.platform.trainer_image,
        run.platform,
        env=_environment(),
        resources=run.spec.resources.to_json(),
        volumeMounts=[*_mounts(run), *_store_mounts(run)],
    )
    fields: dict[str, Any] = {"restartPolicy": "Never", "volumes": _volumes(run)}
    if run.spec.trainer.container:
        ours["args"] = ["pack"]
        fields["initContainers"] = [_user_container(run, run.spec.trainer.container)]
    fields["containers"] = [ours]
    return pod_spec(run.platform, run.spec.placement, **fields)


def _user_container(run: TrainingRun, user: TrainerContainer) -> dict[str, Any]:
    optional: dict[str, Any] = {"command": list(user.command), "args": list(user.args)}
    return container(
        TRAINER,
        user.image,
        run.platform,
        env=[*_environment(), *(variable.to_json() for variable in user.env)],
        resources=run.spec.resources.to_json(),
        volumeMounts=_mounts(run),
        **{key: value for key, value in optional.items() if value},
    )


def _environment() -> list[dict[str, str]]:
    return [
        {"name": "REGNANT_RUN_FILE", "value": mounts.RUN_FILE},
        {"name": "REGNANT_OUTPUT_DIR", "value": mounts.OUTPUT},
        {"name": "HOME", "value": "/tmp"},  # noqa: S108 - the pod's own scratch volume
    ]


def _volumes(run: TrainingRun) -> list[dict[str, Any]]:
    volumes: list[dict[str, Any]] = [
        {"name": "run", "configMap": {"name": run.name}},
        {"name": "tmp", "emptyDir": {}},
        {"name": "work", "emptyDir": {}},
    ]
    if run.spec.data.credentials_secret_ref:
        volumes.append(secret_volume("data-credentials", run.spec.data.credentials_secret_ref.name))
    if run.platform.store_secret_name:
        volumes.append(secret_volume("store-credentials", run.platform.store_secret_name))
    if claim := _claim(run.spec.data.uri):
        volumes.append(
            {"name": "data", "persistentVolumeClaim": {"claimName": claim, "readOnly": True}}
        )
    return volumes


def _mounts(run: TrainingRun) -> list[dict[str, Any]]:
    volume_mounts = [
        read_only("run", mounts.RUN_FILE.rsplit("/", 1)[0]),
        mount("tmp", "/tmp"),  # noqa: S108 - the pod's own scratch volume
        mount("work", "/work"),
    ]
    if run.spec.data.credentials_secret_ref:
        volume_mounts.append(read_only("data-credentials", mounts.DATA_CREDENTIALS))
    if _claim(run.spec.data.uri):
        volume_mounts.append(read_only("data", mounts.DATA))
    return volume_mounts


def _store_mounts(run: TrainingRun) -> list[dict[str, Any]]:
    if not run.platform.store_secret_name:
        return []
    return [read_only("store-credentials", mounts.STORE_CREDENTIALS)]


def _claim(uri: str) -> str:
    """The claim of a `pvc://CLAIM/PATH`, or nothing."""
    scheme, _, rest = uri.partition("://")
    return rest.split("/", 1)[0] if scheme == "pvc" else ""


def training_image(run: TrainingRun) -> str:
    """The image that trains: the user's, or ours."""
    user = run.spec.trainer.container
    return user.image if user else run.platform.trainer_image


def _metadata(run: TrainingRun) -> dict[str, Any]:
    return metadata(run.name, run.owner.namespace, run.labels, run.owner.owner_reference())
