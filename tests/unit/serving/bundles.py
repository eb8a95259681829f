"""Real bundles for the server's tests: small ONNX graphs and fitted scikit-learn models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto, helper

from regnant.artifacts.bundle import CONFIG, MANIFEST, Bundle, build_manifest
from regnant.artifacts.canonical import canonical_json
from regnant.artifacts.signature import Column, Signature, Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MODEL_NAME = "churn"
ONNX_TYPES = {
    "BOOL": TensorProto.BOOL,
    "INT8": TensorProto.INT8,
    "INT16": TensorProto.INT16,
    "INT32": TensorProto.INT32,
    "INT64": TensorProto.INT64,
    "UINT8": TensorProto.UINT8,
    "UINT16": TensorProto.UINT16,
    "UINT32": TensorProto.UINT32,
    "UINT64": TensorProto.UINT64,
    "FP16": TensorProto.FLOAT16,
    "FP32": TensorProto.FLOAT,
    "FP64": TensorProto.DOUBLE,
    "BYTES": TensorProto.STRING,
}


@dataclass(frozen=True)
class Written:
    """A bundle on disk."""

    directory: Path
    digest: str


def write_bundle(
    directory: Path, model: bytes, signature: Signature, golden: dict[str, Any]
) -> Written:
    """Write a bundle as the init container leaves it."""
    bundle = Bundle(MODEL_NAME, model, signature.to_json(), canonical_json(golden))
    return unpack_bundle(directory, bundle)


def unpack_bundle(directory: Path, bundle: Bundle) -> Written:
    """The same for a bundle that is made already."""
    built = build_manifest(bundle)
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in bundle.files().items():
        (directory / name).write_bytes(content)
    (directory / CONFIG).write_bytes(built.config.content)
    (directory / MANIFEST).write_bytes(built.content)
    return Written(directory, built.descriptor.digest)


def signature(inputs: list[Tensor], outputs: list[Tensor]) -> Signature:
    return Signature(
        task="Regression", model_name=MODEL_NAME, inputs=tuple(inputs), outputs=tuple(outputs)
    )


def tensor(name: str, datatype: str, shape: list[int], data: list[Any]) -> dict[str, Any]:
    """Spell a tensor as V2 does."""
    return {"name": name, "datatype": datatype, "shape": shape, "data": data}


def value_info(name: str, datatype: str, shape: list[int | None]) -> Any:
    return helper.make_tensor_value_info(name, ONNX_TYPES[datatype], shape)


def graph(
    nodes: list[Any],
    inputs: list[Any],
    outputs: list[Any],
    initializers: list[Any] | None = None,
    domains: tuple[str, ...] = ("", "ai.onnx.ml"),
) -> bytes:
    """Serialize an ONNX model."""
    made = helper.make_graph(nodes, "graph", inputs, outputs, initializers or [])
    opsets = [
        helper.make_opsetid(domain, 3 if domain == "ai.onnx.ml" else 17) for domain in domains
    ]
    return bytes(helper.make_model(made, opset_imports=opsets, ir_version=8).SerializeToString())


def echo_bundle(directory: Path) -> Written:
    """One identity for every datatype: `in_fp64` to `out_fp64`, and so on."""
    nodes, inputs, outputs, ins, outs, questions, answers = [], [], [], [], [], [], []
    given: dict[str, list[Any]] = {"BOOL": [True, False], "BYTES": ["a", ""]}
    for name in ONNX_TYPES:
        source, target = f"in_{name.lower()}", f"out_{name.lower()}"
        nodes.append(helper.make_node("Identity", [source], [target]))
        inputs.append(value_info(source, name, [None, 2]))
        outputs.append(value_info(target, name, [None, 2]))
        ins.append(Tensor(name=source, datatype=name, shape=(-1, 2)))
        outs.append(Tensor(name=target, datatype=name, shape=(-1, 2)))
        data = given.get(name, [1, 2])
        questions.append(tensor(source, name, [1, 2], data))
        answers.append(tensor(target, name, [1, 2], data))
    golden = {"inputs": questions, "outputs": answers}
    return write_bundle(directory, graph(nodes, inputs, outputs), signature(ins, outs), golden)


def doubling_bundle(directory: Path, *, factor: float = 2.0, golden_factor: float = 2.0) -> Written:
    """`features` FP64 [-1, 3] times a factor is `prediction`; the golden rows may say otherwise."""
    weight = helper.make_tensor("factor", TensorProto.DOUBLE, [1], [factor])
    model = graph(
        [helper.make_node("Mul", ["features", "factor"], ["prediction"])],
        [value_info("features", "FP64", [None, 3])],
        [value_info("prediction", "FP64", [None, 3])],
        [weight],
    )
    rows = np.arange(120.0).reshape(40, 3)
    answers = rows * factor
    answers[17:] = rows[17:] * golden_factor
    golden = {
        "inputs": [tensor("features", "FP64", [40, 3], rows.ravel().tolist())],
        "outputs": [tensor("prediction", "FP64", [40, 3], answers.ravel().tolist())],
        "tolerance": {"absolute": 1e-5, "relative": 1e-4},
    }
    return write_bundle(
        directory,
        model,
        signature(
            [Tensor(name="features", datatype="FP64", shape=(-1, 3))],
            [Tensor(name="prediction", datatype="FP64", shape=(-1, 3))],
        ),
        golden,
    )


def classifier_bundle(directory: Path, *, weight: float = 1.0) -> Written:
    """`features` FP64 [-1, 3] are a `label` INT64 and two `probabilities`, by a row's sum."""
    nodes = [
        helper.make_node(
            "LinearClassifier",
            ["features"],
            ["label", "shares"],
            domain="ai.onnx.ml",
            coefficients=[-weight, -weight, -weight, weight, weight, weight],
            intercepts=[0.0, 0.0],
            classlabels_ints=[0, 1],
            post_transform="SOFTMAX",
        ),
        helper.make_node("Cast", ["shares"], ["probabilities"], to=TensorProto.DOUBLE),
    ]
    outputs = [
        Tensor(name="label", datatype="INT64", shape=(-1,)),
        Tensor(name="probabilities", datatype="FP64", shape=(-1, 2)),
    ]
    model = graph(
        nodes,
        [value_info("features", "FP64", [None, 3])],
        [value_info(one.name, one.datatype, [None, *one.shape[1:]]) for one in outputs],
    )
    golden = {
        "inputs": [tensor("features", "FP64", [2, 3], [20, 20, 20, -20, -20, -20])],
        "outputs": [
            tensor("label", "INT64", [2], [1, 0]),
            tensor("probabilities", "FP64", [2, 2], [0, 1, 1, 0]),
        ],
    }
    features = Tensor(name="features", datatype="FP64", shape=(-1, 3))
    signed = Signature(
        task="Classification", model_name=MODEL_NAME, inputs=(features,), outputs=tuple(outputs)
    )
    return write_bundle(directory, model, signed, golden)


