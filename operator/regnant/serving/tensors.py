"""Tensors as the JSON of V2 spells them, held to the interface that the model signed.

Data may be nested or flat in row-major order. JSON has no NaN, so in a floating-point tensor null
stands for it: a missing value going in, any non-finite number coming out. What a client sends as
raw bytes instead is read by `binary`.
"""

from __future__ import annotations

from itertools import chain
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from regnant.serving.binary import NO_TAIL, read_elements
from regnant.serving.messages import bad_request
from regnant.serving.wording import clipped, listed, shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from regnant.serving.binary import Tail
    from regnant.serving.datatypes import Array, Datatype, TensorSpec

NUMPY = orjson.OPT_SERIALIZE_NUMPY
REFUSED_PARAMETERS = {
    "shared_memory_region": "shared memory is not served; send the data as JSON",
    "classification": "the classification extension is not served; ask for the tensor itself",
}
_SIZES = frozenset({int})
_SMALL_FLOATS = frozenset("ef")
"""Floating-point types that a number of JSON may be too large for."""
_LARGEST_EMPTY = 2**40
"""What numpy takes of a shape whose elements are none; any other shape's must all be sent."""


def decode_tensors(
    entries: Any, specs: Mapping[str, TensorSpec], field: str, tail: Tail = NO_TAIL
) -> dict[str, Array]:
    """Read one array for every spec; none may be missing, repeated or unknown."""
    if type(entries) is not list:
        raise bad_request(f"{field}: must be a list of tensors: {listed(specs.values())}")
    arrays: dict[str, Array] = {}
    for position, entry in enumerate(entries):
        if type(entry) is not dict or type(entry.get("name")) is not str:
            raise bad_request(f"{field}[{position}]: must be an object with a name")
        name = entry["name"]
        spec = specs.get(name)
        if spec is None:
            raise bad_request(
                f'{field}: there is no tensor "{clipped(name)}"; expected {listed(specs.values())}'
            )
        if name in arrays:
            raise bad_request(f'{field}: tensor "{name}" is given twice')
        arrays[name] = _decode_tensor(entry, spec, tail)
    for name, spec in specs.items():
        if name not in arrays:
            raise bad_request(f'{field}: tensor "{name}" is missing; expected {spec.describe()}')
    return arrays


def tensor_head(spec: TensorSpec) -> bytes:
    """Spell what is the same of a tensor in every answer."""
    head = orjson.dumps({"name": spec.name, "datatype": spec.datatype.name})
    return head[:-1] + b',"shape":'


def spell_tensor(head: bytes, array: Array) -> bytes:
    """Write a tensor as V2 does, its data flat; orjson writes numpy's numbers itself."""
    flat = np.ascontiguousarray(array).reshape(-1)
    data = orjson.dumps(flat.tolist() if flat.dtype.kind == "O" else flat, option=NUMPY)
    return b'%b%b,"data":%b}' % (head, orjson.dumps(array.shape), data)


def encode_tensors(
    arrays: Mapping[str, Array], specs: Mapping[str, TensorSpec]
) -> list[orjson.Fragment]:
    """Spell some tensors, as parts of a larger document."""
    return [
        orjson.Fragment(spell_tensor(tensor_head(specs[name]), array))
        for name, array in arrays.items()
    ]


def check_parameters(holder: dict[str, Any], tensor: str = "") -> None:
    """Ignore what changes nothing; refuse what would change the meaning if it were ignored."""
    parameters = holder.get("parameters")
    if parameters is None:
        return
    where = f"{tensor}: parameters" if tensor else "parameters"
    if type(parameters) is not dict:
        raise bad_request(f"{where}: {shown(parameters)} is not an object")
    for name, reason in REFUSED_PARAMETERS.items():
        if name in parameters:
            raise bad_request(f"{where}: {name}: {reason}")


def _decode_tensor(entry: dict[str, Any], spec: TensorSpec, tail: Tail) -> Array:
    where = spec.wording
    datatype = entry.get("datatype")
    if datatype != spec.datatype.name:
        raise bad_request(f"{where}: datatype: {shown(datatype)} is not {spec.datatype.name}")
    check_parameters(entry, where)
    shape = _decode_shape(entry.get("shape"), spec)
    data = entry.get("data")
    parameters = entry.get("parameters")
    size = parameters.get("binary_data_size") if parameters else None
    if size is not None:
        return _decode_raw(size, data, shape, spec, tail)
    if type(data) is not list:
        given = "is missing" if data is None else f"{shown(data)} is not a list"
        raise bad_request(f"{where}: data: {given}; expected {_expected(shape, spec)}")
    flat = _flatten(data, shape, spec)
    return to_array(flat, spec.datatype, where, ": data").reshape(shape)


def _decode_raw(
    size: Any, data: Any, shape: tuple[int, ...], spec: TensorSpec, tail: Tail
) -> Array:
    where = spec.wording
    if data is not None:
        raise bad_request(f"{where}: data: stands beside binary_data_size; send one of the two")
    if type(size) is not int or size < 0:
        raise bad_request(
            f"{where}: parameters: binary_data_size: {shown(size)} is not a number of bytes"
        )
    content = tail.take(size, where)
    return read_elements(content, spec.datatype, prod(shape), where).reshape(shape)


def _decode_shape(shape: Any, spec: TensorSpec) -> tuple[int, ...]:
    if (
        type(shape) is not list
        or not _SIZES.issuperset(map(type, shape))
        or min(shape, default=0) < 0
    ):
        raise bad_request(
            f"{spec.wording}: shape: {shown(shape)} is not a list of sizes; "
            f"expected {list(spec.shape)}"
        )
    sizes = tuple(shape)
    if not spec.fits(sizes):
        raise bad_request(
            f"{spec.wording}: shape: {clipped(str(shape))} does not fit; "
            f"expected {list(spec.shape)}"
        )
    if 0 in sizes and prod(size or 1 for size in sizes) > _LARGEST_EMPTY:
        raise bad_request(
            f"{spec.wording}: shape: {clipped(str(shape))} is too large, though it is of nothing"
        )
    return sizes


def _flatten(data: list[Any], shape: tuple[int, ...], spec: TensorSpec) -> Sequence[Any]:
    """Return the elements in row-major order, of data that is flat or nested as the shape says."""
    count = prod(shape)
    if not data or type(data[0]) is not list:
        if len(data) != count:
            raise bad_request(
                f"{spec.wording}: data: {len(data)} elements; expected {_expected(shape, spec)}"
            )
        return data
    where = spec.wording
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


def to_array(flat: Sequence[Any], datatype: Datatype, where: str, part: str = "") -> Array:
    """Return elements of JSON in one dimension, each checked to be of the type."""
    if not datatype.json.issuperset(map(type, flat)):
        position, value = next(
            (position, value)
            for position, value in enumerate(flat)
            if type(value) not in datatype.json
        )
        raise bad_request(
            f"{where}{part}: element {position} is {shown(value)}; "
            f"{datatype.name} holds {datatype.wording}"
        )
    try:
        if datatype.numpy.char not in _SMALL_FLOATS:
            return np.array(flat, dtype=datatype.numpy)
        with np.errstate(over="raise"):
            return np.array(flat, dtype=np.float64).astype(datatype.numpy)
    except (OverflowError, FloatingPointError) as error:
        raise bad_request(
            f"{where}{part}: an element is out of range; {datatype.name} holds {datatype.wording}"
        ) from error


def _expected(shape: tuple[int, ...], spec: TensorSpec) -> str:
    return f"{prod(shape)} {spec.datatype.name} elements of shape {list(shape)}, nested or flat"
