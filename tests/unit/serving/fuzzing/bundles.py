"""Bundles that are wrong on purpose, each made of a seed's number and nothing else.

Every digest is right, so what is wrong is met by whoever reads the file, not by the digests. Most
are wrong in the graph: in its bytes, or in one field of its protobuf, where everything else still
says that it is a model. The others are wrong in the signature, the golden rows or the manifest.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime as ort
from onnx import AttributeProto, GraphProto, ModelProto, TensorProto, defs, parser

from regnant.artifacts.bundle import MANIFEST, Bundle
from regnant.artifacts.canonical import canonical_json, sha256_digest
from regnant.artifacts.signature import Tensor
from tests.unit.serving.bundles import MODEL_NAME, Written, signature, tensor, unpack_bundle
from tests.unit.serving.fuzzing.documents import changed
from tests.unit.serving.fuzzing.mutation import mutate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

GRAPHS = Path(__file__).parent / "graphs"
ROWS = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
SIGNATURE = signature(
    [Tensor(name="x", datatype="FP32", shape=(-1, 3))],
    [Tensor(name="y", datatype="FP32", shape=(-1, 3))],
).to_json()
_NUMBERS = (0, 1, -1, 2, 3, 7, 100, 2**31 - 1, 2**31, 2**40, 2**62, -(2**63))
_INT64 = 2
"""What a protobuf field of such numbers calls its type."""
_TEXTS = ("", "x", "y", "../../etc/passwd", "\u0000", "com.example", "ai.onnx.ml", "N" * 5000)


@dataclass(frozen=True)
class Content:
    """The three files that a bundle must have."""

    model: bytes
    signature: bytes
    golden: bytes


@cache
def valid() -> dict[str, Content]:
    """A bundle of every graph, by the graph's name; its answers are what ONNX Runtime gives."""
    return {path.stem: _content(path.read_text()) for path in sorted(GRAPHS.glob("*.onnxtxt"))}


def _content(text: str) -> Content:
    model = parser.parse_model(text).SerializeToString()
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    (answers,) = session.run(["y"], {"x": ROWS})
    golden = {
        "inputs": [tensor("x", "FP32", [2, 3], ROWS.ravel().tolist())],
        "outputs": [tensor("y", "FP32", [2, 3], answers.ravel().tolist())],
    }
    return Content(model, SIGNATURE, canonical_json(golden))


def write(directory: Path, content: Content) -> Written:
    """Write a bundle whose digests are right."""
    bundle = Bundle(MODEL_NAME, content.model, content.signature, content.golden)
    return unpack_bundle(directory, bundle)


def write_malformed(directory: Path, number: int, seed: int) -> Written:
    """Write the bundle of this number."""
    random = Random(f"{seed}/{number}")
    content = random.choice(list(valid().values()))
    model, signed, golden = content.model, content.signature, content.golden
    match random.choices(("fields", "bytes", "signature", "golden", "manifest"), (12, 4, 2, 2, 1)):
        case ["fields"]:
            model = _wrong_fields(model, random)
        case ["bytes"]:
            model = mutate(model, random)
        case ["signature"]:
            signed = _wrong_document(signed, random)
        case ["golden"]:
            golden = _wrong_document(golden, random)
        case _:
            return _with_wrong_manifest(write(directory, content), random)
    return write(directory, Content(model, signed, golden))


def _with_wrong_manifest(written: Written, random: Random) -> Written:
    manifest = written.directory / MANIFEST
    content = _wrong_document(manifest.read_bytes(), random)
    manifest.write_bytes(content)
    return Written(written.directory, sha256_digest(content))


def _wrong_document(content: bytes, random: Random) -> bytes:
    if random.random() < 0.3:
        return mutate(content, random)
    return json.dumps(changed(json.loads(content), random)).encode()


def _wrong_fields(content: bytes, random: Random) -> bytes:
    """Change one to three fields of a model, wherever they are."""
    model = ModelProto.FromString(content)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        random.choice(_CHANGES)(model, random)
    changed_content: bytes = model.SerializeToString()
    return changed_content


