"""A server that cannot prove its model does not start, and says why."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from regnant.artifacts.signature import Tensor
from regnant.serving.__main__ import prove
from regnant.serving.errors import GoldenMismatch
from tests.unit.serving.bundles import (
    MODEL_NAME,
    Written,
    doubling_bundle,
    graph,
    looping_bundle,
    signature,
    tensor,
    value_info,
    write_bundle,
)
from tests.unit.serving.running_server import settings_for

if TYPE_CHECKING:
    from pathlib import Path

    from regnant.artifacts.signature import Signature

IN = Tensor(name="x", datatype="FP32", shape=(-1, 2))
OUT = Tensor(name="y", datatype="FP32", shape=(-1, 2))
GOLDEN = {
    "inputs": [tensor("x", "FP32", [1, 2], [1, 2])],
    "outputs": [tensor("y", "FP32", [1, 2], [1, 2])],
}


def start(written: Written, log: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a server that is expected to fail."""
    return subprocess.run(
        [sys.executable, "-m", "regnant.serving"],
        env={
            **os.environ,
            "REGNANT_BUNDLE_DIR": str(written.directory),
            "REGNANT_BUNDLE_DIGEST": written.digest,
            "REGNANT_MODEL_NAME": MODEL_NAME,
            "REGNANT_MODEL_VERSION": "3",
            "REGNANT_PORT": "0",
            "REGNANT_TERMINATION_LOG": str(log),
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def refusal(written: Written, tmp_path: Path, **environment: str) -> tuple[str, str]:
    """The reason and the message with which a server refuses to start."""
    log = tmp_path / "termination-log"
    ended = start(written, log, **environment)
    told = json.loads(log.read_text())
    assert (ended.returncode, told["stage"]) == (64, "Serving"), ended.stderr
    for line in ended.stderr.splitlines():
        json.loads(line)
    return told["reason"], told["message"]


def identity(
    directory: Path,
    *,
    node: Any = None,
    initializers: list[Any] | None = None,
    domains: tuple[str, ...] = ("",),
    signed: Signature | None = None,
    golden: dict[str, Any] | None = None,
) -> Written:
    """A bundle whose `y` is its `x`, but for what is given."""
    model = graph(
        [node or helper.make_node("Identity", ["x"], ["y"])],
        [value_info("x", "FP32", [None, 2])],
        [value_info("y", "FP32", [None, 2])],
        initializers,
        domains,
    )
    return write_bundle(directory, model, signed or signature([IN], [OUT]), golden or GOLDEN)


def external(location: str) -> Any:
    weights = numpy_helper.from_array(np.ones((1, 2), np.float32), "weights")
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value=location)
    return weights


@pytest.mark.parametrize("name", ["model.onnx", "signature.json", "golden.json", "manifest.json"])
def test_a_flipped_bit_is_refused(tmp_path: Path, name: str) -> None:
    written = doubling_bundle(tmp_path / "bundle")
    content = bytearray((written.directory / name).read_bytes())
    content[len(content) // 2] ^= 1
    (written.directory / name).write_bytes(content)
    reason, message = refusal(written, tmp_path)
    assert reason == "DigestMismatch"
    assert name in message


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    written = doubling_bundle(tmp_path / "bundle")
    (written.directory / "model.onnx").unlink()
    assert refusal(written, tmp_path)[0] == "BundleNotFound"


def test_an_answer_that_differs_is_named(tmp_path: Path) -> None:
    written = doubling_bundle(tmp_path / "bundle", golden_factor=3.0)
    reason, message = refusal(written, tmp_path)
    assert reason == "GoldenMismatch"
    assert (
        'row 17: tensor "prediction": expected [153.0, 156.0, 159.0], got [102.0, 104.0, 106.0]; '
        "23 of 40 rows differ"
    ) in message


@pytest.mark.parametrize(
    ("factor", "is_refused"), [(2.0 * (1 + 9e-5), False), (2.0 * (1 + 1.2e-4), True)]
)
def test_the_tolerance_of_the_bundle_decides(
    tmp_path: Path, factor: float, is_refused: bool
) -> None:
    written = doubling_bundle(tmp_path / "bundle", golden_factor=factor)
    log = tmp_path / "termination-log"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        start(written, log, REGNANT_HOST="127.0.0.1", REGNANT_PORT=port)
    expected = "GoldenMismatch" if is_refused else "PortUnavailable"
    assert json.loads(log.read_text())["reason"] == expected


@pytest.mark.parametrize(
    ("golden", "problem"),
    [
        ({"inputs": GOLDEN["inputs"]}, "'outputs' is missing"),
        ({**GOLDEN, "inputs": []}, 'tensor "x" is missing'),
        (
            {**GOLDEN, "outputs": [tensor("y", "FP32", [2, 2], [1, 2, 3, 4])]},
            "the same number of rows",
        ),
        (
            {
                "inputs": [tensor("x", "FP32", [0, 2], [])],
                "outputs": [tensor("y", "FP32", [0, 2], [])],
            },
            "at least 1",
        ),
        ({**GOLDEN, "tolerance": 7}, "golden.json: "),
    ],
)
def test_golden_rows_that_prove_nothing_are_refused(
    tmp_path: Path, golden: dict[str, Any], problem: str
) -> None:
    reason, message = refusal(identity(tmp_path / "bundle", golden=golden), tmp_path)
    assert reason == "ModelLoadFailed"
    assert problem in message


def test_bytes_that_are_no_model_are_refused(tmp_path: Path) -> None:
    for content in (b"", b"not a model", b"\x08\x08\x3a\x02\x0a"):
        written = write_bundle(tmp_path / "bundle", content, signature([IN], [OUT]), GOLDEN)
        reason, message = refusal(written, tmp_path)
        assert reason == "ModelLoadFailed"
        assert message.startswith("model.onnx: ")


@pytest.mark.parametrize("location", ["golden.json", "missing.bin", "../bundle/golden.json"])
def test_a_model_with_its_data_in_another_file_is_refused(tmp_path: Path, location: str) -> None:
    node = helper.make_node("Add", ["x", "weights"], ["y"])
    written = identity(tmp_path / "bundle", node=node, initializers=[external(location)])
    reason, message = refusal(written, tmp_path)
    assert reason == "ModelLoadFailed"
    assert "tensor 'weights' keeps its data in another file" in message


def test_external_data_is_found_in_an_attribute_and_in_a_subgraph(tmp_path: Path) -> None:
    constant = helper.make_node("Constant", [], ["c"], value=external("golden.json"))
    branch = helper.make_graph(
        [constant, helper.make_node("Add", ["x", "c"], ["b"])],
        "branch",
        [],
        [value_info("b", "FP32", [None, 2])],
    )
    condition = helper.make_tensor("condition", TensorProto.BOOL, [], [True])
    node = helper.make_node("If", ["condition"], ["y"], then_branch=branch, else_branch=branch)
    written = identity(tmp_path / "bundle", node=node, initializers=[condition])
    assert "keeps its data in another file" in refusal(written, tmp_path)[1]


def test_an_operator_that_needs_a_library_is_refused(tmp_path: Path) -> None:
    node = helper.make_node("Magic", ["x"], ["y"], domain="com.example")
    written = identity(tmp_path / "bundle", node=node, domains=("", "com.example"))
    reason, message = refusal(written, tmp_path)
    assert reason == "ModelLoadFailed"
    assert "operator 'Magic' is of the custom domain 'com.example'" in message


@pytest.mark.parametrize(
    ("inputs", "outputs", "problem"),
    [
        ([Tensor(name="z", datatype="FP32", shape=(-1, 2))], [OUT], "inputs: 'z': the graph has"),
        ([Tensor(name="x", datatype="FP64", shape=(-1, 2))], [OUT], "FP64 is signed, the graph"),
        ([Tensor(name="x", datatype="FP32", shape=(-1, 3))], [OUT], "shape [-1, 3] is signed"),
        ([Tensor(name="x", datatype="FP32", shape=(-1,))], [OUT], "shape [-1] is signed"),
        ([IN], [Tensor(name="z", datatype="FP32", shape=(-1, 2))], "outputs: 'z': the graph has"),
    ],
)
def test_a_signature_that_is_not_the_graphs_is_refused(
    tmp_path: Path, inputs: list[Tensor], outputs: list[Tensor], problem: str
) -> None:
    written = identity(tmp_path / "bundle", signed=signature(inputs, outputs))
    reason, message = refusal(written, tmp_path)
    assert reason == "ModelLoadFailed"
    assert problem in message


def test_an_input_that_is_not_signed_is_refused(tmp_path: Path) -> None:
    model = graph(
        [helper.make_node("Add", ["x", "more"], ["y"])],
        [value_info("x", "FP32", [None, 2]), value_info("more", "FP32", [None, 2])],
        [value_info("y", "FP32", [None, 2])],
    )
    written = write_bundle(tmp_path / "bundle", model, signature([IN], [OUT]), GOLDEN)
    assert (
        "inputs: 'more': the graph takes it, but it is not signed"
        in (refusal(written, tmp_path)[1])
    )


def test_a_setting_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    written = doubling_bundle(tmp_path / "bundle")
    reason, message = refusal(written, tmp_path, REGNANT_MODEL_NAME="a\r\nb")
    assert reason == "SettingInvalid"
    assert message.startswith("REGNANT_MODEL_NAME: ")


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        written = doubling_bundle(tmp_path / "bundle")
        reason, message = refusal(written, tmp_path, REGNANT_HOST="127.0.0.1", REGNANT_PORT=port)
    assert reason == "PortUnavailable"
    assert f"port {port}" in message


def test_golden_rows_that_are_computed_without_end_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = looping_bundle(tmp_path / "good")
    files = {name: (turns.directory / name).read_bytes() for name in ("model.onnx", "golden.json")}
    golden = json.loads(files["golden.json"])
    golden["inputs"][0]["data"] = [10**15]
    signed = signature(
        [Tensor(name="turns", datatype="INT64", shape=(-1,))],
        [Tensor(name="counted", datatype="FP64", shape=(-1,))],
    )
    written = write_bundle(tmp_path / "endless", files["model.onnx"], signed, golden)
    monkeypatch.setattr("regnant.serving.golden.REPLAY_SECONDS", 0.2)
    with pytest.raises(GoldenMismatch, match=r"did not answer them all within 0\.2 s"):
        prove(settings_for(written))


def test_a_crash_within_the_runtime_leaves_a_line_that_says_so(tmp_path: Path) -> None:
    """The runtime divides the least number by -1, which the processor refuses."""
    model = graph(
        [helper.make_node("Div", ["a", "b"], ["c"])],
        [value_info("a", "INT64", [None]), value_info("b", "INT64", [None])],
        [value_info("c", "INT64", [None])],
    )
    ends = [Tensor(name=name, datatype="INT64", shape=(-1,)) for name in "abc"]
    golden = {
        "inputs": [tensor("a", "INT64", [1], [-(2**63)]), tensor("b", "INT64", [1], [-1])],
        "outputs": [tensor("c", "INT64", [1], [-(2**63)])],
    }
    written = write_bundle(tmp_path / "bundle", model, signature(ends[:2], ends[2:]), golden)
    ended = start(written, tmp_path / "termination-log")
    assert ended.returncode == -signal.SIGFPE
    assert "Fatal Python error: Floating" in ended.stderr
