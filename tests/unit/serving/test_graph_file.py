"""What an ONNX file hides from a quick look is found, however it is spelled.

Each of these files loads in ONNX Runtime, or did so with what it hides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime as ort
import pytest
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, helper
from onnx.numpy_helper import from_array

from regnant.serving.errors import ModelLoadFailed
from regnant.serving.graph_file import check_graph_file
from tests.unit.serving.bundles import graph, value_info

if TYPE_CHECKING:
    from pathlib import Path

WEIGHTS = np.ones((1, 2), np.float32)


def external(location: str = "weights.bin") -> TensorProto:
    """A tensor whose data is in another file."""
    made = from_array(WEIGHTS, "weights")
    made.ClearField("raw_data")
    made.data_location = TensorProto.EXTERNAL
    made.external_data.add(key="location", value=location)
    return made


def model(node: NodeProto) -> bytes:
    """`y` is `x` plus what a node gives."""
    return graph(
        [node, helper.make_node("Add", ["x", "k"], ["y"])],
        [value_info("x", "FP32", [None, 2])],
        [value_info("y", "FP32", [None, 2])],
    )


def constant(tensor: TensorProto, **beside: Any) -> NodeProto:
    """A constant whose attribute has other fields, too."""
    node = NodeProto(op_type="Constant", output=["k"])
    node.attribute.append(AttributeProto(name="value", type=AttributeProto.TENSOR, t=tensor))
    for name, values in beside.items():
        getattr(node.attribute[0], name).extend(values)
    return node


def key_with_a_bit_too_many(content: bytes) -> bytes:
    """The same model to ONNX Runtime, which drops the bit: the graph under another number."""
    whole = ModelProto.FromString(content)
    inner = whole.graph.SerializeToString()
    whole.ClearField("graph")
    rest: bytes = whole.SerializeToString()
    return b"".join([rest, varint(7 << 3 | 2 | 1 << 32), varint(len(inner)), inner])


def varint(value: int) -> bytes:
    spelled = b""
    while value > 0x7F:
        spelled += bytes([value & 0x7F | 0x80])
        value >>= 7
    return spelled + bytes([value])


def session(path: Path, content: bytes) -> Any:
    path.mkdir(exist_ok=True)
    (path / "weights.bin").write_bytes(WEIGHTS.tobytes())
    (path / "model.onnx").write_bytes(content)
    return ort.InferenceSession(str(path / "model.onnx"), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("beside", ["ints", "floats", "strings"])
def test_a_tensor_beside_an_attributes_numbers_is_looked_at(tmp_path: Path, beside: str) -> None:
    content = model(constant(external(), **{beside: [b"x"] if beside == "strings" else [1]}))
    assert session(tmp_path, content).run(None, {"x": WEIGHTS})[0].tolist() == [[2, 2]]
    with pytest.raises(ModelLoadFailed, match="'weights' keeps its data in another file"):
        check_graph_file(memoryview(content))


@pytest.mark.parametrize("prefix", [b"\xa3\x06\xa4\x06", b""])
def test_what_is_read_in_two_ways_is_refused(tmp_path: Path, prefix: bytes) -> None:
    content = model(constant(external()))
    content = prefix + content if prefix else key_with_a_bit_too_many(content)
    assert session(tmp_path, content).run(None, {"x": WEIGHTS})[0].tolist() == [[2, 2]]
    with pytest.raises(ModelLoadFailed, match="this is no ONNX file, or a broken one"):
        check_graph_file(memoryview(content))


def test_weights_in_a_sparse_attribute_are_looked_at() -> None:
    node = NodeProto(op_type="Constant", output=["k"])
    node.attribute.add(name="sparse_value", type=AttributeProto.SPARSE_TENSOR)
    node.attribute[0].sparse_tensor.values.CopyFrom(external())
    with pytest.raises(ModelLoadFailed, match="keeps its data in another file"):
        check_graph_file(memoryview(model(node)))


def test_of_two_operators_of_one_node_the_last_one_counts() -> None:
    loop = NodeProto(op_type="Loop").SerializeToString()
    content = ModelProto(graph=GraphProto(node=[NodeProto(op_type="Identity")])).SerializeToString()
    twice = NodeProto(op_type="Identity").SerializeToString() + loop
    node = b"\x0a" + varint(len(twice)) + twice
    assert check_graph_file(memoryview(content)) == {"Identity"}
    assert check_graph_file(memoryview(b"\x3a" + varint(len(node)) + node)) == {"Loop"}


@pytest.mark.parametrize("size", [0, 1, 7, 127, 128, 300, 70_000])
def test_what_follows_many_elements_of_any_size_is_found(size: int) -> None:
    beside = {
        "strings": [b"x" * size, b"LEAF"] * 5,
        "ints": [0, -1, 2**62, size],
        "floats": [0.0, 1e30, float(size)],
    }
    content = model(constant(external(), **beside))
    with pytest.raises(ModelLoadFailed, match="keeps its data in another file"):
        check_graph_file(memoryview(content))


def test_a_file_that_is_cut_off_anywhere_within_its_graph_is_refused() -> None:
    content = ModelProto(graph=ModelProto.FromString(model(constant(external()))).graph)
    whole: bytes = content.SerializeToString()
    for end in range(1, len(whole)):
        with pytest.raises(ModelLoadFailed, match="this is no ONNX file, or a broken one"):
            check_graph_file(memoryview(whole[:end]))
