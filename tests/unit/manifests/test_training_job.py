"""The Job of a run: who sees which secret, what is tried again, and what the training is told."""

from __future__ import annotations

import json

import pytest

from tests.unit.manifests.installations import (
    CONTAINER,
    DIGEST,
    GUARDED,
    STORE,
    container,
    pod,
    secrets_of,
    training,
)


def test_job_and_instructions_share_the_name_of_the_version_to_come() -> None:
    config, job = training(version=7)
    assert config["metadata"]["name"] == job["metadata"]["name"] == "churn-7"
    assert {"name": "run", "configMap": {"name": "churn-7"}} in pod(job)["volumes"]


def test_both_go_with_their_pipeline() -> None:
    for made in training():
        (reference,) = made["metadata"]["ownerReferences"]
        assert reference["uid"] == "u-1"
        assert reference["controller"] is True


def test_the_training_is_told_all_that_it_needs() -> None:
    config, _ = training(uri="pvc://claim/a.csv")
    told = json.loads(config["data"]["run.json"])
    assert told["modelName"] == "churn"
    assert told["version"] == 3
    assert told["namespace"] == "ns"
    assert told["pipeline"] == {"name": "shop", "uid": "u-1"}
    assert told["inputsDigest"] == DIGEST
    assert told["trainerImage"] == "trainer:1"
    assert told["store"] == {"uri": f"oci://{STORE}/models", "plainHTTP": True}
    assert told["spec"]["data"]["uri"] == "pvc://claim/a.csv"
    assert told["spec"]["data"]["split"]["testFraction"] == "0.2", "defaults are written out"


def test_the_instructions_are_the_same_bytes_for_the_same_run() -> None:
    assert training() == training()


def test_the_built_in_trainer_is_one_container() -> None:
    _, job = training()
    assert [one["name"] for one in pod(job)["containers"]] == ["trainer"]
    assert "initContainers" not in pod(job)
    assert "command" not in container(job, "trainer")
    assert "args" not in container(job, "trainer")


def test_an_image_of_the_users_runs_first_and_ours_packs_what_it_left() -> None:
    config, job = training(trainer=CONTAINER)
    theirs, ours = container(job, "trainer"), container(job, "pack")
    assert pod(job)["initContainers"] == [theirs]
    assert pod(job)["containers"] == [ours]
    assert (theirs["image"], theirs["command"], theirs["args"]) == (
        "example.org/trainer:2",
        ["/train"],
        ["--fast"],
    )
    assert {"name": "SEED", "value": "7"} in theirs["env"]
    assert (ours["image"], ours["args"]) == ("trainer:1", ["pack"])
    shared = {"name": "work", "mountPath": "/work"}
    assert shared in theirs["volumeMounts"]
    assert shared in ours["volumeMounts"]
    assert json.loads(config["data"]["run.json"])["trainerImage"] == "example.org/trainer:2"


def test_an_image_without_command_keeps_its_own() -> None:
    _, job = training(trainer={"container": {"image": "theirs:1"}})
    assert {"command", "args"}.isdisjoint(container(job, "trainer"))


def test_the_users_image_never_sees_the_stores_credentials() -> None:
    _, job = training(
        trainer=CONTAINER, platform=GUARDED, uri="s3://lake/a.csv", credentials="lake"
    )
    assert secrets_of(job, "trainer") == {"lake"}
    assert secrets_of(job, "pack") == {"lake", "store"}


def test_an_open_store_and_open_data_need_no_secret() -> None:
    _, job = training()
    assert secrets_of(job, "trainer") == set()


@pytest.mark.parametrize(
    ("uri", "claim"),
    [("pvc://claim/folder/a.csv", "claim"), ("s3://bucket/a.csv", None), ("sklearn://iris", None)],
)
def test_only_a_claim_is_mounted_as_data(uri: str, claim: str | None) -> None:
    _, job = training(uri=uri)
    mounted = [volume for volume in pod(job)["volumes"] if "persistentVolumeClaim" in volume]
    if claim is None:
        assert mounted == []
        return
    (volume,) = mounted
    assert volume["persistentVolumeClaim"] == {"claimName": claim, "readOnly": True}
    mount = {"name": "data", "mountPath": "/data", "readOnly": True}
    assert mount in container(job, "trainer")["volumeMounts"]


def test_faulty_input_and_a_full_memory_end_the_job_and_evictions_do_not_count() -> None:
    _, job = training(backoffLimit=4, activeDeadlineSeconds=77)
    assert job["spec"]["backoffLimit"] == 4
    assert job["spec"]["activeDeadlineSeconds"] == 77
    evicted, fatal = job["spec"]["podFailurePolicy"]["rules"]
    assert evicted["action"] == "Ignore"
    assert evicted["onPodConditions"] == [{"type": "DisruptionTarget", "status": "True"}]
    assert fatal == {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [64, 137]}}
    assert pod(job)["restartPolicy"] == "Never", "a failure policy asks for it"


def test_resources_are_the_specs() -> None:
    resources = {"requests": {"cpu": "2", "memory": "1Gi"}, "limits": {"memory": "4Gi"}}
    _, job = training(trainer=CONTAINER, resources=resources)
    assert container(job, "trainer")["resources"] == resources
    assert container(job, "pack")["resources"] == resources
