"""How rows cross the border of a model: one matrix, or one tensor a column.

Data of numbers alone is one tensor `features`, which is what most clients have at hand. As soon as
there are categories, every column is a tensor of its own, named as the column. Inside the graph and
inside scikit-learn columns bear short neutral names, because skl2onnx rewrites what it dislikes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from regnant.artifacts.signature import Column, Tensor
from regnant.training.columns import FeatureColumn

FEATURES: Final = "features"
LABEL: Final = "label"
PROBABILITIES: Final = "probabilities"
PREDICTION: Final = "prediction"
OUTPUTS: Final = frozenset({LABEL, PROBABILITIES, PREDICTION})
ModelInput = NDArray[np.float64] | pd.DataFrame


@dataclass(frozen=True)
class InputLayout:
    """The columns of a model in order, and the tensors that carry them."""

    columns: tuple[FeatureColumn, ...]

    @property
    def is_matrix(self) -> bool:
        """Whether one tensor carries all columns."""
        return all(column.numeric for column in self.columns)

    def internal_name(self, index: int) -> str:
        """Return the neutral name of a column."""
        return f"c{index}"

    def tensor_name(self, index: int) -> str:
        """Return the name of the tensor that carries a column; outputs keep theirs."""
        if self.is_matrix:
            return FEATURES
        name = self.columns[index].name
        return f"input_{name}" if name in OUTPUTS else name

    def tensors(self) -> tuple[Tensor, ...]:
        """Describe the inputs for the signature."""
        if self.is_matrix:
            return (Tensor(name=FEATURES, datatype="FP64", shape=(-1, len(self.columns))),)
        return tuple(
            Tensor(
                name=self.tensor_name(index),
                datatype="FP64" if column.numeric else "BYTES",
                shape=(-1, 1),
            )
            for index, column in enumerate(self.columns)
        )

    def signature_columns(self, categories: dict[str, list[str]]) -> tuple[Column, ...]:
        """Describe the columns for the signature."""
        return tuple(
            Column(
                name=column.name,
                type=column.type,
                tensor=self.tensor_name(index),
                index=index if self.is_matrix else 0,
                categories=None if column.numeric else tuple(categories[column.name]),
            )
            for index, column in enumerate(self.columns)
        )

    def to_model(self, frame: pd.DataFrame) -> ModelInput:
        """Hand rows to scikit-learn."""
        chosen = frame[[column.name for column in self.columns]]
        if self.is_matrix:
            return chosen.to_numpy(dtype=np.float64)
        names = [self.internal_name(index) for index in range(len(self.columns))]
        return chosen.set_axis(names, axis=1)

    def feeds(self, frame: pd.DataFrame) -> dict[str, NDArray[np.generic]]:
        """Hand the same rows to ONNX Runtime."""
        if self.is_matrix:
            return {FEATURES: np.asarray(self.to_model(frame))}
        return {
            self.tensor_name(index): frame[[column.name]].to_numpy(
                dtype=np.float64 if column.numeric else object
            )
            for index, column in enumerate(self.columns)
        }
