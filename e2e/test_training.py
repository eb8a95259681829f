"""Training as its users meet it: their own CSV, the lineage, the splits, and when a run starts.

The pipelines of this module share one namespace and are applied together; each test waits for its
own.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any

import httpx
import pytest

from e2e.data_servers import CUSTOMERS, customers_csv, fill_claim
from e2e.harness import Cluster, Manifest, condition_of
from e2e.pipelines import (
    KIND,
    PATIENCE_SECONDS,
    assert_told,
    classification,
    example,
    pipeline,
    sklearn,
    wait_until_registered,
)

IRIS = classification("sklearn://iris")
A = sklearn("tree.DecisionTreeClassifier", max_depth=2)
B = sklearn("tree.DecisionTreeClassifier", max_depth=3)
ENDLESS = sklearn("neural_network.MLPClassifier", max_iter=1_000_000, n_iter_no_change=1_000_000)


def customers(**split: str) -> Manifest:
    """The customers of the claim, split by one of their columns."""
    unused = [name for name in ("customer_id", "household", "signed_up") if name != split["column"]]
    data = classification("pvc://lake/customers.csv", "churned")
    return {**data, "exclude": unused, "split": split}


@pytest.fixture(scope="module")
def trainings(regnant: object, cluster: Cluster, shared_namespace: str) -> str:
    """The namespace in which all pipelines were applied."""
    del regnant
    fill_claim(cluster, shared_namespace, {"customers.csv": customers_csv()})
    cluster.apply(example("pipeline-csv-pvc.yaml"), shared_namespace)
    diabetes = {"uri": "sklearn://diabetes", "task": "Regression", "target": "target"}
    cluster.apply(
        [
            pipeline(
                "progression",
                diabetes,
                sklearn("linear_model.Ridge", alpha=0.1),
                evaluation={
                    "metrics": ["rmse", "r2"],
                    "gates": [{"metric": "rmse", "maximum": "65"}],
                },
            ),
            pipeline("by-household", customers(method="Group", column="household"), A),
            pipeline("by-time", customers(method="Time", column="signed_up"), A),
            pipeline("rerun", IRIS, A, historyLimit=1),
            pipeline("superseded", classification("sklearn://digits"), ENDLESS),
        ],
        shared_namespace,
    )
    return shared_namespace


def test_the_lineage_of_a_csv_on_a_claim_is_complete(cluster: Cluster, trainings: str) -> None:
    version = wait_until_registered(cluster, trainings, "churn", "churn-1")
    found, lineage = cluster.get(KIND, "churn", trainings), version["spec"]["lineage"]
    digest = hashlib.sha256(customers_csv().encode()).hexdigest()
    assert lineage["pipeline"] == {"name": "churn", "uid": found["metadata"]["uid"]}
    assert lineage["dataUri"] == "pvc://lake/customers.csv"
    assert lineage["dataDigest"] == f"sha256:{digest}"
    assert lineage["rows"] == CUSTOMERS
    assert lineage["splitDigests"].keys() == {"train", "test"}
    assert lineage["seed"] == 7
    assert lineage["estimator"] == "sklearn.linear_model.LogisticRegression"
    assert lineage["parameters"] == {"C": 0.8, "max_iter": 500}
    assert lineage["packages"].keys() >= {"scikit-learn", "skl2onnx", "onnxruntime", "numpy"}
    assert lineage["inputsDigest"] == found["status"]["run"]["inputsDigest"]
    assert "regnant-trainer" in lineage["trainerImage"]


def test_what_was_measured_is_registered_with_its_uncertainty(
    cluster: Cluster, trainings: str
) -> None:
    spec = wait_until_registered(cluster, trainings, "churn", "churn-1")["spec"]
    measured = {metric["name"]: metric for metric in spec["metrics"]}
    assert measured.keys() == {"roc_auc", "accuracy", "log_loss"}
    for metric in measured.values():
        assert float(metric["low"]) <= float(metric["value"]) <= float(metric["high"])
    assert [gate["passed"] for gate in spec["gates"]] == [True]
    run = cluster.get(KIND, "churn", trainings)["status"]["run"]
    assert run["result"]["parity"]["rows"] == 1000
    assert run["result"]["parity"]["labelFlips"] == 0
    assert_told(cluster, trainings, "churn", "Registered")


def test_a_csv_of_ones_own_is_served_and_asked_by_its_columns(
    cluster: Cluster, trainings: str
) -> None:
    wait_until_registered(cluster, trainings, "churn", "churn-1")
    cluster.wait_for_condition(
        "inferenceservice", "churn", trainings, "Ready", seconds=PATIENCE_SECONDS
    )
    # One who has just come and complains of a high fee, and one who has been there for years.
    request = {
        "inputs": [
            column("tenure_months", "FP64", 0, 72),
            column("monthly_fee", "FP64", 90, None),
            column("calls", "FP64", 9, 0),
            column("plan", "BYTES", "basic", "family"),
            column("region", "BYTES", "Île-de-France", ""),
        ]
    }
    with cluster.port_forward("service/churn", 80, trainings) as base:
        answer = httpx.post(f"{base}/v2/models/churn/infer", json=request, timeout=30)
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-regnant-version"] == "1"
    outputs = {output["name"]: output for output in answer.json()["outputs"]}
    assert outputs["label"]["data"] == ["yes", "no"]
    stays, leaves = outputs["probabilities"]["data"][:2]
    assert math.isclose(stays + leaves, 1, rel_tol=1e-6)
    assert leaves > 0.9


def column(name: str, datatype: str, *values: Any) -> Manifest:
    return {"name": name, "datatype": datatype, "shape": [len(values), 1], "data": list(values)}


def test_a_regression_is_gated_by_a_maximum(cluster: Cluster, trainings: str) -> None:
    spec = wait_until_registered(cluster, trainings, "progression", "progression-1")["spec"]
    assert [output["name"] for output in spec["interface"]["outputs"]] == ["prediction"]
    (gate,) = spec["gates"]
    assert (gate["metric"], gate["maximum"], gate["passed"]) == ("rmse", "65", True)
    assert 40 < float(gate["value"]) <= 65


@pytest.mark.parametrize(
    ("name", "column"), [("by-household", "household"), ("by-time", "signed_up")]
)
def test_the_column_that_a_split_goes_by_is_not_trained_on(
    cluster: Cluster, trainings: str, name: str, column: str
) -> None:
    spec = wait_until_registered(cluster, trainings, name, f"{name}-1")["spec"]
    assert column not in {tensor["name"] for tensor in spec["interface"]["inputs"]}
    whole = wait_until_registered(cluster, trainings, "churn", "churn-1")["spec"]["lineage"]
    assert spec["lineage"]["dataDigest"] == whole["dataDigest"]
    assert spec["lineage"]["splitDigests"] != whole["splitDigests"]


def test_a_run_shows_its_stage_and_stops_when_its_inputs_change(
    cluster: Cluster, trainings: str
) -> None:
    def trains(found: Manifest) -> bool:
        run = found.get("status", {}).get("run", {})
        return (run.get("state"), run.get("stage")) == ("Running", "Training")

    running = cluster.wait_for_object(
        KIND, "superseded", trainings, trains, seconds=PATIENCE_SECONDS
    )
    ready, working = condition_of(running, "Ready"), condition_of(running, "Reconciling")
    assert ready is not None
    assert working is not None
    assert (ready["status"], working["status"]) == ("False", "True")
    assert ready["message"] == "superseded-1: Training"
    assert_pods_have_no_token(cluster, trainings, "superseded")

    cluster.apply(pipeline("superseded", IRIS, A), trainings)
    cluster.wait_until_gone("job", "superseded-1", trainings)
    wait_until_registered(cluster, trainings, "superseded", "superseded-2")
    (past,) = cluster.get(KIND, "superseded", trainings)["status"]["history"]
    assert (past["version"], past["state"], past["reason"]) == (1, "Superseded", "Superseded")
    assert cluster.find("modelversion", "superseded-1", trainings) is None


def assert_pods_have_no_token(cluster: Cluster, namespace: str, name: str) -> None:
    pods = cluster.find_all("pods", namespace, f"regnant.dev/owner={name}")
    assert pods
    for pod in pods:
        assert pod["spec"]["automountServiceAccountToken"] is False
        assert not [volume for volume in pod["spec"]["volumes"] if "projected" in volume]


def test_the_same_inputs_are_trained_again_only_by_a_run_token(
    cluster: Cluster, trainings: str
) -> None:
    first = wait_until_registered(cluster, trainings, "rerun", "rerun-1")
    cluster.apply(pipeline("rerun", IRIS, B, historyLimit=1), trainings)
    other = wait_until_registered(cluster, trainings, "rerun", "rerun-2")
    assert other["spec"]["artifact"]["digest"] != first["spec"]["artifact"]["digest"]

    cluster.apply(pipeline("rerun", IRIS, A, historyLimit=1), trainings)
    found = cluster.wait_for_condition(KIND, "rerun", trainings, "Ready", reason="AlreadyTrained")
    message = (condition_of(found, "Ready") or {})["message"]
    assert message.startswith("these inputs were trained as rerun-1")
    assert "spec.runToken" in message
    assert found["status"]["lastVersion"] == 2

    cluster.apply(pipeline("rerun", IRIS, A, historyLimit=1, runToken="again"), trainings)
    again = wait_until_registered(cluster, trainings, "rerun", "rerun-3")
    assert again["spec"]["lineage"]["splitDigests"] == first["spec"]["lineage"]["splitDigests"]
    assert again["spec"]["artifact"]["digest"] == first["spec"]["artifact"]["digest"]

    cluster.wait_until_gone("job", "rerun-1", trainings)
    assert names(cluster, "jobs", trainings) == {"rerun-2", "rerun-3"}

    cluster.delete(KIND, "rerun", trainings)
    cluster.wait_for(
        "the Jobs of a deleted pipeline are gone",
        lambda: not names(cluster, "jobs", trainings) | names(cluster, "configmaps", trainings),
    )
    kept = {f"rerun-{version}" for version in (1, 2, 3)}
    labelled = cluster.find_all("modelversions", trainings, "regnant.dev/model=rerun")
    assert {found["metadata"]["name"] for found in labelled} == kept


def names(cluster: Cluster, kind: str, namespace: str) -> set[str]:
    found = cluster.find_all(kind, namespace, "regnant.dev/owner=rerun")
    return {each["metadata"]["name"] for each in found}
