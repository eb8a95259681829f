"""From a TrainingPipeline to a ModelVersion, with the Job's pods played by the test."""

from __future__ import annotations

import json

import pytest

from regnant.cluster.errors import AlreadyExistsError, ConflictError
from tests.component.controllers.node import ended, running
from tests.component.controllers.operators import Operator
from tests.component.resources.documents import Manifest, pipeline, version

PIPELINE = "TrainingPipeline"


def result(letter: str = "a") -> str:
    return json.dumps(
        {
            "bundle": {
                "uri": "oci://registry.test:5000/models/ns/churn",
                "digest": "sha256:" + letter * 64,
                "sizeBytes": 4096,
            },
            "metrics": [{"name": "roc_auc", "value": "0.91", "low": "0.89", "high": "0.93"}],
            "interface": {
                "inputs": [{"name": "features", "datatype": "FP64", "shape": [-1, 4]}],
                "outputs": [{"name": "label", "datatype": "INT64", "shape": [-1]}],
            },
            "lineage": {"rows": 150, "seed": 7, "packages": {"scikit-learn": "1.9.1"}},
            "parity": {"rows": 1000, "maxDifference": "3.6e-07"},
        }
    )


async def start(operator: Operator) -> None:
    await operator.create(pipeline(operator.namespace))
    await operator.reconcile(PIPELINE, "churn")


async def finish(operator: Operator, job: str = "churn-1", letter: str = "a") -> None:
    await operator.node.train(job, ended("trainer", 0, result(letter)))
    await operator.node.end_job(job)


async def trained(operator: Operator) -> None:
    await start(operator)
    await finish(operator)
    await operator.settle(PIPELINE, "churn")


async def test_a_pipeline_makes_a_job_that_goes_with_it(operator: Operator) -> None:
    await start(operator)
    uid = (await operator.get(PIPELINE, "churn"))["metadata"]["uid"]
    for kind in ("ConfigMap", "Job"):
        made = await operator.get(kind, "churn-1")
        assert [one["uid"] for one in made["metadata"]["ownerReferences"]] == [uid]
    status = await operator.status(PIPELINE, "churn")
    assert (status["run"]["version"], status["run"]["job"]) == (1, "churn-1")
    assert (status["phase"], status["lastVersion"]) == ("Pending", 1)
    assert await operator.events() == ["RunStarted"]


async def test_a_job_at_work_shows_as_training(operator: Operator) -> None:
    await start(operator)
    await operator.node.train("churn-1", running("trainer"))
    assert (await operator.reconcile(PIPELINE, "churn")).after
    assert (await operator.status(PIPELINE, "churn"))["phase"] == "Training"
    assert await operator.condition(PIPELINE, "churn", "Reconciling") == (
        "True",
        "Training",
        "churn-1: the training runs",
    )


async def test_its_result_is_registered_with_where_it_came_from(operator: Operator) -> None:
    await trained(operator)
    made = await operator.get("ModelVersion", "churn-1")
    spec = made["spec"]
    assert spec["artifact"]["digest"] == "sha256:" + "a" * 64
    assert spec["metrics"][0] == {
        "name": "roc_auc",
        "value": "0.91",
        "low": "0.89",
        "high": "0.93",
        "split": "Test",
    }
    uid = (await operator.get(PIPELINE, "churn"))["metadata"]["uid"]
    assert spec["lineage"]["pipeline"] == {"name": "churn", "uid": uid}
    assert spec["lineage"]["packages"] == {"scikit-learn": "1.9.1"}
    assert "ownerReferences" not in made["metadata"], "it outlives its pipeline"
    assert (await operator.status(PIPELINE, "churn"))["latestModelVersion"] == "churn-1"
    assert await operator.condition(PIPELINE, "churn") == (
        "True",
        "Registered",
        "churn-1 is registered with roc_auc 0.91",
    )


async def test_a_settled_pipeline_costs_no_write(operator: Operator) -> None:
    await trained(operator)
    before = await operator.snapshot()
    operator.cluster.writes.clear()
    assert (await operator.reconcile(PIPELINE, "churn")).after is None
    assert operator.cluster.writes == []
    assert await operator.snapshot() == before


async def test_a_run_token_trains_again_under_the_next_number(operator: Operator) -> None:
    await trained(operator)
    await operator.edit(PIPELINE, "churn", lambda live: live["spec"].update(runToken="monday"))
    await operator.reconcile(PIPELINE, "churn")
    await finish(operator, "churn-2", "b")
    await operator.settle(PIPELINE, "churn")
    assert (await operator.get("ModelVersion", "churn-2"))["spec"]["version"] == 2
    assert (await operator.get("ModelVersion", "churn-1"))["spec"]["version"] == 1


async def test_changed_inputs_end_the_run_that_is_on_its_way(operator: Operator) -> None:
    await start(operator)
    await operator.edit(PIPELINE, "churn", lambda live: live["spec"].update(runToken="monday"))
    await operator.reconcile(PIPELINE, "churn")
    gone = await operator.find("Job", "churn-1")
    assert gone is None or "deletionTimestamp" in gone["metadata"]
    assert await operator.find("Job", "churn-2")


