"""A user's own container: what it leaves is checked, then treated as one of ours."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from sklearn.datasets import load_iris
from sklearn.naive_bayes import GaussianNB

from regnant.api.training_pipeline import RunResult
from regnant.artifacts.reference import parse_repository
from regnant.artifacts.store import fetch
from regnant.training.errors import TrainingFailure
from regnant.training.pack import pack
from regnant.training.progress import Progress
from regnant.training.run_file import RunFile
from tests.unit.artifacts.registry_process import RunningRegistry
from tests.unit.training.conftest import run_file

Document = dict[str, Any]


def doubling_model() -> bytes:
    """A graph that doubles its input."""
    graph = helper.make_graph(
        [
            helper.make_node("Add", ["x", "x"], ["twice"]),
            helper.make_node("Reshape", ["twice", "shape"], ["prediction"]),
        ],
        "doubling",
        [helper.make_tensor_value_info("x", TensorProto.DOUBLE, [None, 1])],
        [helper.make_tensor_value_info("prediction", TensorProto.DOUBLE, [None])],
        [helper.make_tensor("shape", TensorProto.INT64, [1], [-1])],
    )
    opset = [helper.make_opsetid("", 18)]
    content: bytes = helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()
    return content


def golden(values: list[Any], answers: list[Any]) -> Document:
    return {
        "inputs": [{"name": "x", "datatype": "FP64", "shape": [len(values), 1], "data": values}],
        "outputs": [
            {"name": "prediction", "datatype": "FP64", "shape": [len(answers)], "data": answers}
        ],
    }


@pytest.fixture
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "output"
    folder.mkdir()
    monkeypatch.setenv("REGNANT_OUTPUT_DIR", str(folder))
    (folder / "model.onnx").write_bytes(doubling_model())
    (folder / "metrics.json").write_text('{"r2": 0.91}')
    (folder / "golden.json").write_text(json.dumps(golden([1.0, 2.5], [2.0, 5.0])))
    return folder


def container_run(store: str) -> RunFile:
    document = run_file(task="Regression", store=store).model_dump(mode="json", by_alias=True)
    document["spec"]["trainer"] = {"container": {"image": "example.test/mine:1"}}
    return RunFile.model_validate(document)


Pack = Callable[[], Document]


@pytest.fixture
def packed(registry: RunningRegistry, output: Path) -> Pack:
    run = container_run(f"oci://{registry.host}/models")
    return lambda: pack(run, Progress(output=io.StringIO()))


def test_what_a_container_leaves_becomes_a_bundle(
    packed: Pack, output: Path, tmp_path: Path
) -> None:
    (output / "lineage.json").write_text(json.dumps({"dataDigest": "sha256:" + "a" * 64}))
    (output / "card.md").write_text("# mine\n")
    result = RunResult.model_validate(packed())
    assert result.lineage.data_digest == "sha256:" + "a" * 64
    assert [(str(m.name), str(m.value), m.low) for m in result.metrics] == [("r2", "0.91", None)]
    assert result.interface.inputs[0].model_dump() == {
        "name": "x",
        "datatype": "FP64",
        "shape": (-1, 1),
    }
    repository = parse_repository(result.bundle.uri)
    opened = fetch(repository, result.bundle.digest, tmp_path / "bundle", plain_http=True)
    assert opened.model.read_bytes() == doubling_model()
    assert opened.card is not None
    assert opened.card.read_text() == "# mine\n"


def test_metrics_may_come_with_intervals(packed: Pack, output: Path) -> None:
    written = [{"name": "r2", "value": 0.9, "low": 0.8, "high": 0.95}]
    (output / "metrics.json").write_text(json.dumps(written))
    assert packed()["metrics"] == [
        {"name": "r2", "value": "0.9", "split": "Test", "low": "0.8", "high": "0.95"}
    ]


def test_a_missing_card_is_written(packed: Pack, tmp_path: Path) -> None:
    result = RunResult.model_validate(packed())
    repository = parse_repository(result.bundle.uri)
    opened = fetch(repository, result.bundle.digest, tmp_path / "bundle", plain_http=True)
    assert opened.card is not None
    assert "| r2 | 0.91 |" in opened.card.read_text()


def test_a_missing_number_of_a_golden_row_is_null(packed: Pack, output: Path) -> None:
    (output / "golden.json").write_text(json.dumps(golden([1.0, None], [2.0, None])))
    assert packed()["bundle"]


@pytest.mark.parametrize("name", ["model.onnx", "metrics.json", "golden.json"])
def test_a_file_that_was_not_written_is_named(packed: Pack, output: Path, name: str) -> None:
    (output / name).unlink()
    with pytest.raises(TrainingFailure, match=name) as caught:
        packed()
    assert caught.value.reason == "OutputMissing"
    assert "$REGNANT_OUTPUT_DIR" in caught.value.message


FALSE_FILES: dict[str, tuple[str, str, str, str]] = {
    "a model that does not load": ("model.onnx", "not onnx", "OutputInvalid", "does not load"),
    "metrics that are no JSON": ("metrics.json", "r2=1", "OutputInvalid", "metrics.json"),
    "a metric that is no number": ("metrics.json", '{"r2": "good"}', "OutputInvalid", "r2"),
    "a metric that is not finite": ("metrics.json", '{"r2": NaN}', "OutputInvalid", "finite"),
    "a metric with a bad name": ("metrics.json", '{"R2 !": 1}', "OutputInvalid", "pattern"),
    "no metrics": ("metrics.json", "{}", "OutputInvalid", "no metric"),
    "golden rows that are no JSON": ("golden.json", "[", "OutputInvalid", "golden.json"),
    "golden rows without outputs": (
        "golden.json",
        json.dumps(golden([1.0], [2.0]) | {"outputs": []}),
        "OutputInvalid",
        "outputs",
    ),
    "golden rows of different number": (
        "golden.json",
        json.dumps(golden([1.0, 2.0], [2.0])),
        "OutputInvalid",
        "[1, 2] rows",
    ),
    "no golden rows": ("golden.json", json.dumps(golden([], [])), "OutputInvalid", "at least one"),
    "a golden value of another type": (
        "golden.json",
        json.dumps(golden(["one"], [2.0])),
        "OutputInvalid",
        "inputs.x",
    ),
    "a golden input that the model does not have": (
        "golden.json",
        json.dumps(golden([1.0], [2.0])).replace('"x"', '"y"'),
        "GoldenMismatch",
        "does not take the inputs",
    ),
    "a golden answer that the model does not give": (
        "golden.json",
        json.dumps(golden([1.0, 2.0, 3.0], [2.0, 4.5, 6.0])),
        "GoldenMismatch",
        "row 1, prediction: expected 4.5, got 4.0",
    ),
    "a lineage with half a digest": (
        "lineage.json",
        '{"dataDigest": "sha256:12"}',
        "OutputInvalid",
        "dataDigest",
    ),
    "a lineage that is no JSON": ("lineage.json", "-", "OutputInvalid", "lineage.json"),
}


def test_a_model_that_answers_with_maps_is_refused(packed: Pack, output: Path) -> None:
    data, target = load_iris(return_X_y=True)
    zipped = to_onnx(GaussianNB().fit(data, target), data[:1].astype(np.float32))
    (output / "model.onnx").write_bytes(zipped.SerializeToString())
    with pytest.raises(TrainingFailure, match=r"zipmap=False") as caught:
        packed()
    assert caught.value.reason == "OutputInvalid"


@pytest.mark.parametrize("case", FALSE_FILES)
def test_a_false_file_is_refused_with_what_is_wrong(packed: Pack, output: Path, case: str) -> None:
    name, content, reason, says = FALSE_FILES[case]
    (output / name).write_text(content)
    with pytest.raises(TrainingFailure) as caught:
        packed()
    assert caught.value.reason == reason
    assert caught.value.exit_code == 64
    assert says in caught.value.message
    assert caught.value.message.startswith("trainer.container: ")


def test_a_golden_answer_may_differ_by_the_tolerance(packed: Pack, output: Path) -> None:
    near = golden([1.0], [float(np.nextafter(2.0, 3.0))])
    (output / "golden.json").write_text(json.dumps(near))
    assert packed()["bundle"]
    loose = golden([1.0], [2.1]) | {"tolerance": {"absolute": 0.2, "relative": 0.0}}
    (output / "golden.json").write_text(json.dumps(loose))
    assert packed()["bundle"]
