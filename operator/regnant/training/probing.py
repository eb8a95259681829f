"""Rows to ask both models: real ones, and those that real callers will send by accident.

Most are held-out rows, some of them perturbed; the rest have missing values, categories that were
never seen, and values at and beyond the edges of what was trained on. All of it is seeded: the rows
that prove parity are the golden rows of the bundle, and the same run must give the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from regnant.training.columns import MISSING_CATEGORY, FeatureColumn
from regnant.training.layout import InputLayout

UNSEEN: Final = ("never seen", "größer", "0", " ", "x" * 64)
PERTURBED_SHARE: Final = 0.25
SPECIAL_SHARE: Final = 0.05
NOISE: Final = 0.1
BEYOND: Final = 2.0
BLANK_SHARE: Final = 0.5
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Sides:
    """The feature rows that were trained on, and those that were held out."""

    train: pd.DataFrame
    test: pd.DataFrame


def probe_rows(
    layout: InputLayout, sides: Sides, rows: int, *, seed: int, missing: bool, beyond: bool
) -> pd.DataFrame:
    """Make rows to compare; `missing` and `beyond` say whether the model takes such rows at all."""
    random = np.random.default_rng([seed, rows])
    base = sides.test[[column.name for column in layout.columns]]
    whole = np.arange(min(rows, len(base)))
    chosen = np.concatenate([whole, random.integers(0, len(base), rows - len(whole))])
    order = random.permutation(rows)
    perturbed, special = int(rows * PERTURBED_SHARE), int(rows * SPECIAL_SHARE)
    cuts = np.cumsum([perturbed, special, special, special])
    moved, blank, edge, strange, _ = np.split(order, cuts)
    prober = _Prober(base.iloc[chosen].reset_index(drop=True).copy(), sides.train, random)
    for column in layout.columns:
        if column.numeric:
            prober.perturb(column, moved)
            prober.push_to_edges(column, edge, beyond=beyond)
        else:
            prober.shuffle(column, moved)
            prober.estrange(column, strange)
        if missing:
            prober.blank(column, blank)
    return prober.frame


@dataclass
class _Prober:
    """Rows in the making; every method changes some of them in one column."""

    frame: pd.DataFrame
    train: pd.DataFrame
    random: np.random.Generator

    def perturb(self, column: FeatureColumn, rows: Rows) -> None:
        """Move numbers a little, within what was seen and of the same kind."""
        low, high = self._range(column)
        deviation = float(self.train[column.name].std(ddof=0)) or 1.0
        moved = self.frame.loc[rows, column.name].to_numpy(dtype=np.float64)
        moved = moved + self.random.normal(0.0, NOISE * deviation, len(rows))
        moved = moved if column.type == "Float" else np.rint(moved)
        self._assign(column, rows, np.clip(moved, low, high))

    def push_to_edges(self, column: FeatureColumn, rows: Rows, *, beyond: bool) -> None:
        """Put numbers on the edges of what was seen, and beyond them where the model takes it."""
        low, high = self._range(column)
        edges = [low, high]
        if beyond and column.type != "Boolean":
            width = (high - low) or 1.0
            edges += [low - BEYOND * width, high + BEYOND * width, 0.0]
        if column.type != "Float":
            edges = [float(np.rint(edge)) for edge in edges]
        self._assign(column, rows, self.random.choice(edges, len(rows)))

    def shuffle(self, column: FeatureColumn, rows: Rows) -> None:
        """Take a category from some other row."""
        values = self.train[column.name].to_numpy(dtype=object)
        self._assign(column, rows, self.random.choice(values, len(rows)))

    def estrange(self, column: FeatureColumn, rows: Rows) -> None:
        """Take a category that nobody saw."""
        self._assign(column, rows, self.random.choice(np.array(UNSEEN, dtype=object), len(rows)))

    def blank(self, column: FeatureColumn, rows: Rows) -> None:
        """Leave out about half of the values."""
        chosen = rows[self.random.random(len(rows)) < BLANK_SHARE]
        value: object = float("nan") if column.numeric else MISSING_CATEGORY
        self._assign(column, chosen, np.full(len(chosen), value))

    def _range(self, column: FeatureColumn) -> tuple[float, float]:
        values = self.train[column.name]
        if values.isna().all():
            return 0.0, 0.0
        return float(values.min()), float(values.max())

    def _assign(self, column: FeatureColumn, rows: Rows, values: NDArray[np.generic]) -> None:
        everything = self.frame[column.name].to_numpy(copy=True)
        everything[rows] = values
        self.frame[column.name] = everything
