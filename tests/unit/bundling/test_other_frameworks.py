"""Models of other frameworks answer through the server as they do where they were trained."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import lightgbm
import numpy as np
import pytest
import xgboost
from onnxmltools import convert_lightgbm, convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType
from skl2onnx import to_onnx
from skl2onnx.common.data_types import StringTensorType
from sklearn.datasets import load_breast_cancer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from regnant.bundling.errors import NotServableError
from regnant.bundling.order import Order
from tests.unit.bundling.english import locale_settings
from tests.unit.bundling.made import MODELS, ask, made, network

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROWS = 200
OPSET = 15
GOOD = "the film was great", "a great story", "wonderful and great", "what a joy", "it was a joy"
BAD = "the film was bad", "a bad story", "boring and bad", "what a bore", "it was a bore"


@pytest.mark.parametrize("name", ["perceptron", "convolution"])
def test_a_network_answers_as_pytorch_does(tmp_path: Path, name: str) -> None:
    stored = dict(np.load(MODELS / f"{name}.npz"))
    done = made(network(name), tmp_path)
    inputs = [one.name for one in done.bundle.signature.inputs]
    with done.served() as server:
        answers = ask(server, {one: stored.pop(one) for one in inputs})
    assert answers.keys() == stored.keys()
    for output, expected in stored.items():
        assert answers[output] == pytest.approx(expected, abs=1e-6), output


def boosted(name: str) -> tuple[Any, Callable[..., Any]]:
    if name == "lightgbm":
        return lightgbm.LGBMClassifier(n_estimators=20, verbose=-1, n_jobs=1), _lightgbm
    return xgboost.XGBClassifier(n_estimators=20, n_jobs=1), convert_xgboost


def _lightgbm(model: Any, **options: Any) -> Any:
    return convert_lightgbm(model, zipmap=False, **options)


@pytest.mark.parametrize("name", ["lightgbm", "xgboost"])
def test_boosted_trees_answer_as_their_framework_does(tmp_path: Path, name: str) -> None:
    features, target = load_breast_cancer(return_X_y=True)
    features = features.astype(np.float32)
    fitted, convert = boosted(name)
    fitted.fit(features, target)
    asked = features[:ROWS]
    expected = {"label": fitted.predict(asked), "probabilities": fitted.predict_proba(asked)}
    onnx = convert(
        fitted, initial_types=[("features", FloatTensorType([None, 30]))], target_opset=OPSET
    )
    (tmp_path / "trees.onnx").write_bytes(onnx.SerializeToString())
    np.savez(tmp_path / "rows.npz", features=asked, **expected)
    done = made(Order(tmp_path / "trees.onnx", tmp_path / "rows.npz", classes=("0", "1")), tmp_path)
    signature = done.bundle.signature
    assert signature.task == "Classification"
    assert [one.shape for one in signature.outputs] == [(-1,), (-1, 2)]
    assert signature.classes == (0, 1)
    with done.served() as server:
        answers = ask(server, {"features": asked})
        one = ask(server, {"features": asked[:1]})
        named = server.client.post(
            "/v1/models/churn:predict", json={"instances": asked[:1].tolist()}
        )
    assert answers["label"].tolist() == expected["label"].tolist()
    assert answers["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-6)
    assert one["label"].tolist() == expected["label"][:1].tolist()
    assert set(named.json()["predictions"][0]["probabilities"]) == {"0", "1"}


@pytest.fixture
def english(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that works on text."""
    for name, value in locale_settings(tmp_path / "locales").items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("english")
def test_text_is_classified_as_scikit_learn_does(tmp_path: Path) -> None:
    texts = np.array([*GOOD, *BAD])
    labels = np.array(["good"] * len(GOOD) + ["bad"] * len(BAD))
    fitted = make_pipeline(TfidfVectorizer(), LogisticRegression(C=10)).fit(texts, labels)
    onnx = to_onnx(
        fitted,
        initial_types=[("text", StringTensorType([None]))],
        options={"zipmap": False},
        target_opset=17,
    )
    (tmp_path / "text.onnx").write_bytes(onnx.SerializeToString())
    expected = fitted.predict_proba(texts)
    np.savez(tmp_path / "rows.npz", text=texts, label=fitted.predict(texts), probabilities=expected)
    done = made(
        Order(tmp_path / "text.onnx", tmp_path / "rows.npz", classes=("bad", "good")), tmp_path
    )
    assert done.bundle.signature.inputs[0].datatype == "BYTES"
    with done.served() as server:
        answers = ask(server, {"text": texts.astype(object)})
        row = {"instances": [{"text": "great, great, great"}]}
        predicted = server.client.post("/v1/models/churn:predict", json=row).json()
    assert answers["label"].tolist() == labels.tolist()
    assert answers["probabilities"] == pytest.approx(expected, abs=1e-5)
    [prediction] = predicted["predictions"]
    assert prediction["label"] == "good"
    assert prediction["probabilities"]["good"] > 0.5


def test_an_export_that_answers_otherwise_than_its_framework_is_refused(tmp_path: Path) -> None:
    stored = dict(np.load(MODELS / "convolution.npz"))
    stored["probabilities"][40] += [0.25, 0, 0, -0.25, 0]
    np.savez(tmp_path / "rows.npz", **stored)
    with pytest.raises(NotServableError) as refused:
        made(replace(network("convolution"), golden=tmp_path / "rows.npz"), tmp_path)
    said = refused.value.message
    assert 'row 40: tensor "probabilities"' in said
    assert "1 of 64 rows differ" in said
    assert "the most by 0.25" in said
    assert "--tolerance-absolute" in said


def test_a_label_that_differs_is_refused(tmp_path: Path) -> None:
    stored = dict(np.load(MODELS / "convolution.npz"))
    stored["label"][3] = (stored["label"][3] + 1) % 5
    np.savez(tmp_path / "rows.npz", **stored)
    with pytest.raises(NotServableError, match=r'tensor "label": expected .* 1 of 64 rows differ'):
        made(replace(network("convolution"), golden=tmp_path / "rows.npz"), tmp_path)


def test_the_accepted_distance_can_be_widened(tmp_path: Path) -> None:
    stored = dict(np.load(MODELS / "perceptron.npz"))
    stored["prediction"] += 0.01
    np.savez(tmp_path / "rows.npz", **stored)
    order = replace(network("perceptron"), golden=tmp_path / "rows.npz")
    with pytest.raises(NotServableError, match="64 of 64 rows differ"):
        made(order, tmp_path)
    done = made(replace(order, absolute=0.02), tmp_path)
    assert "prediction by at most 0.01" in done.said
