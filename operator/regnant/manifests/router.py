"""The routers of one InferenceService: Deployment, stable Service, ConfigMap, disruption budget.

The Service carries the InferenceService's own name and is the URL that never changes. Routes come
from the ConfigMap and are taken up without a restart; only another bootstrap restarts the pods, one
by one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from regnant.api.inference_service import Router
from regnant.api.meta import GROUP, ObjectRef
from regnant.manifests import names
from regnant.manifests.platform import Platform
from regnant.manifests.pods import Manifest, container, metadata, mount, pod_spec, read_only
from regnant.manifests.router_config import router_files
from regnant.manifests.router_config.place import (
    CONFIG_DIR,
    DRAIN_SECONDS,
    USERS_PORT,
    VERIFICATION_PORT,
    Place,
)
from regnant.manifests.router_config.routes import DRAIN_PATH
from regnant.manifests.routing import Routing
from regnant.manifests.server import disruption_budget, rolling_deployment, spread_over_nodes

COMPONENT = "router"
BOOTSTRAP = "envoy.json"
CONFIG_SYNC = f"{GROUP}/config-sync"
"""The annotation whose change makes the kubelet bring the ConfigMap to the pod at once."""


def build(owner: ObjectRef, router: Router, routing: Routing, platform: Platform) -> list[Manifest]:
    """The routers' ConfigMap, Service, Deployment and PodDisruptionBudget."""
    files = dict(_files(routing))
    name = names.router(owner.name)
    head = _metadata(owner, name)
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": head, "data": files},
        _service(owner),
        rolling_deployment(
            head,
            _selector(owner),
            _template(owner, router, platform, files[BOOTSTRAP]),
            replicas=router.replicas,
        ),
        disruption_budget(head, _selector(owner)),
    ]


@lru_cache(maxsize=512)
def _files(routing: Routing) -> Mapping[str, str]:
    """A settled service is looked at many times with the same routes."""
    return router_files(routing)


def _selector(owner: ObjectRef) -> dict[str, str]:
    return names.component_selector(owner, COMPONENT)


def _metadata(owner: ObjectRef, name: str) -> dict[str, Any]:
    labels = names.child_labels(owner, COMPONENT)
    return metadata(name, owner.namespace, labels, owner.owner_reference())


def _service(owner: ObjectRef) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(owner, owner.name),
        "spec": {
            "type": "ClusterIP",
            "selector": _selector(owner),
            "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": USERS_PORT}],
        },
    }


def _template(
    owner: ObjectRef, router: Router, platform: Platform, bootstrap: str
) -> dict[str, Any]:
    digest = hashlib.sha256(bootstrap.encode()).hexdigest()[:16]
    return {
        "metadata": {
            "labels": names.child_labels(owner, COMPONENT),
            "annotations": {f"{GROUP}/bootstrap-digest": digest},
        },
        "spec": pod_spec(
            platform,
            router.placement,
            containers=[_envoy(router, platform)],
            volumes=[
                {"name": "config", "configMap": {"name": names.router(owner.name)}},
                {"name": "tmp", "emptyDir": {}},
            ],
            terminationGracePeriodSeconds=2 * DRAIN_SECONDS,
            topologySpreadConstraints=spread_over_nodes(_selector(owner)),
        ),
    }


def _envoy(router: Router, platform: Platform) -> dict[str, Any]:
    return container(
        COMPONENT,
        platform.router_image,
        platform,
        args=Place().arguments,
        ports=[
            {"name": "http", "containerPort": USERS_PORT, "protocol": "TCP"},
            {"name": "verify", "containerPort": VERIFICATION_PORT, "protocol": "TCP"},
        ],
        # Answered when the drain is over; the image has no shell to do it with.
        lifecycle={"preStop": {"httpGet": {"path": DRAIN_PATH, "port": VERIFICATION_PORT}}},
        resources=router.resources.to_json(),
        startupProbe=_probe(period=1, failures=60),
        readinessProbe=_probe(period=2, failures=2),
        livenessProbe=_probe(period=10, failures=3),
        volumeMounts=[read_only("config", CONFIG_DIR), mount("tmp", "/tmp")],  # noqa: S108
    )


def _probe(*, period: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": "/healthz", "port": USERS_PORT},
        "periodSeconds": period,
        "timeoutSeconds": 2,
        "failureThreshold": failures,
    }
