"""Open Inference Protocol V2 over JSON: bytes to named arrays, and named arrays to bytes.

Whatever a client sends ends as arrays that fit the interface or as a sentence that names the tensor
and what was expected; nothing unchecked reaches numpy or ONNX Runtime. Data may be nested or flat
in row-major order. JSON has no NaN, so in a floating-point tensor null stands for it: a missing
value going in, any non-finite number coming out.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from regnant.serving.messages import bad_request

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from regnant.serving.datatypes import Array, Datatype, Interface, TensorSpec

REFUSED_PARAMETERS = {
    "binary_data_size": "binary tensor data is not served; send the data as JSON",
    "shared_memory_region": "shared memory is not served; send the data as JSON",
    "classification": "the classification extension is not served; ask for the tensor itself",
}
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class InferRequest:
    """A request whose every tensor fits the model's interface."""

    id: str | None
    inputs: dict[str, Array]
    outputs: tuple[str, ...]
    rows: int


def decode_request(body: bytes | bytearray, interface: Interface) -> InferRequest:
    """Read an inference request."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"the body is not JSON: {error}") from error
    if type(document) is not dict:
        raise bad_request("the body must be a JSON object with the field inputs")
    identifier = document.get("id")
    if identifier is not None and type(identifier) is not str:
        raise bad_request(f"id: {_shown(identifier)} is not a string")
    _check_parameters(document, "parameters")
    inputs = decode_tensors(document.get("inputs"), interface.inputs, "inputs")
    return InferRequest(
        identifier,
        inputs,
        _requested_outputs(document.get("outputs"), interface),
        _count_rows(inputs, interface),
    )


def decode_tensors(entries: Any, specs: Mapping[str, TensorSpec], field: str) -> dict[str, Array]:
    """Read one array for every spec; none may be missing, repeated or unknown."""
    if type(entries) is not list:
        raise bad_request(f"{field}: must be a list of tensors: {_listed(specs.values())}")
    arrays: dict[str, Array] = {}
    for position, entry in enumerate(entries):
        if type(entry) is not dict or type(entry.get("name")) is not str:
            raise bad_request(f"{field}[{position}]: must be an object with a name")
        name = entry["name"]
        spec = specs.get(name)
        if spec is None:
            raise bad_request(
                f'{field}: there is no tensor "{_clipped(name)}"; '
                f"expected {_listed(specs.values())}"
            )
        if name in arrays:
            raise bad_request(f'{field}: tensor "{name}" is given twice')
        arrays[name] = _decode_tensor(entry, spec)
    for name, spec in specs.items():
        if name not in arrays:
            raise bad_request(f'{field}: tensor "{name}" is missing; expected {spec.describe()}')
    return arrays


def encode_response(
    head: Mapping[str, str], arrays: Mapping[str, Array], specs: Mapping[str, TensorSpec]
) -> bytes:
    """Write an inference response: the fields of `head`, then the outputs."""
    outputs = encode_tensors(arrays, specs)
    return orjson.dumps({**head, "outputs": outputs}, option=orjson.OPT_SERIALIZE_NUMPY)


def encode_tensors(
    arrays: Mapping[str, Array], specs: Mapping[str, TensorSpec]
) -> list[dict[str, object]]:
    """Describe arrays as V2 does, their data flat; orjson writes numpy's numbers itself."""
    return [
        {
            "name": name,
            "datatype": specs[name].datatype.name,
            "shape": list(array.shape),
            "data": _flat(array, specs[name].datatype),
        }
        for name, array in arrays.items()
    ]


def _flat(array: Array, datatype: Datatype) -> object:
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat.tolist() if datatype.is_text else flat


def has_non_finite(arrays: Mapping[str, Array]) -> bool:
    """Whether any output holds NaN or an infinity."""
    return any(
        array.dtype.kind == "f" and not np.isfinite(array).all() for array in arrays.values()
    )


def _requested_outputs(entries: Any, interface: Interface) -> tuple[str, ...]:
    """Return the names of the outputs to compute, in the order asked for."""
    if entries is None or entries == []:
        return tuple(interface.outputs)
    if type(entries) is not list:
        raise bad_request(f"outputs: must be a list of: {_listed(interface.outputs.values())}")
    names: list[str] = []
    for position, entry in enumerate(entries):
        if type(entry) is not dict or type(entry.get("name")) is not str:
            raise bad_request(f"outputs[{position}]: must be an object with a name")
        name = entry["name"]
        if name not in interface.outputs:
            raise bad_request(
                f'outputs: there is no tensor "{_clipped(name)}"; '
                f"expected {_listed(interface.outputs.values())}"
            )
        if name in names:
            raise bad_request(f'outputs: tensor "{name}" is asked for twice')
        _check_parameters(entry, f'tensor "{name}": parameters')
        names.append(name)
    return tuple(names)


