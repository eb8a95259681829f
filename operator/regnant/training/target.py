"""The column to predict: present, complete, varied, and of the kind that the task predicts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from regnant.training.errors import (
    TargetConstant,
    TargetHasMissingValues,
    TargetMissing,
    TaskMismatch,
)
from regnant.training.tables import RawTable
from regnant.training.wording import shown, suggest

FIELD: Final = "data.target"
MAX_CLASSES: Final = 1000
# A number that hardly repeats is a measurement, not a class.
MIN_ROWS_A_NUMERIC_CLASS: Final = 3
FEW: Final = 2


@dataclass(frozen=True)
class Target:
    """What is predicted, a value a row: floats, or classes as whole numbers or text."""

    name: str
    values: NDArray[np.generic]
    classes: tuple[str | int, ...] | None


def read_target(table: RawTable, name: str, task: str) -> Target:
    """Read the target for the task, or say why it does not fit."""
    known = [str(column) for column in table.frame.columns]
    if name not in known:
        raise TargetMissing(
            f"{FIELD}: the data has no column {name!r}{suggest(name, known)}; it has "
            f"{', '.join(known[:20])}"
        )
    series = table.frame[name]
    missing = series.isna()
    if missing.any():
        position = int(missing.to_numpy().argmax())
        raise TargetHasMissingValues(
            f"{FIELD}: {name!r} is missing in {int(missing.sum())} rows, first in row "
            f"{table.row(position)}; remove those rows or fill them in"
        )
    if series.nunique() == 1:
        raise TargetConstant(
            f"{FIELD}: {name!r} is {shown(series.iloc[0])} in every row; there is nothing to "
            "learn, choose another column or more data"
        )
    return _classes(series, name) if task == "Classification" else _numbers(series, name)


def _numbers(series: pd.Series, name: str) -> Target:
    boolean = pd.api.types.is_bool_dtype(series)
    if boolean or not pd.api.types.is_numeric_dtype(series):
        raise TaskMismatch(
            f"data.task: Regression predicts numbers, but {name!r} holds values such as "
            f"{shown(series.iloc[0])}; use task: Classification"
        )
    values = series.astype("float64").to_numpy()
    if not np.isfinite(values).all():
        raise TaskMismatch(f"{FIELD}: {name!r} holds infinite numbers; remove those rows")
    if series.nunique() <= FEW:
        raise TaskMismatch(
            f"data.task: Regression predicts numbers, but {name!r} has only {FEW} different "
            "values; use task: Classification"
        )
    return Target(name, values, None)


def _classes(series: pd.Series, name: str) -> Target:
    distinct = series.nunique()
    values: NDArray[np.generic]
    if pd.api.types.is_numeric_dtype(series):
        numbers = series.astype("float64")
        if (numbers % 1 != 0).any() or distinct * MIN_ROWS_A_NUMERIC_CLASS > max(len(series), 30):
            raise TaskMismatch(
                f"data.task: Classification predicts classes, but {name!r} holds {distinct} "
                f"different numbers in {len(series)} rows, such as {shown(series.iloc[0])}; "
                "use task: Regression"
            )
        values = numbers.astype("int64").to_numpy()
    else:
        if distinct == len(series):
            raise TaskMismatch(
                f"data.task: Classification needs classes that repeat, but every row of {name!r} "
                "is different; choose another target"
            )
        values = series.astype(str).to_numpy(dtype=object)
    if distinct > MAX_CLASSES:
        raise TaskMismatch(
            f"{FIELD}: {name!r} has {distinct} classes, more than the {MAX_CLASSES} supported"
        )
    return Target(name, values, tuple(np.unique(values).tolist()))
