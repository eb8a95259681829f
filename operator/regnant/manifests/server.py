"""The servers of one version: a Deployment, its headless Service and its PodDisruptionBudget.

They are named after the version's digest and never changed by a promotion: which version answers is
the router's configuration alone. An init container fetches and verifies the bundle; the store's
credentials exist only there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from regnant.api import mounts
from regnant.api.inference_service import Server, Tuning
from regnant.api.meta import ObjectRef
from regnant.api.model_version import Artifact
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

COMPONENT = "server"
PORT = 8080
METRICS_PORT = 8000
DRAIN_SECONDS = 15
"""How long a server that was told to stop still answers: routers must learn of it first."""
_A_DAY = timedelta(days=1)
"""As long as a server lets an inference run at most."""
SLOWEST_START_SECONDS = 600


@dataclass(frozen=True, slots=True)
class ServedVersion:
    """All that one version's servers are made from."""

    owner: ObjectRef
    model: str
    version: int
    artifact: Artifact
    server: Server
    platform: Platform
    request_timeout: timedelta
    """How long routers wait for an answer; no inference is worth more."""

    @property
    def name(self) -> str:
        """The name of the Deployment, the Service and the PodDisruptionBudget."""
        return names.server(self.owner.name, self.version, self.artifact.digest)

    @property
    def selector(self) -> dict[str, str]:
        """The labels that only this version's pods carry."""
        return {
            names.OWNER_KIND: self.owner.kind.value,
            names.OWNER: self.owner.name,
            **names.version_labels(self.model, self.version, self.artifact.digest),
        }

    @property
    def labels(self) -> dict[str, str]:
        """The labels of every object of this version."""
        return names.child_labels(self.owner, COMPONENT) | self.selector


def build(served: ServedVersion) -> list[Manifest]:
    """The version's Service, Deployment and PodDisruptionBudget."""
    return [
        _service(served),
        _deployment(served),
        disruption_budget(_metadata(served), served.selector),
    ]


def disruption_budget(head: dict[str, Any], selector: dict[str, str]) -> Manifest:
    """One pod at a time may be moved: a node drain proceeds, and never takes all at once."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": head,
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": selector},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }


def rolling_deployment(
    head: dict[str, Any],
    selector: dict[str, str],
    template: dict[str, Any],
    *,
    replicas: int,
) -> Manifest:
    """A Deployment that never has fewer ready pods than it should while it changes."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": head,
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": 1,
            "selector": {"matchLabels": selector},
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
            },
            "template": template,
        },
    }


def spread_over_nodes(selector: dict[str, str]) -> list[dict[str, Any]]:
    """Prefer a node that has none of these pods yet; never refuse for lack of one."""
    return [
        {
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": selector},
        }
    ]


def _service(served: ServedVersion) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(served),
        "spec": {
            "clusterIP": "None",
            # Routers check health themselves and sooner; a name that first has no address would be
            # remembered by DNS as having none for seconds after the pod is ready.
            "publishNotReadyAddresses": True,
            "selector": served.selector,
            "ports": [{"name": "http", "port": PORT, "protocol": "TCP", "targetPort": PORT}],
        },
    }


def _deployment(served: ServedVersion) -> Manifest:
    template = {"metadata": {"labels": served.labels}, "spec": _pod(served)}
    return rolling_deployment(
        _metadata(served), served.selector, template, replicas=served.server.replicas
    )


def _pod(served: ServedVersion) -> dict[str, Any]:
    volumes: list[dict[str, Any]] = [
        {"name": "bundle", "emptyDir": {}},
        {"name": "tmp", "emptyDir": {}},
    ]
    if secret := _pull_secret(served):
        volumes.append(secret_volume("store-credentials", secret))
    return pod_spec(
        served.platform,
        served.server.placement,
        initContainers=[_fetch(served)],
        containers=[_server(served)],
        volumes=volumes,
        terminationGracePeriodSeconds=DRAIN_SECONDS + 15,
        topologySpreadConstraints=spread_over_nodes(served.selector),
    )


def _fetch(served: ServedVersion) -> dict[str, Any]:
    artifact = served.artifact
    command = ["python", "-m", "regnant.artifacts", "fetch"]
    arguments = ["--uri", artifact.uri, "--digest", artifact.digest, "--into", mounts.BUNDLE]
    if served.platform.speaks_plain_http(artifact.uri):
        arguments.append("--plain-http")
    volume_mounts = [mount("bundle", mounts.BUNDLE), mount("tmp", "/tmp")]  # noqa: S108
    if _pull_secret(served):
        volume_mounts.append(read_only("store-credentials", mounts.STORE_CREDENTIALS))
    return container(
        "fetch",
        served.platform.server_image,
        served.platform,
        command=command,
        args=arguments,
        resources=served.server.resources.to_json(),
        volumeMounts=volume_mounts,
    )


def _server(served: ServedVersion) -> dict[str, Any]:
    environment = {
        "REGNANT_BUNDLE_DIR": mounts.BUNDLE,
        "REGNANT_BUNDLE_DIGEST": served.artifact.digest,
        "REGNANT_MODEL_NAME": served.model,
        "REGNANT_MODEL_VERSION": str(served.version),
        "REGNANT_PORT": str(PORT),
        "REGNANT_METRICS_PORT": str(METRICS_PORT),
        "REGNANT_DRAIN_SECONDS": str(DRAIN_SECONDS),
        "REGNANT_INFERENCE_SECONDS": f"{min(served.request_timeout, _A_DAY).total_seconds():.0f}",
        **_tuning(served.server.tuning),
    }
    return container(
        COMPONENT,
        served.platform.server_image,
        served.platform,
        env=[{"name": name, "value": value} for name, value in environment.items()],
        ports=[
            {"name": "http", "containerPort": PORT, "protocol": "TCP"},
            {"name": "metrics", "containerPort": METRICS_PORT, "protocol": "TCP"},
        ],
        resources=served.server.resources.to_json(),
        startupProbe=_probe("/v2/health/ready", period=1, failures=SLOWEST_START_SECONDS),
        readinessProbe=_probe("/v2/health/ready", period=2, failures=2),
        livenessProbe=_probe("/v2/health/live", period=10, failures=3),
        volumeMounts=[read_only("bundle", mounts.BUNDLE), mount("tmp", "/tmp")],  # noqa: S108
    )


def _tuning(tuning: Tuning) -> dict[str, str]:
    """What the user said otherwise than the server's defaults."""
    queue = tuning.queue_timeout
    given = {
        "REGNANT_ACCESS_LOG_SAMPLE": tuning.access_log_share,
        "REGNANT_MAX_IN_FLIGHT": tuning.max_in_flight,
        "REGNANT_MAX_BODY_BYTES": tuning.max_body_bytes,
        "REGNANT_MAX_BATCH_ROWS": tuning.max_batch_rows,
        "REGNANT_QUEUE_SECONDS": None if queue is None else min(queue, _A_DAY).total_seconds(),
    }
    return {name: str(value) for name, value in given.items() if value is not None}


def _probe(path: str, *, period: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": PORT},
        "periodSeconds": period,
        "timeoutSeconds": 2,
        "failureThreshold": failures,
    }


def _pull_secret(served: ServedVersion) -> str:
    if served.artifact.credentials_secret_ref:
        return served.artifact.credentials_secret_ref.name
    ours = served.artifact.uri.startswith(f"oci://{served.platform.store_host}/")
    return served.platform.store_secret_name if ours else ""


def _metadata(served: ServedVersion) -> dict[str, Any]:
    return metadata(
        served.name, served.owner.namespace, served.labels, served.owner.owner_reference()
    )
