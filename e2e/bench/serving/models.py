"""Two classifiers that scikit-learn fitted to the same rows of thirty numbers.

A logistic regression, which costs next to nothing, so the server is what is measured; and a forest
of two hundred trees, which costs what a model costs. Numbers have four digits, as people write
them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skl2onnx import to_onnx
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from e2e.bench.serving.peers.onnx_session import INPUT, LABEL, MODEL_NAME, PROBABILITIES
from regnant.artifacts.signature import Signature, Tensor
from tests.unit.serving.bundles import Written, tensor, write_bundle

TREES = 200
_OPSET = 17
_GOLDEN = 100

Rows = NDArray[np.float32]


@dataclass(frozen=True)
class Model:
    """A classifier, as a bundle for Regnant and as a file for everyone else."""

    words: str
    bundle: Written
    rows: Rows

    @property
    def file(self) -> Path:
        """The graph."""
        return self.bundle.directory / "model.onnx"


def logistic_regression(directory: Path) -> Model:
    """Thirty numbers, one product each."""
    rows, classes = _data()
    fitted = LogisticRegression(max_iter=1000).fit(rows, classes)
    return _model("logistic regression", fitted, rows, directory)


def forest(directory: Path) -> Model:
    """Two hundred trees."""
    rows, classes = _data()
    fitted = RandomForestClassifier(TREES, random_state=7, n_jobs=-1).fit(rows, classes)
    return _model(f"random forest of {TREES} trees", fitted, rows, directory)


def _data() -> tuple[Rows, NDArray[np.int64]]:
    features, classes = load_breast_cancer(return_X_y=True)
    scaled = StandardScaler().fit_transform(features)
    return np.round(scaled, 4).astype(np.float32), classes.astype(np.int64)


def _model(words: str, fitted: Any, rows: Rows, directory: Path) -> Model:
    onnx = to_onnx(
        fitted,
        initial_types=[(INPUT, _float_rows(rows.shape[1]))],
        options={"zipmap": False},
        target_opset=_OPSET,
    )
    names = [output.name for output in onnx.graph.output]
    assert names == [LABEL, PROBABILITIES], names
    asked = rows[:_GOLDEN]
    labels, shares = fitted.predict(asked), fitted.predict_proba(asked)
    golden = {
        "inputs": [tensor(INPUT, "FP32", list(asked.shape), asked.ravel().tolist())],
        "outputs": [
            tensor(LABEL, "INT64", [len(asked)], labels.tolist()),
            tensor(PROBABILITIES, "FP32", list(shares.shape), shares.ravel().tolist()),
        ],
    }
    signed = Signature(
        task="Classification",
        model_name=MODEL_NAME,
        inputs=(Tensor(name=INPUT, datatype="FP32", shape=(-1, rows.shape[1])),),
        outputs=(
            Tensor(name=LABEL, datatype="INT64", shape=(-1,)),
            Tensor(name=PROBABILITIES, datatype="FP32", shape=(-1, 2)),
        ),
    )
    written = write_bundle(directory, onnx.SerializeToString(), signed, golden)
    return Model(words, written, rows)


def _float_rows(width: int) -> Any:
    from skl2onnx.common.data_types import FloatTensorType

    return FloatTensorType([None, width])
