"""The answers that the trainer got, and whether this machine gives the same.

Every start replays all golden rows on the hardware that will serve: a runtime that evaluates a
forest wrongly is found here, before any user asks. The rows are run together, and a few of them
one by one too, because a batch and a single row may take different code paths. A part of the rows
is handed out, so that the operator can ask the same questions through the router.
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import Timer
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from regnant.serving.errors import GoldenMismatch, ModelLoadFailed
from regnant.serving.messages import RequestRefused
from regnant.serving.model import Stop
from regnant.serving.tensors import decode_tensors, encode_tensors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from regnant.serving.datatypes import Array, Interface, TensorSpec
    from regnant.serving.model import Model

SINGLES = 16
REPLAY_SECONDS = 300.0
"""Half of what a pod may take to be ready, so that a loop without end is told before."""
REMEDY = "train and export the model again with the runtime that serves it"


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far an answer may be from the golden one: absolute + relative * |golden|."""

    absolute: float
    relative: float


USUAL = Tolerance(1e-5, 1e-4)


@dataclass(frozen=True, slots=True)
class GoldenRows:
    """Inputs with the outputs that belong to them."""

    interface: Interface
    inputs: dict[str, Array]
    outputs: dict[str, Array]
    tolerance: Tolerance
    count: int
    """How many rows there are; one where the interface has no rows to tell apart."""

    @property
    def proves_rows_independent(self) -> bool:
        """Whether the replay held rows of one batch against the same rows one by one."""
        return self.interface.is_batched and self.count > 1

    def evenly_spaced(self, wanted: int) -> list[int]:
        """Return the positions of at most that many rows, the first and the last among them."""
        if wanted >= self.count or not self.interface.is_batched:
            return list(range(self.count))
        return sorted({round(i * (self.count - 1) / max(1, wanted - 1)) for i in range(wanted)})

    def select(self, rows: list[int]) -> GoldenRows:
        """Return these rows only."""
        if not self.interface.is_batched:
            return self
        inputs = {name: array[rows] for name, array in self.inputs.items()}
        outputs = {name: array[rows] for name, array in self.outputs.items()}
        return GoldenRows(self.interface, inputs, outputs, self.tolerance, len(rows))

    def to_document(self, wanted: int) -> dict[str, object]:
        """Spell a part of the rows as a V2 request and the response that it should get."""
        rows = self.evenly_spaced(wanted)
        part = self.select(rows)
        return {
            "rows": rows,
            "request": {"inputs": encode_tensors(part.inputs, self.interface.inputs)},
            "response": {"outputs": encode_tensors(part.outputs, self.interface.outputs)},
            "tolerance": {
                "absolute": self.tolerance.absolute,
                "relative": self.tolerance.relative,
            },
        }


def read_golden(path: Path, interface: Interface) -> GoldenRows:
    """Read `golden.json`; it must speak of every input and output that is served."""
    try:
        document = orjson.loads(path.read_bytes())
        inputs = decode_tensors(document["inputs"], interface.inputs, "inputs")
        outputs = decode_tensors(document["outputs"], interface.outputs, "outputs")
        tolerance = document.get("tolerance", {})
        limits = Tolerance(
            float(tolerance.get("absolute", USUAL.absolute)),
            float(tolerance.get("relative", USUAL.relative)),
        )
    except RequestRefused as error:
        raise _invalid(error.message) from error
    except KeyError as error:
        raise _invalid(f"the field {error} is missing") from error
    except (orjson.JSONDecodeError, AttributeError, TypeError, ValueError) as error:
        raise _invalid(str(error)) from error
    return GoldenRows(interface, inputs, outputs, limits, _count(interface, inputs, outputs))


def replay(golden: GoldenRows, model: Model) -> None:
    """Ask the model every golden question and compare; the first difference is an error."""
    different = difference(golden, model)
    if different:
        raise GoldenMismatch(f"golden.json: {different}; {REMEDY}")