def customers_bundle(directory: Path, columns: Sequence[Column] | None = None) -> Written:
    """Columns of three kinds; `label` is the plan, and `probabilities` are age and membership."""
    plan = Tensor(name="plan", datatype="BYTES", shape=(-1, 1))
    age = Tensor(name="age", datatype="FP64", shape=(-1, 1))
    member = Tensor(name="member", datatype="FP64", shape=(-1, 1))
    label = Tensor(name="label", datatype="BYTES", shape=(-1, 1))
    probabilities = Tensor(name="probabilities", datatype="FP64", shape=(-1, 2))
    model = graph(
        [
            helper.make_node("Identity", ["plan"], ["label"]),
            helper.make_node("Concat", ["age", "member"], ["probabilities"], axis=1),
        ],
        [value_info(one.name, one.datatype, [None, 1]) for one in (plan, age, member)],
        [value_info("label", "BYTES", [None, 1]), value_info("probabilities", "FP64", [None, 2])],
    )
    golden = {
        "inputs": [
            tensor("plan", "BYTES", [1, 1], ["pro"]),
            tensor("age", "FP64", [1, 1], [40]),
            tensor("member", "FP64", [1, 1], [1]),
        ],
        "outputs": [
            tensor("label", "BYTES", [1, 1], ["pro"]),
            tensor("probabilities", "FP64", [1, 2], [40, 1]),
        ],
    }
    known = (
        Column(name="the plan", type="Category", tensor="plan", index=0, categories=("pro",)),
        Column(name="age", type="Float", tensor="age", index=0),
        Column(name="is member", type="Boolean", tensor="member", index=0),
    )
    signed = Signature(
        task="Classification",
        model_name=MODEL_NAME,
        inputs=(plan, age, member),
        outputs=(label, probabilities),
        columns=known if columns is None else tuple(columns),
        classes=("no", "yes"),
    )
    return write_bundle(directory, model, signed, golden)


