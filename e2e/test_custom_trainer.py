"""An image of the user's own as the trainer: docs/examples/custom-trainer on the cluster.

The example's program runs in our trainer image, which has what it imports; beside it run trainers
that leave something out or tell what is not so. Nothing that they write is believed.
"""

from __future__ import annotations

import math

import httpx
import pytest
import yaml

from e2e.harness import Cluster, Manifest
from e2e.pipelines import (
    EXAMPLES,
    KIND,
    PATIENCE_SECONDS,
    Ended,
    assert_ended,
    classification,
    example,
    image,
    pipeline,
    wait_until_registered,
)

PROGRAM = (EXAMPLES / "custom-trainer" / "train.py").read_text(encoding="utf-8")
# Wine 0 of the data set.
ROW = [14.23, 1.71, 2.43, 15.6, 127.0, 2.8, 3.06, 0.28, 2.29, 5.64, 1.04, 3.92, 1065.0]

SLOW = """
import json, threading
print(json.dumps({"stage": "Fermenting", "message": "barrel 3 of 10"}), flush=True)
threading.Event().wait()
"""


def container(program: str) -> Manifest:
    command = ["python", "-c", program]
    return {"container": {"image": image("trainer"), "command": command}}


def broken(after: str) -> Manifest:
    """The example's program, and what is done to its output then."""
    return container(f"{PROGRAM}\n{after}")


MISTAKES = {
    "writes-nothing": (
        container("pass"),
        Ended("OutputMissing", "Exported", ["trainer.container", "model.onnx", "OUTPUT_DIR"]),
    ),
    "forgets-metrics": (
        broken("(output / 'metrics.json').unlink()"),
        Ended("OutputMissing", "Exported", ["trainer.container", "metrics.json"]),
    ),
    "writes-no-model": (
        broken("(output / 'model.onnx').write_bytes(b'a model, really')"),
        Ended("OutputInvalid", "Exported", ["model.onnx", "does not load"]),
    ),
    "measures-nonsense": (
        broken("(output / 'metrics.json').write_text('{\"accuracy\": \"good\"}')"),
        Ended("OutputInvalid", "Exported", ["metrics.json", "accuracy"]),
    ),
    "tells-false-answers": (
        broken(
            "golden['outputs'][0]['data'][3] += 1\n"
            "(output / 'golden.json').write_text(json.dumps(golden))"
        ),
        Ended("GoldenMismatch", "ParityPassed", ["model.onnx", "1 of 20", "row 3, label"]),
    ),
    "raises": (
        container("raise SystemExit('the lake is dry')"),
        Ended("Crashed", "Trained", ["container trainer", "exit code 1", "the lake is dry"]),
    ),
}


@pytest.fixture(scope="module")
def trainers(regnant: object, cluster: Cluster, shared_namespace: str) -> str:
    """The namespace in which the example and every mistake were applied."""
    del regnant
    own_image = example(
        "pipeline-container.yaml", **{"registry.example.com/wine-trainer:1": image("trainer")}
    )
    documents = list(yaml.safe_load_all(own_image))
    documents[0]["spec"]["trainer"]["container"]["command"] = ["python", "-c", PROGRAM]
    wine = classification("sklearn://wine")
    made = [pipeline(name, wine, trainer) for name, (trainer, _) in MISTAKES.items()]
    slow = pipeline("slow", wine, container(SLOW))
    cluster.apply([*documents, *made, slow], shared_namespace)
    return shared_namespace


def test_a_model_of_the_users_own_image_is_registered_with_its_lineage(
    cluster: Cluster, trainers: str
) -> None:
    spec = wait_until_registered(cluster, trainers, "wine", "wine-1")["spec"]
    lineage = spec["lineage"]
    assert lineage["trainerImage"] == image("trainer")
    assert lineage["dataUri"] == "sklearn://wine"
    assert lineage["dataDigest"].startswith("sha256:")
    assert [tensor["name"] for tensor in spec["interface"]["inputs"]] == ["X"]
    (gate,) = spec["gates"]
    assert (gate["metric"], gate["passed"]) == ("accuracy", True)


def test_a_model_of_the_users_own_image_is_served(cluster: Cluster, trainers: str) -> None:
    wait_until_registered(cluster, trainers, "wine", "wine-1")
    cluster.wait_for_condition(
        "inferenceservice", "wine", trainers, "Ready", seconds=PATIENCE_SECONDS
    )
    request = {"inputs": [{"name": "X", "datatype": "FP64", "shape": [1, 13], "data": ROW}]}
    with cluster.port_forward("service/wine", 80, trainers) as base:
        answer = httpx.post(f"{base}/v2/models/wine/infer", json=request, timeout=30)
    assert answer.status_code == 200, answer.text
    outputs = {output["name"]: output["data"] for output in answer.json()["outputs"]}
    assert outputs["label"] == [0]
    assert math.isclose(sum(outputs["probabilities"]), 1, rel_tol=1e-5)


def test_the_stage_that_an_image_tells_is_shown_while_it_runs(
    cluster: Cluster, trainers: str
) -> None:
    found = cluster.wait_for_condition(
        KIND, "slow", trainers, "Reconciling", reason="Training", seconds=PATIENCE_SECONDS
    )
    assert found["status"]["phase"] == "Training"
    cluster.wait_for_object(
        KIND,
        "slow",
        trainers,
        lambda found: found["status"]["run"]["stage"] == "Fermenting",
        what="slow shows the stage Fermenting",
    )
    cluster.delete(KIND, "slow", trainers)
    cluster.wait_until_gone("job", "slow-1", trainers)


@pytest.mark.parametrize("name", MISTAKES)
def test_what_an_image_left_is_not_believed(cluster: Cluster, trainers: str, name: str) -> None:
    assert_ended(cluster, trainers, name, MISTAKES[name][1])


def test_the_users_container_gets_the_run_and_scratch_space_and_no_more(
    cluster: Cluster, trainers: str
) -> None:
    wait_until_registered(cluster, trainers, "wine", "wine-1")
    of_the_run = "regnant.dev/owner-kind=TrainingPipeline,regnant.dev/owner=wine"
    (pod,) = cluster.find_all("pods", trainers, of_the_run)
    assert pod["spec"]["automountServiceAccountToken"] is False
    (own,) = pod["spec"]["initContainers"]
    assert {volume["name"] for volume in own["volumeMounts"]} == {"run", "tmp", "work"}
    assert own["securityContext"]["readOnlyRootFilesystem"] is True
