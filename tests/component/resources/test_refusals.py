"""What the API server refuses when it is applied, and that it names the field and the remedy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from regnant.cluster.client import Cluster
from regnant.cluster.errors import InvalidError
from tests.component.resources.documents import (
    ABSENT,
    Manifest,
    changed,
    pipeline,
    service,
    version,
)

Build = Callable[[str], Manifest]

PIPELINE: dict[str, tuple[str, Any, tuple[str, ...]]] = {
    "a name too long to derive children from": (
        "metadata.name",
        "a" * 41,
        ("metadata.name", "at most 40 characters"),
    ),
    "a model line too long": ("spec.modelName", "a" * 41, ("spec.modelName", "40")),
    "a model line with capitals": ("spec.modelName", "Churn", ("spec.modelName",)),
    "no data": ("spec.data", ABSENT, ("spec.data", "Required")),
    "no target": ("spec.data.target", ABSENT, ("spec.data.target", "Required")),
    "an unknown task": (
        "spec.data.task",
        "Clustering",
        ("spec.data.task", "Classification", "Regression"),
    ),
    "a source over plain http": (
        "spec.data.uri",
        "http://example.org/a.csv",
        ("spec.data.uri", "https://"),
    ),
    "a local file": ("spec.data.uri", "file:///etc/passwd", ("spec.data.uri", "pvc://")),
    "an excluded target": (
        "spec.data.exclude",
        ["id", "target"],
        ("data.exclude", "target cannot be excluded", "remove it"),
    ),
    "two rules for a column": (
        "spec.data.columns",
        [{"name": "a"}, {"name": "a"}],
        ("spec.data.columns", "Duplicate"),
    ),
    "a column's bound that is no number": (
        "spec.data.columns",
        [{"name": "a", "minimum": "low"}],
        ("spec.data.columns[0].minimum",),
    ),
    "a group split without a column": (
        "spec.data.split",
        {"method": "Group"},
        ("split.column", "name the column"),
    ),
    "a time split without a column": (
        "spec.data.split",
        {"method": "Time"},
        ("split.column", "name the column"),
    ),
    "too small a test part": (
        "spec.data.split",
        {"testFraction": "0.01"},
        ("split.testFraction", "between 0.05 and 0.5"),
    ),
    "too large a test part": (
        "spec.data.split",
        {"testFraction": "0.9"},
        ("split.testFraction", "between 0.05 and 0.5"),
    ),
    "a test part beyond all numbers": (
        "spec.data.split",
        {"testFraction": "1e999"},
        ("testFraction",),
    ),
    "a test part as a float": (
        "spec.data.split",
        {"testFraction": 0.2},
        ("testFraction", "string"),
    ),
    "a negative seed": ("spec.data.split", {"seed": -1}, ("spec.data.split.seed",)),
    "no trainer": (
        "spec.trainer",
        {},
        ("trainer", "set exactly one of sklearn and container"),
    ),
    "two trainers": (
        "spec.trainer",
        {"sklearn": {"estimator": "sklearn.svm.SVC"}, "container": {"image": "a"}},
        ("trainer", "set exactly one of sklearn and container"),
    ),
    "an estimator from elsewhere": (
        "spec.trainer.sklearn.estimator",
        "os.system",
        ("spec.trainer.sklearn.estimator", "sklearn"),
    ),
    "an image without a name": (
        "spec.trainer",
        {"container": {"image": ""}},
        ("spec.trainer.container.image",),
    ),
    "a gate without a limit": (
        "spec.evaluation",
        {"gates": [{"metric": "roc_auc"}]},
        ("gates", "set exactly one of minimum and maximum"),
    ),
    "a gate with two limits": (
        "spec.evaluation",
        {"gates": [{"metric": "roc_auc", "minimum": "0", "maximum": "1"}]},
        ("gates", "set exactly one of minimum and maximum"),
    ),
    "a confidence of one": (
        "spec.evaluation",
        {"confidenceLevel": "1"},
        ("evaluation.confidenceLevel", "between 0.5 and 0.999"),
    ),
    "parity over a handful of rows": ("spec.parity", {"rows": 10}, ("spec.parity.rows", "1000")),
    "a deadline of nothing": (
        "spec.activeDeadlineSeconds",
        0,
        ("spec.activeDeadlineSeconds", "greater than or equal to 1"),
    ),
    "endless retries": ("spec.backoffLimit", 99, ("spec.backoffLimit", "less than or equal to 10")),
    "a quantity that is none": (
        "spec.resources",
        {"limits": {"memory": "much"}},
        ("spec.resources.limits.memory",),
    ),
}

VERSION: dict[str, tuple[str, Any, tuple[str, ...]]] = {
    "a name of another number": (
        "metadata.name",
        "churn-2",
        ("metadata.name", "such as churn-3"),
    ),
    "a name of another line": ("metadata.name", "other-1", ("metadata.name", "spec.modelName")),
    "a name with a padded number": ("metadata.name", "churn-01", ("metadata.name",)),
    "number zero": ("spec.version", 0, ("spec.version", "greater than or equal to 1")),
    "a digest cut short": (
        "spec.artifact.digest",
        "sha256:abc",
        ("spec.artifact.digest", "sha256:"),
    ),
    "a bundle outside of a registry": (
        "spec.artifact.uri",
        "s3://bucket/churn",
        ("spec.artifact.uri", "oci://"),
    ),
    "a bundle by tag": (
        "spec.artifact.uri",
        "oci://registry.test/churn:1",
        ("spec.artifact.uri",),
    ),
}

SERVICE: dict[str, tuple[str, Any, tuple[str, ...]]] = {
    "a name too long to derive children from": (
        "metadata.name",
        "a" * 41,
        ("metadata.name", "at most 40 characters"),
    ),
    "a name that no Service may have": (
        "metadata.name",
        "1shop",
        ("metadata.name", "start with a letter"),
    ),
    "a name with a dot": ("metadata.name", "my.shop", ("metadata.name", "lower-case letters")),
    "a name that another one's server may have": (
        "metadata.name",
        "shop-3-0a1b2c3d",
        ("metadata.name", "hexadecimal"),
    ),
    "no model line": ("spec.modelName", ABSENT, ("spec.modelName", "Required")),
    "a pin to number zero": (
        "spec.champion",
        {"version": 0},
        ("spec.champion.version", "greater than or equal to 1"),
    ),
    "no server": ("spec.server", {"replicas": 0}, ("spec.server.replicas",)),
    "a thousand servers": ("spec.server", {"replicas": 1000}, ("spec.server.replicas", "100")),
    "no router": ("spec.router", {"replicas": 0}, ("spec.router.replicas",)),
    "a log of more than everything": (
        "spec.server.tuning",
        {"accessLogShare": "1.5"},
        ("server.tuning.accessLogShare: choose a number from 0 to 1",),
    ),
    "batches of nothing": (
        "spec.server.tuning",
        {"maxBatchRows": 0},
        ("spec.server.tuning.maxBatchRows", "1"),
    ),
    "a request that may take no time": (
        "spec.router",
        {"requestTimeout": "0s"},
        ("router.requestTimeout", "at least 1s"),
    ),
    "a deadline that has passed": (
        "spec.rollout",
        {"progressDeadline": "0m"},
        ("rollout.progressDeadline", "at least 1s"),
    ),
    "a duration without a unit": (
        "spec.rollout",
        {"progressDeadline": "10"},
        ("spec.rollout.progressDeadline",),
    ),
    "a duration in days": (
        "spec.rollout",
        {"watch": {"duration": "1d"}},
        ("spec.rollout.watch.duration",),
    ),
    "an empty duration": (
        "spec.rollout",
        {"watch": {"duration": ""}},
        ("spec.rollout.watch.duration",),
    ),
    "a duration beyond all measure": (
        "spec.rollout",
        {"progressDeadline": "9" * 20 + "h"},
        ("spec.rollout.progressDeadline",),
    ),
    "a long retry token": ("spec.rollout", {"retryToken": "x" * 129}, ("retryToken", "128")),
}

CASES = [
    pytest.param(build, *case, id=f"{kind}: {name}")
    for kind, build, cases in (
        ("pipeline", pipeline, PIPELINE),
        ("version", version, VERSION),
        ("service", service, SERVICE),
    )
    for name, case in cases.items()
]


@pytest.mark.parametrize(("build", "path", "value", "words"), CASES)
async def test_it_is_refused_by_name(
    build: Build, path: str, value: Any, words: tuple[str, ...], *, cluster: Cluster, namespace: str
) -> None:
    with pytest.raises(InvalidError) as refused:
        await cluster.create(changed(build(namespace), path, value))
    for word in words:
        assert word in refused.value.message


@pytest.mark.parametrize("build", [pipeline, version, service])
async def test_the_smallest_of_each_kind_is_accepted(
    build: Build, cluster: Cluster, namespace: str
) -> None:
    assert (await cluster.create(build(namespace)))["metadata"]["generation"] == 1


ACCEPTED = [
    (pipeline, "metadata.name", "a" * 40),
    (pipeline, "spec.data.split", {"method": "Group", "column": "customer"}),
    (pipeline, "spec.data.split", {"testFraction": "0.05"}),
    (pipeline, "spec.data.split", {"testFraction": "5e-1"}),
    (pipeline, "spec.data.exclude", ["id"]),
    (pipeline, "spec.data.uri", "pvc://claim/folder/a.csv"),
    (pipeline, "spec.data.uri", "s3://bucket/key.parquet"),
    (pipeline, "spec.trainer.sklearn.parameters", {"C": 0.5, "solver": {"deep": [1, None]}}),
    (pipeline, "spec.trainer", {"container": {"image": "example.org/mine:1"}}),
    (pipeline, "spec.resources", {"limits": {"cpu": 2, "nvidia.com/gpu": "1"}}),
    (service, "metadata.name", "a" * 40),
    (service, "metadata.name", "shop-3"),
    (service, "metadata.name", "shop-3-0a1b2c3"),
    (service, "spec.champion", {"version": 999_999}),
    (service, "spec.rollout", {"watch": {"duration": "0s"}}),
    (service, "spec.router", {"requestTimeout": "1h30m"}),
    (service, "spec.server.tuning", {"accessLogShare": "0.01", "queueTimeout": "5s"}),
]


@pytest.mark.parametrize(("build", "path", "value"), ACCEPTED)
async def test_the_last_that_is_allowed_is_accepted_as_it_was_written(
    build: Build, path: str, value: Any, cluster: Cluster, namespace: str
) -> None:
    made = await cluster.create(changed(build(namespace), path, value))
    for step in path.split("."):
        made = made[step]
    assert contains(made, value)


def contains(whole: Any, part: Any) -> bool:
    if isinstance(part, dict):
        return all(contains(whole[key], value) for key, value in part.items())
    return bool(whole == part)


EDITS = [
    (pipeline, "spec.modelName", "other", ("modelName is immutable", "new TrainingPipeline")),
    (service, "spec.modelName", "other", ("modelName is immutable", "new InferenceService")),
    (version, "spec.artifact.digest", "sha256:" + "1" * 64, ("spec is immutable", "next number")),
    (version, "spec.metrics", [{"name": "f1", "value": "1"}], ("spec is immutable",)),
]


@pytest.mark.parametrize(("build", "path", "value", "words"), EDITS)
async def test_what_must_not_change_keeps_its_first_value(
    build: Build, path: str, value: Any, words: tuple[str, ...], *, cluster: Cluster, namespace: str
) -> None:
    made = await cluster.create(build(namespace))
    with pytest.raises(InvalidError) as refused:
        await cluster.replace(changed(made, path, value))
    for word in words:
        assert word in refused.value.message


async def test_a_version_may_still_be_labelled(cluster: Cluster, namespace: str) -> None:
    made = await cluster.create(version(namespace))
    labelled = await cluster.replace(changed(made, "metadata.labels", {"team": "a"}))
    assert labelled["metadata"]["generation"] == 1


async def test_what_may_change_changes(cluster: Cluster, namespace: str) -> None:
    made = await cluster.create(pipeline(namespace))
    edited = await cluster.replace(changed(made, "spec.runToken", "monday"))
    assert edited["metadata"]["generation"] == 2