def _messages(message: Any) -> Iterator[Any]:
    """A message and all that are in it."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for one in value if field.is_repeated else (value,):
            yield from _messages(one)


def _any(model: ModelProto, random: Random, kind: str) -> Any:
    """One message of a kind, of those that there are, or nothing."""
    found = [one for one in _messages(model) if one.DESCRIPTOR.name == kind]
    return random.choice(found) if found else None


def _change_field(model: ModelProto, random: Random) -> None:
    """Give a field another value of its type, take it away, or say it twice."""
    message = random.choice([one for one in _messages(model) if one.ListFields()])
    field, value = random.choice(message.ListFields())
    if field.is_repeated:
        _change_list(field, value, random)
    elif random.random() < 0.25:
        message.ClearField(field.name)
    elif field.message_type is None:
        setattr(message, field.name, _other(field, value, random))


def _change_list(field: Any, values: Any, random: Random) -> None:
    place = random.randrange(len(values))
    match random.randrange(4):
        case 0:
            del values[place]
        case 1:
            values.append(values[place])
        case 2:
            values.extend(list(values)[:50])
        case _ if field.message_type is None:
            values[place] = _other(field, values[place], random)
        case _:
            values[place].CopyFrom(random.choice(list(values)))


def _other(field: Any, value: Any, random: Random) -> Any:
    if field.enum_type:
        return random.choice([one.number for one in field.enum_type.values])
    match value:
        case int() if field.cpp_type == _INT64:
            return random.choice(_NUMBERS)
        case int():
            return random.choice((-1, 2**31 - 1, *range(30)))
        case float():
            return random.choice((0.0, -1.0, 1e30, float("nan"), float("inf")))
        case bytes():
            return mutate(value, random)
        case _:
            return random.choice((*_TEXTS, value + "_", value[::-1]))


def _change_operator(model: ModelProto, random: Random) -> None:
    """Make a node another one that its domain has."""
    node = _any(model, random, "NodeProto")
    if node:
        node.op_type, node.domain = random.choice(_operators())


@cache
def _operators() -> Sequence[tuple[str, str]]:
    found = {(schema.name, schema.domain) for schema in defs.get_all_schemas()}
    return sorted(one for one in found if one[1] in ("", "ai.onnx.ml"))


def _rewire(model: ModelProto, random: Random) -> None:
    """Feed a node with any value of the model: an unknown one, its own, or one of another type."""
    node = _any(model, random, "NodeProto")
    names = [name for one in _messages(model) for name in getattr(one, "output", ()) if name]
    names = [name for name in names if isinstance(name, str)]
    if not node or not names:
        return
    ends = random.choice((node.input, node.input, node.output))
    if ends:
        ends[random.randrange(len(ends))] = random.choice((*names, "x", "y", "nothing", ""))


def _declare_huge(model: ModelProto, random: Random) -> None:
    """Say that a tensor, or what goes in or comes out, is of another size."""
    found = _any(model, random, random.choice(("TensorProto", "TensorShapeProto")))
    if isinstance(found, TensorProto):
        found.dims.append(random.choice(_NUMBERS))
        random.shuffle(found.dims)
    elif found:
        found.dim.add(dim_value=random.choice(_NUMBERS))


def _change_type(model: ModelProto, random: Random) -> None:
    """Say that a tensor's elements are of another type."""
    found = _any(model, random, random.choice(("TensorProto", "Tensor")))
    if found:
        field = "data_type" if isinstance(found, TensorProto) else "elem_type"
        setattr(found, field, random.randrange(30))


def _change_number(model: ModelProto, random: Random) -> None:
    """Give an attribute or a weight a value that kernels divide or allocate by."""
    attribute = _any(model, random, "AttributeProto")
    if attribute and random.random() < 0.7:
        if attribute.ints:
            attribute.ints[random.randrange(len(attribute.ints))] = random.choice(_NUMBERS)
        else:
            attribute.i = random.choice(_NUMBERS)
        return
    weights = _any(model, random, "TensorProto")
    if weights is not None and weights.int64_data:
        place = random.randrange(len(weights.int64_data))
        weights.int64_data[place] = random.choice(_NUMBERS)


def _look_elsewhere(model: ModelProto, random: Random) -> None:
    """Say that a tensor's data lies in another file."""
    weights = _any(model, random, "TensorProto")
    if weights is None:
        return
    weights.data_location = TensorProto.EXTERNAL
    location = random.choice(("../model.onnx", "/proc/self/mem", "golden.json", "", "a/../../b"))
    weights.external_data.add(key="location", value=location)


def _nest(model: ModelProto, random: Random) -> None:
    """Put the graph into a node of another such graph, and that again."""
    if model.graph.ByteSize() > 5000:
        return
    one = ModelProto.FromString(model.SerializeToString()).graph
    for _ in range(random.choice((1, 5, 28))):
        body, model_graph = GraphProto(), model.graph
        body.CopyFrom(model_graph)
        model_graph.CopyFrom(one)
        node = random.choice(model_graph.node) if model_graph.node else model_graph.node.add()
        node.attribute.append(AttributeProto(name="body", type=AttributeProto.GRAPH, g=body))


_CHANGES: tuple[Callable[[ModelProto, Random], None], ...] = (
    _change_field,
    _change_field,
    _change_field,
    _change_operator,
    _rewire,
    _declare_huge,
    _change_type,
    _change_number,
    _change_number,
    _look_elsewhere,
    _nest,
)
