"""Valid resources, and the ways in which a test spoils them."""

from __future__ import annotations

import copy
from typing import Any

from regnant.api.meta import API_VERSION

Manifest = dict[str, Any]

DIGEST = "sha256:" + "0" * 64
ABSENT = object()


def pipeline(namespace: str, name: str = "churn", **spec: Any) -> Manifest:
    """A TrainingPipeline with nothing but what it must have."""
    return {
        "apiVersion": API_VERSION,
        "kind": "TrainingPipeline",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "modelName": "churn",
            "data": {"uri": "sklearn://iris", "task": "Classification", "target": "target"},
            "trainer": {"sklearn": {"estimator": "sklearn.linear_model.LogisticRegression"}},
        }
        | spec,
    }


def version(namespace: str, number: int = 1, *, digest: str = DIGEST, **spec: Any) -> Manifest:
    """A ModelVersion with nothing but what it must have."""
    artifact = {"uri": "oci://registry.test:5000/models/churn", "digest": digest}
    return {
        "apiVersion": API_VERSION,
        "kind": "ModelVersion",
        "metadata": {"name": f"churn-{number}", "namespace": namespace},
        "spec": {"modelName": "churn", "version": number, "artifact": artifact} | spec,
    }


def service(namespace: str, name: str = "shop", **spec: Any) -> Manifest:
    """An InferenceService with nothing but what it must have."""
    return {
        "apiVersion": API_VERSION,
        "kind": "InferenceService",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"modelName": "churn"} | spec,
    }


def changed(document: Manifest, path: str, value: Any) -> Manifest:
    """The document with another value at a dotted path, or without it."""
    result = copy.deepcopy(document)
    *way, last = path.split(".")
    place = result
    for step in way:
        place = place.setdefault(step, {})
    if value is ABSENT:
        del place[last]
    else:
        place[last] = value
    return result
