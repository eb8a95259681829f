"""Golden rows are taken as people have them, and what does not fit is named."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from regnant.bundling.errors import BundlingError, NotServableError, OutOfReachError
from regnant.bundling.order import Order
from tests.unit.bundling.made import MODELS, ask, made, network, tensor
from tests.unit.serving.bundles import graph, value_info

if TYPE_CHECKING:
    from pathlib import Path

STORED = dict(np.load(MODELS / "perceptron.npz"))
FEATURES, PREDICTION = STORED["features"], STORED["prediction"]


def with_rows(directory: Path, document: object) -> Order:
    path = directory / "rows.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return replace(network("perceptron"), golden=path)


def with_arrays(directory: Path, **arrays: Any) -> Order:
    path = directory / "rows.npz"
    np.savez(path, **arrays)
    return replace(network("perceptron"), golden=path)


def golden_of(directory: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((directory / "made" / "golden.json").read_bytes())
    return found


def customers(directory: Path) -> Path:
    """One tensor a column: `age` and `plan`; the answers are the age and the plan again."""
    model = graph(
        [
            helper.make_node("Identity", ["plan"], ["label"]),
            helper.make_node("Cast", ["age"], ["years"], to=TensorProto.DOUBLE),
        ],
        [value_info("age", "FP32", [None, 1]), value_info("plan", "BYTES", [None, 1])],
        [value_info("label", "BYTES", [None, 1]), value_info("years", "FP64", [None, 1])],
    )
    path = directory / "customers.onnx"
    path.write_bytes(model)
    return path


def test_a_request_alone_is_answered_here(tmp_path: Path) -> None:
    done = made(with_rows(tmp_path, {"inputs": [tensor("features", FEATURES)]}), tmp_path)
    assert "was not proved" in done.said
    [answer] = golden_of(tmp_path)["outputs"]
    assert answer["data"] == pytest.approx(PREDICTION.ravel().tolist(), abs=1e-6)


def test_a_request_with_answers_proves_them_within_its_own_tolerance(tmp_path: Path) -> None:
    document = {
        "inputs": [tensor("features", FEATURES)],
        "outputs": [tensor("prediction", PREDICTION + np.float32(0.1))],
    }
    with pytest.raises(NotServableError, match="64 of 64 rows differ"):
        made(with_rows(tmp_path, document), tmp_path)
    document["tolerance"] = {"absolute": 0.2}  # type: ignore[assignment]
    made(with_rows(tmp_path, document), tmp_path)
    assert golden_of(tmp_path)["tolerance"] == {"absolute": 0.2, "relative": 1e-4}


def test_arrays_are_cast_where_that_keeps_their_meaning(tmp_path: Path) -> None:
    wide = with_arrays(
        tmp_path, features=FEATURES.astype(np.float64), prediction=PREDICTION.ravel()
    )
    done = made(wide, tmp_path)
    assert "prediction by at most" in done.said
    assert golden_of(tmp_path)["inputs"][0]["shape"] == [64, 4]


def test_columns_are_taken_as_a_table_has_them(tmp_path: Path) -> None:
    np.savez(tmp_path / "rows.npz", age=np.array([40.0, np.nan]), plan=np.array(["pro", "größer"]))
    done = made(Order(customers(tmp_path), tmp_path / "rows.npz"), tmp_path)
    assert [one.shape for one in done.bundle.signature.inputs] == [(-1, 1), (-1, 1)]
    assert golden_of(tmp_path)["inputs"][0]["data"] == [40.0, None]
    with done.served() as server:
        instances = {"instances": [{"age": 40, "plan": "pro"}, {"age": None, "plan": ""}]}
        answer = server.client.post("/v1/models/churn:predict", json=instances).json()
    assert answer == {
        "predictions": [{"label": "pro", "years": 40.0}, {"label": "", "years": None}]
    }


def test_at_most_a_thousand_rows_are_kept_and_all_are_compared(tmp_path: Path) -> None:
    many = np.tile(FEATURES, (40, 1))
    answers = np.tile(PREDICTION, (40, 1))
    done = made(with_arrays(tmp_path, features=many, prediction=answers), tmp_path)
    assert "answered 2560 golden rows" in done.said
    assert "keeps 1000 of them" in done.said
    assert golden_of(tmp_path)["inputs"][0]["shape"] == [1000, 4]
    answers[1001] += 1
    with pytest.raises(NotServableError, match="row 1001"):
        made(with_arrays(tmp_path, features=many, prediction=answers), tmp_path / "other")


def test_rows_between_two_classes_prove_nothing_and_are_not_kept(tmp_path: Path) -> None:
    model = graph(
        [
            helper.make_node("ArgMax", ["shares"], ["label"], axis=1, keepdims=0),
            helper.make_node("Identity", ["shares"], ["probabilities"]),
        ],
        [value_info("shares", "FP32", [None, 2])],
        [value_info("label", "INT64", [None]), value_info("probabilities", "FP32", [None, 2])],
    )
    (tmp_path / "chooser.onnx").write_bytes(model)
    shares = np.array([[0.25, 0.75], [0.5, 0.5], [1, 0]], np.float32)
    labels = np.array([1, 1, 0])  # the second is as right as 0 would be
    np.savez(tmp_path / "rows.npz", shares=shares, label=labels, probabilities=shares)
    order = Order(tmp_path / "chooser.onnx", tmp_path / "rows.npz")
    assert "1 rows between two classes" in made(order, tmp_path).said
    assert golden_of(tmp_path)["outputs"][0]["data"] == [1, 0]
    np.savez(tmp_path / "rows.npz", shares=shares, label=[0, 1, 0], probabilities=shares)
    with pytest.raises(NotServableError, match='row 0: tensor "label": expected \\[0\\], got \\[1'):
        made(order, tmp_path / "other")


def test_a_model_without_rows_is_asked_as_a_whole(tmp_path: Path) -> None:
    model = graph(
        [helper.make_node("ReduceSum", ["matrix"], ["total"], keepdims=0)],
        [value_info("matrix", "FP32", [2, 3])],
        [value_info("total", "FP32", [])],
    )
    (tmp_path / "sum.onnx").write_bytes(model)
    np.savez(tmp_path / "rows.npz", matrix=np.ones((2, 3)))
    order = Order(tmp_path / "sum.onnx", tmp_path / "rows.npz")
    with pytest.raises(NotServableError, match='"total" is a number without a dimension'):
        made(order, tmp_path)
    shaped = graph(
        [helper.make_node("ReduceSum", ["matrix", "axes"], ["total"], keepdims=0)],
        [value_info("matrix", "FP32", [2, 3])],
        [value_info("total", "FP32", [2])],
        [helper.make_tensor("axes", TensorProto.INT64, [1], [1])],
    )
    (tmp_path / "sum.onnx").write_bytes(shaped)
    done = made(order, tmp_path)
    assert done.bundle.signature.outputs[0].shape == (2,)
    assert done.bundle.signature.task == "Other"
    with done.served() as server:
        assert ask(server, {"matrix": np.ones((2, 3), np.float32)})["total"].tolist() == [3, 3]


def test_sizes_that_vary_with_an_input_stay_open(tmp_path: Path) -> None:
    model = graph(
        [helper.make_node("Identity", ["tokens"], ["states"])],
        [value_info("tokens", "FP32", [None, None])],
        [value_info("states", "FP32", [None, None])],
    )
    (tmp_path / "sequence.onnx").write_bytes(model)
    np.savez(tmp_path / "rows.npz", tokens=np.ones((2, 5)))
    done = made(Order(tmp_path / "sequence.onnx", tmp_path / "rows.npz"), tmp_path)
    assert done.bundle.signature.outputs[0].shape == (-1, -1)
    with done.served() as server:
        longer = ask(server, {"tokens": np.ones((1, 7), np.float32)})
    assert longer["states"].shape == (1, 7)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("{", "neither JSON"),
        ([], 'the list "inputs"'),
        ({"inputs": []}, 'tensor "features" is missing; expected FP32 [-1, 4]'),
        ({"inputs": [tensor("feature", FEATURES)]}, 'no tensor "feature"'),
        ({"inputs": [tensor("features", FEATURES[:, :3])]}, 'tensor "features": shape: [64, 3]'),
        (
            {"inputs": [tensor("features", FEATURES.astype(np.float64))]},
            'tensor "features": datatype: "FP64" is not FP32',
        ),
        ({"inputs": [tensor("features", FEATURES[:0])]}, 'tensor "features" has no row'),
        (
            {"inputs": [tensor("features", FEATURES)], "outputs": [tensor("other", FEATURES)]},
            'outputs: there is no tensor "other"; expected "prediction" FP32 [-1, 1]',
        ),
        (
            {
                "inputs": [tensor("features", FEATURES)],
                "outputs": [tensor("prediction", PREDICTION[1:])],
            },
            'tensor "prediction" has 63 rows, others have 64',
        ),
        (
            {"inputs": [tensor("features", FEATURES)], "outputs": [{"name": ["prediction"]}]},
            "outputs[0]: must be an object with a name",
        ),
        ({"inputs": [tensor("features", FEATURES)], "outputs": 1}, "outputs: must be a list"),
        (
            {"inputs": [tensor("features", FEATURES)], "tolerance": {"absolute": "much"}},
            "tolerance: must be an object of numbers",
        ),
    ],
)
def test_a_request_that_does_not_fit_is_refused(
    tmp_path: Path, document: object, said: str
) -> None:
    with pytest.raises(NotServableError) as refused:
        made(with_rows(tmp_path, document), tmp_path)
    assert said in refused.value.message
    assert str(tmp_path / "rows.json") in refused.value.message


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x": FEATURES}, 'no array is named after the inputs "features" FP32 [-1, 4]; it has "x"'),
        ({"features": FEATURES[:, :3]}, "shape [64, 3] does not fit; expected [-1, 4]"),
        ({"features": np.array([["a"] * 4])}, 'array "features" is <U1; FP32 holds numbers'),
        ({"features": np.full((1, 4), 1e300)}, 'array "features" is float64; FP32 holds'),
        ({"features": np.full((1, 4), np.inf)}, 'tensor "features" holds an infinite number'),
        ({"features": np.array([[{}] * 4])}, "dtype=str"),
        ({"features": FEATURES, "answer": PREDICTION}, 'array "answer" is named after no tensor'),
        ({"features": FEATURES, "prediction": PREDICTION[1:]}, "has 63 rows, others have 64"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    tmp_path: Path, arrays: dict[str, Any], said: str
) -> None:
    with pytest.raises(NotServableError) as refused:
        made(with_arrays(tmp_path, **arrays), tmp_path)
    assert said in refused.value.message
    assert str(tmp_path / "rows.npz") in refused.value.message


def test_a_file_that_only_begins_like_one_of_numpy_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.npz").write_bytes(b"PK\x03\x04 and nothing more")
    with pytest.raises(BundlingError, match=r"not an \.npz file"):
        made(replace(network("perceptron"), golden=tmp_path / "rows.npz"), tmp_path)


def test_a_file_that_is_not_there_is_out_of_reach(tmp_path: Path) -> None:
    with pytest.raises(OutOfReachError, match="No such file"):
        made(replace(network("perceptron"), golden=tmp_path / "rows.npz"), tmp_path)
