"""The thirteen types of a tensor: their V2 names, ONNX names, numpy types and JSON spellings.

One table, because the four must agree. A value's JSON type is checked before numpy sees it: numpy
would take "1.5" for a number, True for 1, and 1.7 for the integer 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Datatype:
    """One type of a tensor's elements."""

    name: str
    onnx: str
    numpy: np.dtype[Any]
    json: frozenset[type]
    """The types of the values that JSON may hold."""
    wording: str

    @cached_property
    def is_float(self) -> bool:
        """Whether the type has NaN, which JSON spells null."""
        return self.numpy.kind == "f"

    @cached_property
    def is_text(self) -> bool:
        """Whether the elements are strings."""
        return self.numpy.kind == "O"


_WHOLE = frozenset({int})
_REAL: frozenset[type] = frozenset({int, float, type(None)})


def _whole(name: str, onnx: str, dtype: type[np.integer[Any]]) -> Datatype:
    bounds = np.iinfo(dtype)
    wording = f"whole numbers from {bounds.min} to {bounds.max}"
    return Datatype(name, f"tensor({onnx})", np.dtype(dtype), _WHOLE, wording)


def _real(name: str, onnx: str, dtype: type[np.floating[Any]]) -> Datatype:
    wording = f"numbers up to {float(np.finfo(dtype).max):.5g}, or null for a missing one"
    return Datatype(name, f"tensor({onnx})", np.dtype(dtype), _REAL, wording)


_ALL = (
    Datatype("BOOL", "tensor(bool)", np.dtype(np.bool_), frozenset({bool}), "true or false"),
    _whole("INT8", "int8", np.int8),
    _whole("INT16", "int16", np.int16),
    _whole("INT32", "int32", np.int32),
    _whole("INT64", "int64", np.int64),
    _whole("UINT8", "uint8", np.uint8),
    _whole("UINT16", "uint16", np.uint16),
    _whole("UINT32", "uint32", np.uint32),
    _whole("UINT64", "uint64", np.uint64),
    _real("FP16", "float16", np.float16),
    _real("FP32", "float", np.float32),
    _real("FP64", "double", np.float64),
    Datatype("BYTES", "tensor(string)", np.dtype(object), frozenset({str}), "strings"),
)
BY_NAME = {datatype.name: datatype for datatype in _ALL}
BY_ONNX = {datatype.onnx: datatype for datatype in _ALL}


@dataclass(frozen=True)
class TensorSpec:
    """One input or output: what it is called, holds and measures; -1 is any size."""

    name: str
    datatype: Datatype
    shape: tuple[int, ...]

    @cached_property
    def is_batched(self) -> bool:
        """Whether the first dimension is the number of rows."""
        return bool(self.shape) and self.shape[0] == -1

    @cached_property
    def width(self) -> int:
        """How many elements belong to one row; 0 if that is not one fixed number."""
        match self.shape:
            case (-1,):
                return 1
            case (-1, size):
                return max(0, size)
            case _:
                return 0

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether a tensor of this shape may be passed."""
        if shape[1:] == self.shape[1:] and self.is_batched:
            return len(shape) > 0
        return len(shape) == len(self.shape) and all(
            want in (-1, have) for want, have in zip(self.shape, shape, strict=True)
        )

    @cached_property
    def wording(self) -> str:
        """Name the tensor in an error."""
        return f'tensor "{self.name}"'

    def describe(self) -> str:
        """Say in an error what was expected."""
        return f"{self.datatype.name} {list(self.shape)}"


@dataclass(frozen=True)
class Interface:
    """What a model takes and gives."""

    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]

    @cached_property
    def batched_inputs(self) -> tuple[str, ...]:
        """The inputs that have rows."""
        return tuple(name for name, spec in self.inputs.items() if spec.is_batched)

    @cached_property
    def has_fixed_rows(self) -> bool:
        """Whether all rows of an input have one shape."""
        return all(-1 not in spec.shape[1:] for spec in self.inputs.values())

    @cached_property
    def is_batched(self) -> bool:
        """Whether every tensor's first dimension counts rows, so that rows can be told apart."""
        return all(spec.is_batched for spec in (*self.inputs.values(), *self.outputs.values()))