def difference(golden: GoldenRows, model: Model) -> str | None:
    """The first answer that is not the golden one, in words; None where there is no such."""
    stop = Stop(f"it did not answer them all within {REPLAY_SECONDS:g} s")
    deadline = Timer(REPLAY_SECONDS, stop.now)
    deadline.daemon = True
    deadline.start()
    try:
        different = _compare(golden, model, list(range(golden.count)), stop)
        if different or not golden.interface.is_batched:
            return different
        singles = golden.evenly_spaced(SINGLES)
        alone = (_compare(golden.select([row]), model, [row], stop) for row in singles)
        return next((found for found in alone if found), None)
    finally:
        deadline.cancel()


def _compare(golden: GoldenRows, model: Model, rows: list[int], stop: Stop) -> str | None:
    names = tuple(golden.outputs)
    try:
        answers = model.run(golden.inputs, names, stop)
    except RequestRefused as refused:
        return f"the model refused its own golden rows: {refused.message}"
    compared = (_compare_tensor(golden, name, answers[name], rows) for name in names)
    return next((found for found in compared if found), None)


def _compare_tensor(golden: GoldenRows, name: str, got: Array, rows: list[int]) -> str | None:
    expected = golden.outputs[name]
    if got.shape != expected.shape:
        return f'tensor "{name}": expected shape {list(expected.shape)}, got {list(got.shape)}'
    equal = _equal(got, expected, golden.tolerance)
    by_row = equal.reshape(len(rows), -1).all(axis=1)
    if by_row.all():
        return None
    first = int(np.argmin(by_row))
    return (
        f'row {rows[first]}: tensor "{name}": '
        f"expected {_row(expected, golden, name, first)}, got {_row(got, golden, name, first)}; "
        f"{int((~by_row).sum())} of {len(rows)} rows differ by more than absolute "
        f"{golden.tolerance.absolute:g} + relative {golden.tolerance.relative:g}"
        f"{_at_most(got, expected)}"
    )


def _at_most(got: Array, expected: Array) -> str:
    """Say how far numbers are apart, where that can be said."""
    if got.dtype.kind != "f":
        return ""
    return f", the most by {largest_difference(got, expected):.3g}"


def largest_difference(got: Array, expected: Array) -> float:
    """How far two arrays of numbers are apart at most; what is no number is nowhere."""
    with np.errstate(invalid="ignore"):
        apart = np.abs(got.astype(np.float64) - expected.astype(np.float64))
    return float(np.nanmax(apart, initial=0.0))


def _equal(got: Array, expected: Array, tolerance: Tolerance) -> Array:
    if got.dtype.kind != "f":
        return np.asarray(got == expected)
    wide, wanted = got.astype(np.float64), expected.astype(np.float64)
    # A non-finite golden answer was written as null and read as NaN.
    wide[~np.isfinite(wide)] = np.nan
    return np.isclose(
        wide, wanted, rtol=tolerance.relative, atol=tolerance.absolute, equal_nan=True
    )


def _row(array: Array, golden: GoldenRows, name: str, position: int) -> Any:
    spec: Mapping[str, TensorSpec] = golden.interface.outputs
    values = array[position] if spec[name].is_batched and golden.interface.is_batched else array
    return np.asarray(values).reshape(-1)[:8].tolist()


def _count(interface: Interface, inputs: Mapping[str, Array], outputs: Mapping[str, Array]) -> int:
    if not interface.is_batched:
        return 1
    counts = {name: array.shape[0] for name, array in (*inputs.items(), *outputs.items())}
    if len(set(counts.values())) != 1 or 0 in counts.values():
        raise _invalid(f"every tensor must have the same number of rows, at least 1: {counts}")
    return int(next(iter(counts.values())))


def _invalid(what: str) -> ModelLoadFailed:
    return ModelLoadFailed(f"golden.json: {what}; push the bundle again with valid golden rows")
