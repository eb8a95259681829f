"""What a user gets for a mistake: a reason, words that name the field and the remedy, an Event.

All pipelines of this module are applied at once to one namespace, beside a good one, and then read
one by one. Nothing of what they do wrong may reach a ModelVersion, or the good one.

Faults of the store are not here, as all tests of a cluster share one: test_stores.py gives the
installation another for its time.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from e2e.data_servers import fill_claim
from e2e.harness import Cluster, Manifest, condition_of
from e2e.pipelines import (
    KIND,
    PATIENCE_SECONDS,
    Ended,
    assert_ended,
    assert_told,
    classification,
    image,
    pipeline,
    sklearn,
    wait_until_registered,
)

IRIS = classification("sklearn://iris")
DIGITS = classification("sklearn://digits")
QUICK = sklearn("tree.DecisionTreeClassifier", max_depth=1)
SLOW = "past-deadline"
NO_IMAGE = "localhost/nobody-built-this:1"


def noisy_csv() -> str:
    """Two columns and a rare class, which a tuned threshold answers otherwise than ONNX can."""
    chance = random.Random(0)
    rows = ["a,b,target"]
    for _ in range(400):
        a, b, noise = (chance.gauss(0, 1) for _ in range(3))
        rows.append(f"{a:.4f},{b:.4f},{int(a + b + noise > 1.5)}")
    return "\n".join(rows)


def table(*rows: str) -> str:
    return "\n".join(["x,gap,label", *rows]) + "\n"


GOOD_ROWS = [f"{number},{number % 3},{'ab'[number % 2]}" for number in range(40)]
FILES = {
    "noisy.csv": noisy_csv(),
    "empty.csv": "",
    "header.csv": table(),
    "broken.csv": table(*GOOD_ROWS[:5], "1,2,3,4", *GOOD_ROWS[5:]),
    "gap.csv": table(*(f"{number},,{'ab'[number % 2]}" for number in range(40))),
    "constant.csv": table(*(f"{number},1,a" for number in range(40))),
    "holes.csv": table(*GOOD_ROWS, "7,1,", *GOOD_ROWS),
    "tiny.csv": table(*GOOD_ROWS[:6]),
}


def lake(path: str, target: str = "label") -> Manifest:
    return classification(f"pvc://lake/{path}", target)


@dataclass(frozen=True)
class Mistake:
    """One wrong pipeline, and how it must end."""

    ended: Ended
    data: Manifest = field(default_factory=lambda: IRIS)
    trainer: Manifest = field(default_factory=lambda: QUICK)
    spec: Manifest = field(default_factory=dict)


MISTAKES = {
    "estimator-unknown": Mistake(
        Ended(
            "EstimatorNotFound",
            "Trained",
            ["trainer.sklearn.estimator", "did you mean 'sklearn.ensemble.RandomForestClassifier'"],
        ),
        trainer=sklearn("ensemble.RandomForrestClassifier"),
    ),
    "estimator-is-none": Mistake(
        Ended("EstimatorNotAllowed", "Trained", ["trainer.sklearn.estimator", "public estimator"]),
        trainer=sklearn("datasets.fetch_openml"),
    ),
    "parameter-unknown": Mistake(
        Ended(
            "InvalidParameter",
            "Trained",
            ["trainer.sklearn.parameters.max_itr", "did you mean 'max_iter'"],
        ),
        trainer=sklearn("linear_model.LogisticRegression", max_itr=5),
    ),
    "parameter-of-wrong-kind": Mistake(
        Ended("InvalidParameter", "Trained", ["trainer.sklearn.parameters.C", "'a lot'"]),
        trainer=sklearn("linear_model.LogisticRegression", C="a lot"),
    ),
    "estimator-of-other-task": Mistake(
        Ended("InvalidParameter", "Trained", ["trainer.sklearn.estimator", "data.task"]),
        trainer=sklearn("linear_model.Ridge"),
    ),
    "target-missing": Mistake(
        Ended("TargetMissing", "DataValid", ["data.target", "did you mean 'target'"]),
        data=classification("sklearn://iris", "tarjet"),
    ),
    "target-constant": Mistake(
        Ended("TargetConstant", "DataValid", ["data.target", "choose another column"]),
        data=lake("constant.csv"),
    ),
    "target-with-holes": Mistake(
        Ended("TargetHasMissingValues", "DataValid", ["data.target", "row 42", "fill them in"]),
        data=lake("holes.csv"),
    ),
    "task-does-not-fit": Mistake(
        Ended("TaskMismatch", "DataValid", ["data.task", "use task: Classification"]),
        data={**IRIS, "task": "Regression"},
        trainer=sklearn("dummy.DummyRegressor"),
    ),
    "data-not-found": Mistake(
        Ended("DataNotFound", "DataValid", ["data.uri", "'nowhere.csv'", "check the path"]),
        data=lake("nowhere.csv"),
    ),
    "data-set-not-found": Mistake(
        Ended("DataNotFound", "DataValid", ["data.uri", "did you mean 'iris'"]),
        data=classification("sklearn://irsi"),
    ),
    "data-empty": Mistake(
        Ended("DataEmpty", "DataValid", ["data.uri", "write at least a header"]),
        data=lake("empty.csv"),
    ),
    "data-without-rows": Mistake(
        Ended("DataEmpty", "DataValid", ["data.uri", "add rows"]), data=lake("header.csv")
    ),
    "data-malformed": Mistake(
        Ended("DataMalformed", "DataValid", ["data.uri", "row 7", "correct that row"]),
        data=lake("broken.csv"),
    ),
    "column-all-missing": Mistake(
        Ended("ColumnEmpty", "DataValid", ["'gap'", "data.exclude"]), data=lake("gap.csv")
    ),
    "column-unknown": Mistake(
        Ended("ColumnMissing", "DataValid", ["data.exclude", "'costumer_id'"]),
        data={**IRIS, "exclude": ["costumer_id"]},
    ),
    "too-few-rows": Mistake(
        Ended("TooFewRows", "DataValid", ["6 rows", "at least 10"]), data=lake("tiny.csv")
    ),
    "training-raises": Mistake(
        Ended("TrainingFailed", "Trained", ["NuSVC", "infeasible"]),
        data=lake("noisy.csv", "target"),
        trainer=sklearn("svm.NuSVC", nu=1.0),
    ),
    "out-of-memory": Mistake(
        Ended("OutOfMemory", "Trained", ["trainer", "raise resources.limits.memory"]),
        data=DIGITS,
        trainer=sklearn("neural_network.MLPClassifier", hidden_layer_sizes=[9000, 9000]),
        spec={
            "resources": {
                "requests": {"cpu": "50m", "memory": "128Mi"},
                "limits": {"memory": "512Mi"},
            }
        },
    ),
    SLOW: Mistake(
        Ended("DeadlineExceeded", "Trained", ["spec.activeDeadlineSeconds", "raise it"]),
        data=DIGITS,
        trainer=sklearn(
            "neural_network.MLPClassifier", max_iter=1_000_000, n_iter_no_change=1_000_000
        ),
        spec={"activeDeadlineSeconds": 40},
    ),
    "not-in-onnx": Mistake(
        Ended("ExportUnsupported", "Exported", ["trainer.sklearn.estimator", "LabelSpreading"]),
        trainer=sklearn("semi_supervised.LabelSpreading"),
    ),
    "parity-fails": Mistake(
        Ended("ParityFailed", "ParityPassed", ["flips the label", "choose another estimator"]),
        data=lake("noisy.csv", "target"),
        trainer=sklearn(
            "model_selection.TunedThresholdClassifierCV",
            estimator={"estimator": "sklearn.naive_bayes.GaussianNB"},
            scoring="recall",
        ),
    ),
    "metric-unknown": Mistake(
        Ended("MetricUnknown", "Trained", ["evaluation", "'acuracy'", "accuracy"]),
        spec={"evaluation": {"metrics": ["acuracy"]}},
    ),
    "gate-not-met": Mistake(
        Ended("GateNotMet", "GatesPassed", ["accuracy is", "at least 0.9", "evaluation.gates"]),
        spec={
            "evaluation": {
                "metrics": ["accuracy"],
                "gates": [{"metric": "accuracy", "minimum": "0.9"}],
            }
        },
    ),
    "image-never-came": Mistake(
        Ended("DeadlineExceeded", "Trained", ["spec.activeDeadlineSeconds", NO_IMAGE, "pulled"]),
        trainer={"container": {"image": NO_IMAGE}},
        spec={"activeDeadlineSeconds": 60},
    ),
}


def is_training(found: Manifest) -> bool:
    return bool(found.get("status", {}).get("run", {}).get("stage") == "Training")


@pytest.fixture(scope="module")
def mistakes(regnant: object, cluster: Cluster, shared_namespace: str) -> str:
    """The namespace in which every mistake was made at once."""
    del regnant
    made = {
        name: pipeline(name, mistake.data, mistake.trainer, **mistake.spec)
        for name, mistake in MISTAKES.items()
    }
    # It must be at its training before the others take the machine, and its deadline passes.
    cluster.apply(made.pop(SLOW), shared_namespace)
    fill_claim(cluster, shared_namespace, FILES)
    cluster.wait_for_object(KIND, SLOW, shared_namespace, is_training, seconds=PATIENCE_SECONDS)
    good = pipeline("good", IRIS, sklearn("linear_model.LogisticRegression"))
    cluster.apply(
        [
            *made.values(),
            good,
            pipeline("no-image", IRIS, {"container": {"image": NO_IMAGE}}),
            pipeline("no-secret", {**IRIS, "credentialsSecretRef": {"name": "keys"}}, QUICK),
            pipeline("no-claim", classification("pvc://nowhere/x.csv"), QUICK),
        ],
        shared_namespace,
    )
    return shared_namespace


# First of all: the longer a Secret is missing, the more seldom the kubelet looks for it.
def test_a_secret_that_does_not_exist_is_named_and_the_run_goes_on_once_it_does(
    cluster: Cluster, mistakes: str
) -> None:
    message = waiting_for(cluster, mistakes, "no-secret", "VolumeNotMounted")
    assert "data.credentialsSecretRef" in message
    assert '"keys"' in message
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}}
    cluster.apply({**secret, "stringData": {"token": "x"}}, mistakes)
    wait_until_registered(cluster, mistakes, "no-secret", "no-secret-1")


def test_an_image_that_cannot_be_pulled_is_named_while_the_run_waits(
    cluster: Cluster, mistakes: str
) -> None:
    message = waiting_for(cluster, mistakes, "no-image", "ImagePullFailed")
    assert NO_IMAGE in message
    assert "correct its name or the pull secret" in message


def test_a_claim_that_does_not_exist_is_named_while_the_run_waits(
    cluster: Cluster, mistakes: str
) -> None:
    message = waiting_for(cluster, mistakes, "no-claim", "VolumeNotMounted")
    assert "data.uri" in message
    assert '"nowhere"' in message


def waiting_for(cluster: Cluster, namespace: str, name: str, reason: str) -> str:
    """The message of a run that waits for something that a user may still put right."""
    found = cluster.wait_for_condition(
        KIND, name, namespace, "Ready", status="False", reason=reason, seconds=PATIENCE_SECONDS
    )
    working, ready = condition_of(found, "Reconciling"), condition_of(found, "Ready")
    assert working is not None
    assert working["status"] == "True"
    assert ready is not None
    assert_told(cluster, namespace, name, reason)
    return str(ready["message"])


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_ends_with_its_reason_and_the_remedy(
    cluster: Cluster, mistakes: str, name: str
) -> None:
    assert_ended(cluster, mistakes, name, MISTAKES[name].ended)


def test_none_of_the_mistakes_harmed_the_pipeline_beside_them(
    cluster: Cluster, mistakes: str
) -> None:
    assert wait_until_registered(cluster, mistakes, "good", "good-1")
    names = {found["metadata"]["name"] for found in cluster.find_all("modelversions", mistakes)}
    assert names <= {"good-1", "no-secret-1"}


def test_an_estimator_of_another_library_is_refused_at_once(
    regnant: object, cluster: Cluster, namespace: str
) -> None:
    del regnant
    wrong = pipeline("other", IRIS, {"sklearn": {"estimator": "xgboost.XGBClassifier"}})
    assert "spec.trainer.sklearn.estimator" in cluster.refusal(wrong, namespace)


def test_a_pipeline_without_a_trainer_is_refused_at_once(
    regnant: object, cluster: Cluster, namespace: str
) -> None:
    del regnant
    both = QUICK | {"container": {"image": image("trainer")}}
    for wrong in ({}, both):
        said = cluster.refusal(pipeline("none", IRIS, wrong), namespace)
        assert "trainer" in said
        assert "exactly one of" in said
