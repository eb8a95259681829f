"""Train, export and parity over what people use most; parity is checked by `make` itself.

The golden rows are asked once more here, through their JSON, as a server asks them.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import onnxruntime
import pytest

from regnant.training.runtime import DTYPES
from regnant.training.train import Made
from tests.unit.training.conftest import MakeModel

FOREST = {"n_estimators": 8, "max_depth": 6}


def part(path: str, **parameters: Any) -> dict[str, Any]:
    return {"estimator": f"sklearn.{path}", "parameters": parameters}


CLASSIFIERS: dict[str, dict[str, Any]] = {
    "linear_model.LogisticRegression": {"max_iter": 200},
    "linear_model.RidgeClassifier": {},
    "linear_model.SGDClassifier": {},
    "linear_model.Perceptron": {},
    "svm.SVC": {},
    "svm.LinearSVC": {},
    "neighbors.KNeighborsClassifier": {"n_neighbors": 3},
    "naive_bayes.GaussianNB": {},
    "naive_bayes.MultinomialNB": {},
    "neural_network.MLPClassifier": {"hidden_layer_sizes": [8], "max_iter": 20},
    "tree.DecisionTreeClassifier": {},
    "ensemble.RandomForestClassifier": FOREST,
    "ensemble.ExtraTreesClassifier": FOREST,
    "ensemble.GradientBoostingClassifier": {"n_estimators": 8},
    "ensemble.HistGradientBoostingClassifier": {"max_iter": 8},
    "ensemble.AdaBoostClassifier": {"n_estimators": 8},
    "ensemble.BaggingClassifier": {"n_estimators": 5},
    "calibration.CalibratedClassifierCV": {"cv": 3},
    "ensemble.VotingClassifier": {
        "voting": "soft",
        "estimators": [
            ["linear", part("linear_model.LogisticRegression")],
            ["forest", part("ensemble.RandomForestClassifier", **FOREST)],
        ],
    },
    "ensemble.StackingClassifier": {
        "cv": 3,
        "estimators": [
            ["linear", part("linear_model.LogisticRegression")],
            ["tree", part("tree.DecisionTreeClassifier", max_depth=3)],
        ],
    },
    "pipeline.Pipeline": {
        "steps": [
            ["scale", part("preprocessing.StandardScaler")],
            ["components", part("decomposition.PCA", n_components=2)],
            ["model", part("linear_model.LogisticRegression")],
        ]
    },
    "model_selection.GridSearchCV": {
        "estimator": part("tree.DecisionTreeClassifier"),
        "param_grid": {"max_depth": [2, 4]},
        "cv": 3,
    },
}
REGRESSORS: dict[str, dict[str, Any]] = {
    "linear_model.LinearRegression": {},
    "linear_model.Ridge": {},
    "linear_model.Lasso": {},
    "linear_model.HuberRegressor": {"max_iter": 500},
    "linear_model.PoissonRegressor": {},
    "svm.SVR": {},
    "neighbors.KNeighborsRegressor": {},
    "neural_network.MLPRegressor": {"hidden_layer_sizes": [8], "max_iter": 20},
    "tree.DecisionTreeRegressor": {},
    "ensemble.RandomForestRegressor": FOREST,
    "ensemble.GradientBoostingRegressor": {"n_estimators": 8},
    "ensemble.HistGradientBoostingRegressor": {"max_iter": 8},
    "pipeline.Pipeline": {
        "steps": [
            ["powers", part("preprocessing.PolynomialFeatures", degree=2)],
            ["model", part("linear_model.Ridge")],
        ]
    },
}


def replay_golden(made: Made) -> None:
    golden = json.loads(made.bundle.golden)
    feeds = {
        tensor["name"]: np.array(tensor["data"], dtype=DTYPES[tensor["datatype"]]).reshape(
            tensor["shape"]
        )
        for tensor in golden["inputs"]
    }
    assert 900 <= golden["inputs"][0]["shape"][0] <= 1000
    for threads in (1, 4):
        ask_golden(made.bundle.model, feeds, golden, threads)


def ask_golden(model: bytes, feeds: dict[str, Any], golden: Any, threads: int) -> None:
    """Ask as a server does; with several threads floats are added in another order."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    names = [tensor["name"] for tensor in golden["outputs"]]
    answers = onnxruntime.InferenceSession(model, options).run(names, feeds)
    for tensor, answer in zip(golden["outputs"], answers, strict=True):
        expected = np.array(tensor["data"]).reshape(tensor["shape"])
        if answer.dtype.kind == "f":
            np.testing.assert_allclose(answer, expected, atol=1e-5, rtol=1e-4)
        else:
            assert answer.tolist() == expected.tolist()


def test_a_row_between_two_equal_classes_is_no_golden_row(make_from_csv: MakeModel) -> None:
    random = np.random.default_rng(0)
    numbers, labels = random.normal(size=(200, 2)), random.choice(["x", "y"], 200)
    rows = [f"{a:.3f},{b:.3f},{c}" for (a, b), c in zip(numbers, labels, strict=True)]
    made = make_from_csv(
        "\n".join(["a,b,target", *rows]),
        estimator="sklearn.ensemble.RandomForestClassifier",
        parameters={"n_estimators": 4},
    )
    golden = json.loads(made.bundle.golden)
    probabilities = np.array(golden["outputs"][1]["data"]).reshape(-1, 2)
    assert 0 < len(probabilities) < 1000
    assert (np.abs(probabilities[:, 0] - probabilities[:, 1]) > 1e-4).all()
    assert made.report.rows == 1000


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifier_answers_alike_in_onnx(make_model: MakeModel, name: str) -> None:
    made = make_model(estimator=f"sklearn.{name}", parameters=CLASSIFIERS[name])
    assert made.report.rows == 1000
    assert made.report.label_flips == 0
    assert made.report.max_difference < 1e-5
    assert made.signature.classes == ("setosa", "versicolor", "virginica")
    assert made.signature.outputs[0].model_dump() == {
        "name": "label",
        "datatype": "BYTES",
        "shape": (-1,),
    }
    replay_golden(made)


@pytest.mark.parametrize("name", REGRESSORS)
def test_a_regressor_answers_alike_in_onnx(make_model: MakeModel, name: str) -> None:
    made = make_model(
        "sklearn://diabetes",
        task="Regression",
        estimator=f"sklearn.{name}",
        parameters=REGRESSORS[name],
    )
    assert made.report.max_difference < 1e-4
    assert [(tensor.name, tensor.shape) for tensor in made.signature.outputs] == [
        ("prediction", (-1,))
    ]
    replay_golden(made)


def test_an_estimator_without_probabilities_gives_labels_alone(make_model: MakeModel) -> None:
    made = make_model(estimator="sklearn.svm.LinearSVC")
    assert [tensor.name for tensor in made.signature.outputs] == ["label"]


def test_probabilities_have_a_column_a_class(make_model: MakeModel) -> None:
    made = make_model()
    assert made.signature.outputs[1].model_dump() == {
        "name": "probabilities",
        "datatype": "FP64",
        "shape": (-1, 3),
    }


@pytest.mark.parametrize("data_set", ["breast_cancer", "digits", "wine"])
def test_every_bundled_classification_trains(make_model: MakeModel, data_set: str) -> None:
    made = make_model(
        f"sklearn://{data_set}",
        estimator="sklearn.ensemble.RandomForestClassifier",
        parameters=FOREST,
    )
    accuracy = next(metric for metric in made.metrics if metric.name == "accuracy")
    assert accuracy.value > 0.8
    assert made.report.label_flips == 0
