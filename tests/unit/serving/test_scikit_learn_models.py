"""Models that scikit-learn fitted answer through the server as they do in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from regnant.artifacts.signature import Tensor
from tests.unit.serving.bundles import signature, tensor, write_bundle
from tests.unit.serving.running_server import running_server

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 150


def golden(inputs: list[dict[str, Any]], outputs: list[dict[str, Any]]) -> dict[str, Any]:
    return {"inputs": inputs, "outputs": outputs}


@pytest.mark.parametrize(
    "estimator", [LogisticRegression(max_iter=500), RandomForestClassifier(20, random_state=7)]
)
def test_a_classifier_gives_its_labels_and_probabilities(tmp_path: Path, estimator: Any) -> None:
    features, target = load_iris(return_X_y=True)
    features = features.astype(np.float32)
    names = np.array(["setosa", "versicolor", "virginica"])[target]
    fitted = estimator.fit(features, names)
    onnx = to_onnx(fitted, features[:1], options={"zipmap": False}, target_opset=17)
    x = Tensor(name="X", datatype="FP32", shape=(-1, 4))
    label = Tensor(name="label", datatype="BYTES", shape=(-1,))
    probabilities = Tensor(name="probabilities", datatype="FP32", shape=(-1, 3))
    asked = tensor("X", "FP32", [ROWS, 4], features.ravel().tolist())
    labels, shares = fitted.predict(features), fitted.predict_proba(features)
    rows = golden(
        [asked],
        [
            tensor("label", "BYTES", [ROWS], labels.tolist()),
            tensor("probabilities", "FP32", [ROWS, 3], shares.ravel().tolist()),
        ],
    )
    written = write_bundle(
        tmp_path, onnx.SerializeToString(), signature([x], [label, probabilities]), rows
    )
    with running_server(written) as server:
        outputs = server.infer({"inputs": [asked]}).json()["outputs"]
        one = tensor("X", "FP32", [1, 4], features[:1].tolist())
        single = server.infer({"inputs": [one], "outputs": [{"name": "label"}]}).json()["outputs"]
    assert outputs[0]["data"] == labels.tolist()
    assert outputs[1]["data"] == pytest.approx(shares.ravel().tolist(), abs=1e-5)
    assert single == [tensor("label", "BYTES", [1], [labels[0]])]


def test_numbers_and_categories_may_be_missing_or_unseen(tmp_path: Path) -> None:
    generator = np.random.default_rng(7)
    numbers = generator.normal(size=(ROWS, 1))
    words = generator.choice(["a", "b"], size=(ROWS, 1)).astype(object)
    columns = ColumnTransformer(
        [
            ("number", make_pipeline(SimpleImputer(), StandardScaler()), [0]),
            ("word", OneHotEncoder(handle_unknown="ignore", sparse_output=False), [1]),
        ]
    )
    both = np.empty((ROWS, 2), object)
    both[:, :1], both[:, 1:] = numbers, words
    fitted = make_pipeline(columns, Ridge()).fit(both, numbers.ravel() + (words.ravel() == "a"))
    kinds = [("number", FloatTensorType([None, 1])), ("word", StringTensorType([None, 1]))]
    onnx = to_onnx(fitted, initial_types=kinds, target_opset=17)
    asked = [
        tensor("number", "FP32", [3, 1], [0.5, None, -1.0]),
        tensor("word", "BYTES", [3, 1], ["a", "", "unseen"]),
    ]
    expected = fitted.predict(np.array([[0.5, "a"], [np.nan, ""], [-1.0, "unseen"]], object))
    inputs = [
        Tensor(name="number", datatype="FP32", shape=(-1, 1)),
        Tensor(name="word", datatype="BYTES", shape=(-1, 1)),
    ]
    output = onnx.graph.output[0].name
    rows = golden(asked, [tensor(output, "FP32", [3, 1], expected.tolist())])
    signed = signature(inputs, [Tensor(name=output, datatype="FP32", shape=(-1, 1))])
    with running_server(write_bundle(tmp_path, onnx.SerializeToString(), signed, rows)) as server:
        answer = server.infer({"inputs": asked}).json()
    assert answer["outputs"][0]["data"] == pytest.approx(expected.tolist(), abs=1e-4)
