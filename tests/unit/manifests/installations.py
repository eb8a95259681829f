"""Owners, platforms and the objects made for them: what the tests of the builders start from."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from regnant.api.inference_service import Router, Server
from regnant.api.meta import Kind, ObjectRef
from regnant.api.model_version import Artifact
from regnant.api.training_pipeline import TrainingPipelineSpec
from regnant.manifests import router, server, training_job
from regnant.manifests.platform import Platform
from regnant.manifests.routing import Routing, Variant
from regnant.manifests.server import ServedVersion
from regnant.manifests.training_job import TrainingRun

Manifest = dict[str, Any]

DIGEST = "sha256:" + "ab" * 32
STORE = "registry.regnant:5000"
PLATFORM = Platform(
    trainer_image="trainer:1",
    server_image="server:1",
    router_image="router:1",
    store_uri=f"oci://{STORE}/models",
    store_plain_http=True,
)
GUARDED = replace(
    PLATFORM,
    store_plain_http=False,
    store_secret_name="store",
    image_pull_secrets=("pull-a", "pull-b"),
)
SKLEARN = {"sklearn": {"estimator": "sklearn.linear_model.LogisticRegression"}}
CONTAINER = {
    "container": {
        "image": "example.org/trainer:2",
        "command": ["/train"],
        "args": ["--fast"],
        "env": [{"name": "SEED", "value": "7"}],
    }
}
PLACEMENT = {
    "nodeSelector": {"pool": "models"},
    "tolerations": [{"key": "models", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {"nodeAffinity": {}},
    "priorityClassName": "high",
}


def owner(kind: Kind, name: str = "shop") -> ObjectRef:
    return ObjectRef(kind=kind, name=name, namespace="ns", uid="u-1")


def training(
    *,
    trainer: Manifest | None = None,
    uri: str = "sklearn://iris",
    credentials: str = "",
    platform: Platform = PLATFORM,
    version: int = 3,
    **spec: Any,
) -> tuple[Manifest, Manifest]:
    """The ConfigMap and the Job of one run."""
    data: Manifest = {"uri": uri, "task": "Classification", "target": "target"}
    if credentials:
        data["credentialsSecretRef"] = {"name": credentials}
    whole = {"modelName": "churn", "data": data, "trainer": trainer or SKLEARN} | spec
    run = TrainingRun(
        owner=owner(Kind.TRAINING_PIPELINE),
        spec=TrainingPipelineSpec.model_validate(whole),
        version=version,
        inputs_digest=DIGEST,
        platform=platform,
    )
    config, job = training_job.build(run)
    return config, job


def served(
    *,
    platform: Platform = PLATFORM,
    uri: str = f"oci://{STORE}/models/ns/churn",
    secret: str = "",
    name: str = "shop",
    version: int = 3,
    digest: str = DIGEST,
    **fields: Any,
) -> ServedVersion:
    """One version behind one service."""
    artifact: Manifest = {"uri": uri, "digest": digest}
    if secret:
        artifact["credentialsSecretRef"] = {"name": secret}
    return ServedVersion(
        owner=owner(Kind.INFERENCE_SERVICE, name),
        model="churn",
        version=version,
        artifact=Artifact.model_validate(artifact),
        server=Server.model_validate(fields),
        platform=platform,
        request_timeout=timedelta(seconds=90),
    )


def servers(**fields: Any) -> dict[str, Manifest]:
    """The objects of one version, by kind."""
    return {manifest["kind"]: manifest for manifest in server.build(served(**fields))}


def routers(
    *, platform: Platform = PLATFORM, routing: Routing | None = None, **fields: Any
) -> dict[str, Manifest]:
    """The objects of the routers, by kind."""
    built = router.build(
        owner(Kind.INFERENCE_SERVICE),
        Router.model_validate(fields),
        routing or Routing(service="shop", namespace="ns", model="churn"),
        platform,
    )
    return {manifest["kind"]: manifest for manifest in built}


def one_version() -> Routing:
    variant = Variant(host="shop-3-abababab", version=3, digest=DIGEST, port=8080)
    return Routing("shop", "ns", "churn", (variant,), champion=DIGEST)


def pod(manifest: Manifest) -> Manifest:
    """The PodSpec of a Job or a Deployment."""
    spec: Manifest = manifest["spec"]["template"]["spec"]
    return spec


def container(manifest: Manifest, name: str) -> Manifest:
    """A container of a Job or a Deployment."""
    spec = pod(manifest)
    return next(
        one for one in [*spec.get("initContainers", ()), *spec["containers"]] if one["name"] == name
    )


def secrets_of(manifest: Manifest, name: str) -> set[str]:
    """The Secrets that a container can read."""
    volumes = {
        volume["name"]: volume["secret"]["secretName"]
        for volume in pod(manifest)["volumes"]
        if "secret" in volume
    }
    mounts = {mount["name"] for mount in container(manifest, name)["volumeMounts"]}
    return {secret for volume, secret in volumes.items() if volume in mounts}
