"""Requests and responses of the Open Inference Protocol V2: bytes to arrays, and arrays to bytes.

Whatever a client sends ends as arrays that fit the interface or as a sentence that names the tensor
and what was expected; nothing unchecked reaches numpy or ONNX Runtime. What one tensor looks like
is in `tensors`, as JSON, and in `binary`, as raw bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from regnant.serving.binary import NO_TAIL, split, write_elements
from regnant.serving.inferring import Spelled
from regnant.serving.messages import bad_request
from regnant.serving.tensors import check_parameters, decode_tensors, spell_tensor, tensor_head
from regnant.serving.wording import clipped, listed, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from regnant.serving.datatypes import Array, Interface
    from regnant.serving.identity import Identity
    from regnant.serving.messages import Request


_NONE: frozenset[str] = frozenset()


class InferRequest(NamedTuple):
    """A request whose every tensor fits the model's interface."""

    id: str | None
    inputs: dict[str, Array]
    outputs: tuple[str, ...]
    rows: int
    binary: frozenset[str] = _NONE
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
        head = {"model_name": identity.model, "model_version": identity.version}
        self._head = orjson.dumps(head)[:-1]
        self._interface = interface
        self._tensor_heads = {name: tensor_head(spec) for name, spec in interface.outputs.items()}
        self._all_outputs = tuple(interface.outputs)

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
        check_parameters(document)
        inputs = decode_tensors(document.get("inputs"), self._interface.inputs, "inputs", tail)
        tail.check_is_taken()
        outputs, binary = self._all_outputs, _NONE
        if "outputs" in document or "parameters" in document:
            outputs, binary = _requested_outputs(document, self._interface)
        rows = _count_rows(inputs, self._interface)
        return InferRequest(identifier, inputs, outputs, rows, binary)

    def encode(self, inference: InferRequest, outputs: Mapping[str, Array]) -> Spelled:
        """Write the answer, with the outputs as they were asked for."""
        head = self._head
        if inference.id is not None:
            head = b'%b,"id":%b' % (head, orjson.dumps(inference.id))
        tensors = []
        parts = []
        for name, array in outputs.items():
            if name not in inference.binary:
                tensors.append(spell_tensor(self._tensor_heads[name], array))
                continue
            parts.append(write_elements(array, self._interface.outputs[name].datatype))
            size = b'{"binary_data_size":%d}' % len(parts[-1])
            shape = orjson.dumps(array.shape)
            tensors.append(b'%b%b,"parameters":%b}' % (self._tensor_heads[name], shape, size))
        text = b'%b,"outputs":[%b]}' % (head, b",".join(tensors))
        return Spelled(b"".join([text, *parts]), len(text)) if parts else Spelled(text)


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
        where = interface.outputs[name].wording
        check_parameters(entry, where)
        wanted[name] = _flag(entry, "binary_data", f"{where}: parameters", default=all_binary)
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
    rows, first = 1, ""
    for name in interface.batched_inputs:
        size = inputs[name].shape[0]
        if not first:
            first, rows = name, size
        elif size != rows:
            raise bad_request(
                f'tensor "{name}": shape {list(inputs[name].shape)} has {size} rows, but '
                f'tensor "{first}" has {rows}'
            )
    return rows
