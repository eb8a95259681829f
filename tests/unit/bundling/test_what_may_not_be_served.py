"""A model that a server would refuse is refused when it is bundled, by the name of its file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from regnant.bundling.errors import MisusedError, NotServableError, OutOfReachError
from regnant.bundling.making import make
from tests.unit.bundling.made import MODELS, made, network
from tests.unit.serving.bundles import graph, value_info

if TYPE_CHECKING:
    from pathlib import Path

    from regnant.bundling.order import Order


def of_bytes(content: bytes, directory: Path) -> Order:
    """An order for another model, with the rows of one that is good."""
    path = directory / "mine.onnx"
    path.write_bytes(content)
    return replace(network("perceptron"), model=path)


def refusal(order: Order) -> str:
    with pytest.raises(NotServableError) as refused:
        make(order, lambda _: None)
    assert refused.value.message.startswith(str(order.model))
    return refused.value.message


def test_weights_in_another_file_are_refused_even_if_it_lies_there(tmp_path: Path) -> None:
    model = onnx.load(MODELS / "perceptron.onnx")
    path = tmp_path / "mine.onnx"
    onnx.save_model(model, path, save_as_external_data=True, size_threshold=0, location="weights")
    assert (tmp_path / "weights").exists()
    said = refusal(replace(network("perceptron"), model=path))
    assert "keeps its data in another file" in said
    assert "save the model as one file" in said


def test_an_operator_of_a_custom_domain_is_refused(tmp_path: Path) -> None:
    content = graph(
        [helper.make_node("Sorcery", ["features"], ["prediction"], domain="com.example")],
        [value_info("features", "FP32", [None, 4])],
        [value_info("prediction", "FP32", [None, 1])],
        domains=("", "com.example"),
    )
    said = refusal(of_bytes(content, tmp_path))
    assert "'Sorcery' is of the custom domain 'com.example'" in said


@pytest.mark.parametrize("content", [b"", b"torch.save was here", b"\x08\x08" * 9])
def test_what_is_no_onnx_is_refused(tmp_path: Path, content: bytes) -> None:
    assert "export the model again" in refusal(of_bytes(content, tmp_path))


def test_a_graph_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    whole = (MODELS / "perceptron.onnx").read_bytes()
    assert "export the model again" in refusal(of_bytes(whole[:-100], tmp_path))


def test_a_list_of_maps_is_refused_and_the_remedy_named(tmp_path: Path) -> None:
    features, target = load_iris(return_X_y=True)
    fitted = LogisticRegression(max_iter=500).fit(features.astype(np.float32), target)
    content = to_onnx(fitted, features[:1].astype(np.float32), target_opset=17)
    np.savez(tmp_path / "rows.npz", X=features)
    path = tmp_path / "iris.onnx"
    path.write_bytes(content.SerializeToString())
    order = replace(network("perceptron"), model=path, golden=tmp_path / "rows.npz")
    with pytest.raises(NotServableError, match="zipmap=False"):
        make(order, lambda _: None)


def test_rows_that_the_model_cannot_compute_are_refused_with_its_words(tmp_path: Path) -> None:
    words = helper.make_tensor("words", TensorProto.FLOAT, [2, 1], [1.0, 2.0])
    content = graph(
        [helper.make_node("Gather", ["words", "places"], ["prediction"])],
        [value_info("places", "INT64", [None])],
        [value_info("prediction", "FP32", [None, 1])],
        [words],
    )
    np.savez(tmp_path / "rows.npz", places=np.array([0, 7]))
    order = replace(of_bytes(content, tmp_path), golden=tmp_path / "rows.npz")
    with pytest.raises(NotServableError, match=r"the model failed at these values: .*out of"):
        make(order, lambda _: None)


def test_a_file_that_is_not_there_is_out_of_reach(tmp_path: Path) -> None:
    with pytest.raises(OutOfReachError, match=r"none\.onnx: No such file"):
        make(replace(network("perceptron"), model=tmp_path / "none.onnx"), lambda _: None)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": "No Name"}, "--name: 'No Name' is no name of a model"),
        ({"classes": ("a", "b", "c")}, "--classes: no output has 3 numbers a row"),
        ({"columns": ("a", "b")}, "--columns: 2 different names for 4 values a row"),
        ({"columns": ("a", "b", "c", "c")}, "--columns: 3 different names for 4 values a row"),
        ({"push": "registry/models:1"}, "must start with oci://"),
        ({"push": "oci://registry:5000/Models:1"}, "is no repository"),
        ({"push": "oci://registry:5000"}, "is no repository"),
        ({"push": "oci://registry:5000/models"}, "say which version of the model this is"),
        ({"push": "oci://registry:5000/models:latest"}, "say which version of the model this is"),
        ({"push": "oci://registry/models:1", "cluster_uri": "http://store/a"}, "--cluster-uri"),
        ({"push": "oci://registry/models:1", "metrics": ("r2",)}, "--metric: 'r2' is not NAME="),
        ({"push": "oci://registry/models:1", "metrics": ("r2=nan",)}, "--metric: 'r2=nan'"),
        ({"push": "oci://registry/models:9999999"}, "version"),
    ],
)
def test_what_does_not_fit_together_is_told(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(MisusedError) as misused:
        make(replace(network("perceptron"), **wrong), lambda _: None)
    assert said in misused.value.message


def test_a_directory_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "mine").write_text("keep me")
    with pytest.raises(MisusedError, match="is not empty"):
        made(network("perceptron"), tmp_path)
    assert [one.name for one in (tmp_path / "made").iterdir()] == ["mine"]


def test_columns_and_a_card_of_ones_own_are_kept(tmp_path: Path) -> None:
    (tmp_path / "card.md").write_text("# Mine\n")
    order = replace(network("perceptron"), columns=("a", "b", "c", "d"), card=tmp_path / "card.md")
    done = made(order, tmp_path)
    assert [(one.name, one.type, one.index) for one in done.bundle.signature.columns] == [
        ("a", "Float", 0),
        ("b", "Float", 1),
        ("c", "Float", 2),
        ("d", "Float", 3),
    ]
    assert done.bundle.card is not None
    assert done.bundle.card.read_text() == "# Mine\n"
    with done.served() as server:
        row = {"instances": [{"a": 0.1, "b": 0.2, "c": 0.3, "d": 0.4}]}
        answer = server.client.post("/v1/models/churn:predict", json=row)
    assert answer.status_code == 200


def test_a_card_that_is_written_says_how_the_model_was_proved(tmp_path: Path) -> None:
    card = made(network("convolution"), tmp_path).bundle.card
    assert card is not None
    text = card.read_text()
    assert "answered 64 golden rows as the framework that trained it does" in text
    assert "`image` FP32 [-1, 1, 8, 8]" in text
    assert "POST /v2/models/churn/infer" in text


def test_the_same_files_make_the_same_bundle(tmp_path: Path) -> None:
    once = made(network("convolution"), tmp_path / "one").bundle.digest
    assert made(network("convolution"), tmp_path / "two").bundle.digest == once