def gathering_bundle(directory: Path) -> Written:
    """`index` INT64 [-1] is `value` FP32 [-1]: 10 and 20; a row with another index fails."""
    model = graph(
        [helper.make_node("Gather", ["values", "index"], ["value"])],
        [value_info("index", "INT64", [None])],
        [value_info("value", "FP32", [None])],
        [helper.make_tensor("values", TensorProto.FLOAT, [2], [10.0, 20.0])],
    )
    signed = signature(
        [Tensor(name="index", datatype="INT64", shape=(-1,))],
        [Tensor(name="value", datatype="FP32", shape=(-1,))],
    )
    golden = {
        "inputs": [tensor("index", "INT64", [2], [0, 1])],
        "outputs": [tensor("value", "FP32", [2], [10, 20])],
    }
    return write_bundle(directory, model, signed, golden)


def looping_bundle(directory: Path) -> Written:
    """`turns` INT64 [-1] are `counted` FP64 [-1]: one is added to each as often as the most."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go_on"], ["still"]),
            helper.make_node("Add", ["sum", "one"], ["more"]),
        ],
        "body",
        [
            value_info("turn", "INT64", []),
            value_info("go_on", "BOOL", []),
            value_info("sum", "FP64", [None]),
        ],
        [value_info("still", "BOOL", []), value_info("more", "FP64", [None])],
        [helper.make_tensor("one", TensorProto.DOUBLE, [1], [1.0])],
    )
    nodes = [
        helper.make_node("ReduceMax", ["turns"], ["most"], keepdims=0),
        helper.make_node("Cast", ["turns"], ["sums"], to=TensorProto.DOUBLE),
        helper.make_node("Loop", ["most", "", "sums"], ["counted"], body=body),
    ]
    model = graph(
        nodes, [value_info("turns", "INT64", [None])], [value_info("counted", "FP64", [None])]
    )
    golden = {
        "inputs": [tensor("turns", "INT64", [1], [2])],
        "outputs": [tensor("counted", "FP64", [1], [4.0])],
    }
    return write_bundle(
        directory,
        model,
        signature(
            [Tensor(name="turns", datatype="INT64", shape=(-1,))],
            [Tensor(name="counted", datatype="FP64", shape=(-1,))],
        ),
        golden,
    )


def slow_bundle(directory: Path) -> Written:
    """`size` INT64 [-1] rows are `total` FP64 [-1]: each multiplies matrices for milliseconds."""
    side = 512
    shape = helper.make_tensor("side", TensorProto.INT64, [2], [side, side])
    rounds = 12
    nodes = [
        helper.make_node("Cast", ["size"], ["real"], to=TensorProto.DOUBLE),
        helper.make_node("ReduceSum", ["real"], ["seed"], keepdims=0),
        helper.make_node("Expand", ["seed", "side"], ["m0"]),
    ]
    for i in range(rounds):
        nodes += [
            helper.make_node("MatMul", [f"m{i}", f"m{i}"], [f"p{i}"]),
            helper.make_node("Tanh", [f"p{i}"], [f"m{i + 1}"]),
        ]
    nodes += [
        helper.make_node("ReduceMax", [f"m{rounds}"], ["top"], keepdims=0),
        helper.make_node("Mul", ["real", "top"], ["total"]),
    ]
    model = graph(
        nodes,
        [value_info("size", "INT64", [None])],
        [value_info("total", "FP64", [None])],
        [shape],
    )
    golden = {
        "inputs": [tensor("size", "INT64", [1], [3])],
        "outputs": [tensor("total", "FP64", [1], [3.0])],
    }
    return write_bundle(
        directory,
        model,
        signature(
            [Tensor(name="size", datatype="INT64", shape=(-1,))],
            [Tensor(name="total", datatype="FP64", shape=(-1,))],
        ),
        golden,
    )