async def test_the_trainings_own_words_reach_the_user(operator: Operator) -> None:
    await start(operator)
    words = {
        "reason": "TargetMissing",
        "message": "data.target: there is no column target; choose one of a, b",
        "stage": "ValidatingData",
    }
    await operator.node.train("churn-1", ended("trainer", 64, json.dumps(words)))
    await operator.node.end_job("churn-1", failed="PodFailurePolicy")
    await operator.settle(PIPELINE, "churn")
    status, reason, message = await operator.condition(PIPELINE, "churn")
    assert (status, reason) == ("False", "TargetMissing")
    assert words["message"] in message
    assert (await operator.condition(PIPELINE, "churn", "DataValid"))[:2] == (
        "False",
        "TargetMissing",
    )
    assert "TargetMissing" in await operator.events()
    assert await operator.find("ModelVersion", "churn-1") is None


async def test_a_job_that_somebody_deleted_is_made_again(operator: Operator) -> None:
    await start(operator)
    await operator.delete("Job", "churn-1")
    await operator.delete("ConfigMap", "churn-1")
    await operator.reconcile(PIPELINE, "churn")
    for kind in ("ConfigMap", "Job"):
        assert "deletionTimestamp" not in (await operator.get(kind, "churn-1"))["metadata"]
    assert (await operator.status(PIPELINE, "churn"))["lastVersion"] == 1


async def test_a_version_that_was_applied_by_hand_keeps_its_number(operator: Operator) -> None:
    await operator.create(version(operator.namespace, 4))
    await start(operator)
    assert (await operator.status(PIPELINE, "churn"))["run"]["job"] == "churn-5"


async def test_a_second_pipeline_of_a_line_is_refused_and_the_first_goes_on(
    operator: Operator,
) -> None:
    await start(operator)
    second = pipeline(operator.namespace, "other")
    await operator.create(second)
    await operator.reconcile(PIPELINE, "other")
    assert (await operator.condition(PIPELINE, "other"))[:2] == ("False", "ModelNameTaken")
    await operator.reconcile(PIPELINE, "churn")
    assert (await operator.condition(PIPELINE, "churn"))[1] == "RunStarted"


def foreign(kind: str, namespace: str) -> Manifest:
    head = {"name": "churn-1", "namespace": namespace}
    if kind == "ConfigMap":
        return {"apiVersion": "v1", "kind": kind, "metadata": head, "data": {"precious": "yes"}}
    pod = {"restartPolicy": "Never", "containers": [{"name": "theirs", "image": "theirs"}]}
    job = {"template": {"spec": pod}}
    return {"apiVersion": "batch/v1", "kind": kind, "metadata": head, "spec": job}


@pytest.mark.parametrize("kind", ["ConfigMap", "Job"])
async def test_an_object_of_the_users_is_not_taken_over(kind: str, operator: Operator) -> None:
    theirs = await operator.create(foreign(kind, operator.namespace))
    with pytest.raises(AlreadyExistsError):
        await start(operator)
    with pytest.raises(AlreadyExistsError):
        await operator.reconcile(PIPELINE, "churn")
    status, reason, message = await operator.condition(PIPELINE, "churn")
    assert (status, reason) == ("False", "AlreadyExists")
    assert f"{kind} churn-1 exists" in message
    assert await operator.get(kind, "churn-1") == theirs
    await operator.delete(kind, "churn-1")
    await operator.reconcile(PIPELINE, "churn")
    await operator.reconcile(PIPELINE, "churn")
    assert (await operator.condition(PIPELINE, "churn"))[1] == "RunStarted"
    assert await operator.find("Job", "churn-1")


async def test_the_job_of_a_deleted_pipeline_gives_no_result_to_the_next(
    operator: Operator,
) -> None:
    """The garbage collector takes a while, and the same name may mean other inputs by then."""
    await start(operator)
    await finish(operator)
    await operator.delete(PIPELINE, "churn")
    await operator.create(pipeline(operator.namespace, runToken="other inputs"))
    for _ in range(3):
        with pytest.raises(AlreadyExistsError):
            await operator.reconcile(PIPELINE, "churn")
    assert await operator.find("ModelVersion", "churn-1") is None
    for kind in ("Job", "ConfigMap"):
        await operator.delete(kind, "churn-1")
    await operator.delete("Pod", "churn-1-x7k2p")
    await operator.reconcile(PIPELINE, "churn")
    await finish(operator, letter="b")
    await operator.settle(PIPELINE, "churn")
    made = await operator.get("ModelVersion", "churn-1")
    assert made["spec"]["artifact"]["digest"] == "sha256:" + "b" * 64


async def test_a_status_that_somebody_changed_meanwhile_is_not_overwritten(
    operator: Operator,
) -> None:
    await operator.create(pipeline(operator.namespace))

    async def meddle() -> None:
        def label(live: Manifest) -> None:
            live["metadata"]["labels"] = {"team": "a"}

        await operator.edit(PIPELINE, "churn", label)

    operator.cluster.before_status = meddle
    with pytest.raises(ConflictError):
        await operator.reconcile(PIPELINE, "churn")
    assert await operator.find("Job", "churn-1") is None, "nothing is done before it is written"
    await operator.reconcile(PIPELINE, "churn")
    assert await operator.find("Job", "churn-1")


async def test_a_deleted_pipeline_leaves_nothing_to_do(operator: Operator) -> None:
    await trained(operator)
    await operator.delete(PIPELINE, "churn")
    operator.cluster.writes.clear()
    assert (await operator.reconcile(PIPELINE, "churn")).after is None
    assert operator.cluster.writes == []
    assert await operator.find("ModelVersion", "churn-1"), "versions outlive their pipeline"
