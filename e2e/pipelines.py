"""TrainingPipelines as tests write them, and what a user sees of one that ended.

A manifest is short here because the schema has defaults; resources are small, so that a module's
pipelines can train side by side on a small machine. `Ended` is what every failure must look like:
the reason in Ready, in Stalled and in the step that failed, words that help, one Event, and no
ModelVersion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from e2e.cluster.settings import CHECKOUT, Settings
from e2e.harness import Cluster, Manifest, condition_of

EXAMPLES = CHECKOUT / "docs" / "examples"
KIND = "trainingpipeline"
PATIENCE_SECONDS = 240
RESOURCES = {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}}


def sklearn(estimator: str, /, **parameters: Any) -> Manifest:
    """The built-in trainer with an estimator below `sklearn.`."""
    return {"sklearn": {"estimator": f"sklearn.{estimator}", "parameters": parameters}}


def classification(uri: str, target: str = "target", **more: Any) -> Manifest:
    """The data of a classification."""
    return {"uri": uri, "task": "Classification", "target": target, **more}


def pipeline(name: str, data: Manifest, trainer: Manifest, **spec: Any) -> Manifest:
    """A TrainingPipeline whose model line has its own name; bad input must not need a retry."""
    return {
        "apiVersion": "regnant.dev/v1alpha1",
        "kind": "TrainingPipeline",
        "metadata": {"name": name},
        "spec": {
            "modelName": name,
            "data": data,
            "trainer": trainer,
            "resources": RESOURCES,
            "backoffLimit": 0,
            **spec,
        },
    }


def example(name: str, **replaced: str) -> str:
    """A manifest of docs/examples, with what only a user can know put in."""
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    for old, new in replaced.items():
        if old not in text:
            raise ValueError(f"{name} has no {old!r} to replace")
        text = text.replace(old, new)
    return text


def image(name: str) -> str:
    """The reference of one of our images on this cluster."""
    return Settings.from_environment().image(name)


@dataclass(frozen=True)
class Ended:
    """How a pipeline with bad input must end."""

    reason: str
    step: str
    """The condition of the step that failed."""
    words: Sequence[str] = field(default_factory=tuple)
    """What the message must hold: the field, and what to do."""


def assert_ended(cluster: Cluster, namespace: str, name: str, wanted: Ended) -> Manifest:
    """Wait for the end, then hold everything that a user sees of it against what is wanted."""
    found = cluster.wait_for_condition(KIND, name, namespace, "Stalled", seconds=PATIENCE_SECONDS)
    ready, stalled = condition_of(found, "Ready"), condition_of(found, "Stalled")
    assert ready is not None
    assert stalled is not None
    message = ready["message"]
    assert (ready["status"], ready["reason"]) == ("False", wanted.reason), message
    assert (stalled["reason"], stalled["message"]) == (wanted.reason, message)
    step = condition_of(found, wanted.step)
    assert step is not None
    assert (step["status"], step["reason"]) == ("False", wanted.reason), found["status"]
    for word in wanted.words:
        assert word in message
    assert "np." not in message, "a value is shown as the user wrote it"
    assert_told(cluster, namespace, name, wanted.reason, severity="Warning")
    versions = cluster.find_all("modelversions", namespace, f"regnant.dev/model={name}")
    assert versions == []
    return found


def assert_told(
    cluster: Cluster, namespace: str, name: str, reason: str, *, severity: str = "Normal"
) -> None:
    """There is exactly one Event of this reason and severity; it follows the status."""

    def told() -> list[str]:
        return [
            event["regarding"]["kind"]
            for event in cluster.events(namespace, about=name)
            if (event["reason"], event["type"]) == (reason, severity)
        ]

    cluster.wait_for(f"{name} was told {reason}", told, seconds=20)
    assert told() == ["TrainingPipeline"]


def wait_until_registered(
    cluster: Cluster, namespace: str, name: str, version: str, *, seconds: float = PATIENCE_SECONDS
) -> Manifest:
    """The ModelVersion, once the pipeline says that it registered it."""
    cluster.wait_for_object(
        KIND,
        name,
        namespace,
        lambda found: (
            found.get("status", {}).get("latestModelVersion") == version
            and (condition_of(found, "Ready") or {}).get("status") == "True"
        ),
        what=f"{name} has registered {version}",
        seconds=seconds,
    )
    return cluster.get("modelversion", version, namespace)
