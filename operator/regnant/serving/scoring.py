"""Which outputs are the label and the score of an answer; decided once, from the signature.

A classification's label is its only output of one whole number, truth value or text a row; its
score is the probability of the second of two classes, or the highest of more, from its only
floating-point output. A regression has no label, and its only output of one floating-point number a
row is the score. Any other task has neither. Where a custom bundle has several such outputs, the
one with the name that Regnant's trainer uses counts, and otherwise none: what is not told apart is
not guessed.

This is on the path of every request: `item` makes one Python value without a numpy scalar between,
and keeps no array alive.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from regnant.artifacts.signature import Task
    from regnant.serving.datatypes import Array, TensorSpec

    Label = str | int | bool

LABEL: Final = "label"
PROBABILITIES: Final = "probabilities"
PREDICTION: Final = "prediction"
LONGEST_LABEL: Final = 256
_TWO: Final = 2
_FEW: Final = 32
"""Below so many numbers Python finds the highest faster than numpy begins."""


@dataclass(frozen=True, slots=True)
class Scoring:
    """Where the label and the score of a row are found; either may be nowhere."""

    label: str | None = None
    score: str | None = None
    width: int = 1
    """How many numbers of the score's output belong to one row."""

    def read(
        self, outputs: Mapping[str, Array], rows: int, row: int
    ) -> tuple[Label | None, float | None]:
        """Return the label and the score of one row of an answer."""
        return self._label(outputs, rows, row), self._score(outputs, rows, row)

    def _label(self, outputs: Mapping[str, Array], rows: int, row: int) -> Label | None:
        array = outputs.get(self.label) if self.label else None
        if array is None or array.size != rows:
            return None
        label: Label = array.item(row)
        return label[:LONGEST_LABEL] if isinstance(label, str) else label

    def _score(self, outputs: Mapping[str, Array], rows: int, row: int) -> float | None:
        array = outputs.get(self.score) if self.score else None
        width = self.width
        if array is None or array.size != rows * width:
            return None
        if width <= _TWO:
            score: float = array.item(row * width + width - 1)
            return score
        shares = array.reshape(-1)[row * width : (row + 1) * width]
        return max(shares.tolist()) if width <= _FEW else float(shares.max())


def scoring_of(task: Task, outputs: Mapping[str, TensorSpec]) -> Scoring:
    """Find the label and the score among the signed outputs."""
    if task == "Other":
        return Scoring()
    if task == "Regression":
        return Scoring(score=_only(outputs, PREDICTION, lambda spec: _width(spec) == 1))
    label = _only(outputs, LABEL, _is_label)
    score = _only(outputs, PROBABILITIES, lambda spec: _width(spec) > 0)
    return Scoring(label, score, _width(outputs[score]) if score else 1)


def _only(
    outputs: Mapping[str, TensorSpec], name: str, fits: Callable[[TensorSpec], bool]
) -> str | None:
    found = [spec.name for spec in outputs.values() if fits(spec)]
    if len(found) == 1:
        return found[0]
    return name if name in found else None


def _is_label(spec: TensorSpec) -> bool:
    return not spec.datatype.is_float and spec.is_batched and spec.shape[1:] in ((), (1,))


def _width(spec: TensorSpec) -> int:
    """How many floating-point numbers there are a row; 0 if not so many in every row."""
    return spec.width if spec.datatype.is_float else 0
