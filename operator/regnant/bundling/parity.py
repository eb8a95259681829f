"""Whether the model in ONNX answers as the framework does, and which rows the bundle keeps.

Every output that the framework's answers were given for is compared in every row, and a few rows
are asked alone too. A label between two equal classes hangs on the order in which floats are added:
such a row proves nothing, and would fail on another machine for no fault. So its label is not
compared, and it is left out of the golden rows unless there is no other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from regnant.bundling.errors import NotServableError
from regnant.bundling.interface import answers
from regnant.serving.golden import GoldenRows, difference, largest_difference
from regnant.serving.scoring import Scoring

if TYPE_CHECKING:
    from collections.abc import Mapping

    from regnant.serving.datatypes import Array
    from regnant.serving.golden import Tolerance
    from regnant.serving.model import Model

ROWS: Final = 1000
ELEMENTS: Final = 500_000
"""So many numbers every server asks itself at its start, and sends as JSON when it is asked."""
_REMEDY: Final = (
    "export the model again from exactly what gave these answers (in evaluation mode, in float32), "
    "or allow more with --tolerance-absolute and --tolerance-relative"
)


@dataclass(frozen=True, slots=True)
class Proven:
    """Rows with the answers of ONNX Runtime."""

    golden: GoldenRows
    given: int
    """How many rows there were, before some were left out."""
    differences: dict[str, float]
    """By output that was held against the framework's answers: how far apart they are at most."""
    undecided: int
    """How many rows lie between two classes."""


def prove(
    model: Model,
    inputs: dict[str, Array],
    expected: Mapping[str, Array],
    tolerance: Tolerance,
    *,
    rows: int,
    scoring: Scoring,
) -> Proven:
    """Compare the model with the framework's answers, and choose the rows to keep."""
    computed = answers(model, inputs)
    asked = GoldenRows(model.interface, inputs, computed, tolerance, rows)
    batched = model.interface.is_batched
    decided = _decided({**computed, **expected}, scoring if batched else Scoring(), tolerance, rows)
    _compare(asked, _without(expected, scoring.label), model)
    if scoring.label in expected and decided:
        _compare(asked.select(decided), _only(expected, scoring.label, decided), model)
    differences = {
        name: largest_difference(computed[name], array) if array.dtype.kind == "f" else 0.0
        for name, array in expected.items()
    }
    kept = asked.select(decided) if decided else asked
    kept = kept.select(kept.evenly_spaced(_as_many(kept)))
    return Proven(kept, rows, differences, rows - len(decided))


def _without(expected: Mapping[str, Array], label: str | None) -> dict[str, Array]:
    return {name: array for name, array in expected.items() if name != label}


def _only(expected: Mapping[str, Array], label: str | None, rows: list[int]) -> dict[str, Array]:
    return {name: array[rows] for name, array in expected.items() if name == label}


def _compare(asked: GoldenRows, expected: dict[str, Array], model: Model) -> None:
    if not expected:
        return
    different = difference(replace(asked, outputs=expected), model)
    if different:
        raise NotServableError(
            f"the model does not answer as the golden rows say: {different}; {_REMEDY}"
        )


def _decided(
    known: Mapping[str, Array], scoring: Scoring, tolerance: Tolerance, rows: int
) -> list[int]:
    """The rows that have one class ahead of all others by more than the tolerance."""
    if scoring.label is None or scoring.score is None or scoring.width == 1:
        return list(range(rows))
    top = np.sort(known[scoring.score].astype(np.float64).reshape(rows, -1), axis=1)[:, -2:]
    return [int(row) for row in np.flatnonzero(top[:, 1] - top[:, 0] > tolerance.absolute)]


def _as_many(golden: GoldenRows) -> int:
    """How many of these rows a server may be asked at its start."""
    elements = sum(array.size for array in (*golden.inputs.values(), *golden.outputs.values()))
    return max(1, min(ROWS, ELEMENTS * golden.count // max(1, elements)))
