"""Requests and responses of the Open Inference Protocol V2: bytes to arrays, and arrays to bytes.

Whatever a client sends ends as arrays that fit the interface or as a sentence that names the tensor
and what was expected; nothing unchecked reaches numpy or ONNX Runtime. What one tensor looks like
is in `tensors`, as JSON, and in `binary`, as raw bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from regnant.serving.binary import NO_TAIL, split, write_elements
from regnant.serving.inferring import Spelled
from regnant.serving.messages import bad_request
from regnant.serving.tensors import check_parameters, decode_tensors, encode_tensors
from regnant.serving.wording import clipped, listed, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from regnant.serving.datatypes import Array, Interface
    from regnant.serving.identity import Identity
    from regnant.serving.messages import Request


@dataclass(frozen=True, slots=True)
class InferRequest:
    """A request whose every tensor fits the model's interface."""

    id: str | None
    inputs: dict[str, Array]
    outputs: tuple[str, ...]
    rows: int
    binary: frozenset[str] = frozenset()
    """The outputs that are wanted as raw bytes."""


def read_json(text: bytes | bytearray | memoryview) -> Any:
    """Read a document, whatever it is."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"the body is not JSON: {error}") from error


class OpenInference:
    """The protocol, for one model."""

    def __init__(self, identity: Identity, interface: Interface) -> None:
        self._head = {"model_name": identity.model, "model_version": identity.version}
        self._interface = interface

    def decode(self, request: Request) -> InferRequest:
        """Read an inference request."""
        text: bytes | bytearray | memoryview = request.body
        tail = NO_TAIL
        if (json_length := request.json_length) is not None:
            text, tail = split(request.body, json_length)
        document = read_json(text)
        if type(document) is not dict:
            raise bad_request("the body must be a JSON object with the field inputs")
        identifier = document.get("id")
        if identifier is not None and type(identifier) is not str:
            raise bad_request(f"id: {shown(identifier)} is not a string")
        check_parameters(document, "parameters")
        inputs = decode_tensors(document.get("inputs"), self._interface.inputs, "inputs", tail)
        tail.check_is_taken()
        outputs, binary = _requested_outputs(document, self._interface)
        rows = _count_rows(inputs, self._interface)
        return InferRequest(identifier, inputs, outputs, rows, binary)

    def encode(self, inference: InferRequest, outputs: Mapping[str, Array]) -> Spelled:
        """Write the answer, with the outputs as they were asked for."""
        head = self._head if inference.id is None else {**self._head, "id": inference.id}
        specs = self._interface.outputs
        if not inference.binary:
            return Spelled(_to_json({**head, "outputs": encode_tensors(outputs, specs)}))
        entries: list[dict[str, object]] = []
        parts = []
        for name, array in outputs.items():
            if name not in inference.binary:
                entries += encode_tensors({name: array}, specs)
                continue
            parts.append(write_elements(array, specs[name].datatype))
            entries.append(
                {
                    "name": name,
                    "datatype": specs[name].datatype.name,
                    "shape": list(array.shape),
                    "parameters": {"binary_data_size": len(parts[-1])},
                }
            )
        text = _to_json({**head, "outputs": entries})
        return Spelled(b"".join([text, *parts]), len(text))


def _to_json(document: object) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)


def _requested_outputs(
    document: dict[str, Any], interface: Interface
) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the outputs to compute, in the order asked for, and those to send as raw bytes."""
    entries = document.get("outputs")
    all_binary = _flag(document, "binary_data_output", "parameters")
    if entries is None or entries == []:
        names = tuple(interface.outputs)
        return names, frozenset(names if all_binary else ())
    if type(entries) is not list:
        raise bad_request(f"outputs: must be a list of: {listed(interface.outputs.values())}")
    wanted: dict[str, bool] = {}
    for position, entry in enumerate(entries):
        if type(entry) is not dict or type(entry.get("name")) is not str:
            raise bad_request(f"outputs[{position}]: must be an object with a name")
        name = entry["name"]
        if name not in interface.outputs:
            raise bad_request(
                f'outputs: there is no tensor "{clipped(name)}"; '
                f"expected {listed(interface.outputs.values())}"
            )
        if name in wanted:
            raise bad_request(f'outputs: tensor "{name}" is asked for twice')
        field = f'tensor "{name}": parameters'
        check_parameters(entry, field)
        wanted[name] = _flag(entry, "binary_data", field, default=all_binary)
    return tuple(wanted), frozenset(name for name, is_binary in wanted.items() if is_binary)


def _flag(holder: dict[str, Any], name: str, field: str, *, default: bool = False) -> bool:
    """Return a parameter that is true or false; parameters were checked to be an object."""
    parameters = holder.get("parameters")
    value = parameters.get(name, default) if parameters else default
    if type(value) is not bool:
        raise bad_request(f"{field}: {name}: {shown(value)} is not true or false")
    return value


def _count_rows(inputs: Mapping[str, Array], interface: Interface) -> int:
    """Return the batch size, on which all batched inputs must agree."""
    first: str | None = None
    rows = 1
    for name, spec in interface.inputs.items():
        if not spec.is_batched:
            continue
        if first is None:
            first, rows = name, inputs[name].shape[0]
        elif inputs[name].shape[0] != rows:
            raise bad_request(
                f'tensor "{name}": shape {list(inputs[name].shape)} has '
                f'{inputs[name].shape[0]} rows, but tensor "{first}" has {rows}'
            )
    return rows