def _check_parameters(holder: dict[str, Any], field: str) -> None:
    """Ignore what changes nothing; refuse what would change the meaning if it were ignored."""
    parameters = holder.get("parameters")
    if parameters is None:
        return
    if type(parameters) is not dict:
        raise bad_request(f"{field}: {_shown(parameters)} is not an object")
    for name, reason in REFUSED_PARAMETERS.items():
        if name in parameters:
            raise bad_request(f"{field}: {name}: {reason}")


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


def _decode_tensor(entry: dict[str, Any], spec: TensorSpec) -> Array:
    where = f'tensor "{spec.name}"'
    datatype = entry.get("datatype")
    if datatype != spec.datatype.name:
        raise bad_request(f"{where}: datatype: {_shown(datatype)} is not {spec.datatype.name}")
    _check_parameters(entry, f"{where}: parameters")
    shape = _decode_shape(entry.get("shape"), spec, where)
    data = entry.get("data")
    if type(data) is not list:
        given = "is missing" if data is None else f"{_shown(data)} is not a list"
        raise bad_request(f"{where}: data: {given}; expected {_expected(shape, spec)}")
    flat = _flatten(data, shape, spec, where)
    return _to_array(flat, spec.datatype, where).reshape(shape)


def _decode_shape(shape: Any, spec: TensorSpec, where: str) -> tuple[int, ...]:
    if type(shape) is not list or any(type(size) is not int or size < 0 for size in shape):
        raise bad_request(
            f"{where}: shape: {_shown(shape)} is not a list of sizes; expected {list(spec.shape)}"
        )
    if not spec.fits(tuple(shape)):
        raise bad_request(
            f"{where}: shape: {_clipped(str(shape))} does not fit; expected {list(spec.shape)}"
        )
    return tuple(shape)


def _flatten(
    data: list[Any], shape: tuple[int, ...], spec: TensorSpec, where: str
) -> Sequence[Any]:
    """Return the elements in row-major order, of data that is flat or nested as the shape says."""
    count = prod(shape)
    if not data or type(data[0]) is not list:
        if len(data) != count:
            raise bad_request(
                f"{where}: data: {len(data)} elements; expected {_expected(shape, spec)}"
            )
        return data
    level: list[Any] = data
    for depth, size in enumerate(shape):
        if depth:
            if set(map(type, level)) - {list}:
                raise bad_request(
                    f"{where}: data: lists and elements are mixed at depth {depth}; "
                    f"expected {_expected(shape, spec)}"
                )
            wrong = set(map(len, level)) - {size}
            if wrong:
                raise bad_request(
                    f"{where}: data: a list of {min(wrong)} at depth {depth} instead of {size}; "
                    f"expected {_expected(shape, spec)}"
                )
            level = list(chain.from_iterable(level))
        elif len(level) != size:
            raise bad_request(
                f"{where}: data: {len(level)} rows; expected {_expected(shape, spec)}"
            )
    return level


def _to_array(flat: Sequence[Any], datatype: Datatype, where: str) -> Array:
    if not datatype.json.issuperset(map(type, flat)):
        position, value = next(
            (position, value)
            for position, value in enumerate(flat)
            if type(value) not in datatype.json
        )
        raise bad_request(
            f"{where}: data: element {position} is {_shown(value)}; "
            f"{datatype.name} holds {datatype.wording}"
        )
    try:
        if not datatype.is_float:
            return np.array(flat, dtype=datatype.numpy)
        with np.errstate(over="raise"):
            return np.array(flat, dtype=np.float64).astype(datatype.numpy, copy=False)
    except (OverflowError, FloatingPointError) as error:
        raise bad_request(
            f"{where}: data: an element is out of range; {datatype.name} holds {datatype.wording}"
        ) from error


def _expected(shape: tuple[int, ...], spec: TensorSpec) -> str:
    return f"{prod(shape)} {spec.datatype.name} elements of shape {list(shape)}, nested or flat"


def _listed(specs: Iterable[TensorSpec]) -> str:
    return ", ".join(f'"{spec.name}" {spec.describe()}' for spec in specs)


def _shown(value: Any) -> str:
    """Show a value as JSON does, so that the client recognises it."""
    return _clipped(orjson.dumps(value).decode())


def _clipped(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
