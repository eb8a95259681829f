"""The table that is trained on: checked columns, target, and what the split goes by."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from regnant.api.training_pipeline import Data
from regnant.training.columns import FeatureColumn, check_names, check_rules, read_feature
from regnant.training.errors import DataMalformed, SplitColumnMissing
from regnant.training.tables import RawTable
from regnant.training.target import Target, read_target
from regnant.training.wording import suggest


@dataclass(frozen=True)
class Dataset:
    """Checked data, row by row; the frame holds the feature columns alone, in order."""

    frame: pd.DataFrame
    columns: tuple[FeatureColumn, ...]
    target: Target
    split_values: pd.Series | None
    digest: str

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.frame)


def read_dataset(table: RawTable, data: Data, digest: str) -> Dataset:
    """Hold a table against everything that the spec says of it."""
    target = read_target(table, data.target, data.task)
    check_names(table, data.exclude, "data.exclude")
    check_rules(table, data.columns)
    split_values = _split_values(table, data)
    left_out = {data.target, *data.exclude}
    if split_values is not None and data.split.column is not None:
        left_out.add(data.split.column)
    names = [str(name) for name in table.frame.columns if name not in left_out]
    if not names:
        raise DataMalformed(
            "data.exclude: no column is left to train on; take some out of the list"
        )
    rules = {rule.name: rule for rule in data.columns}
    columns = tuple(read_feature(table, name, rules.get(name)) for name in names)
    return Dataset(table.frame[names], columns, target, split_values, digest)


def _split_values(table: RawTable, data: Data) -> pd.Series | None:
    if data.split.method not in {"Group", "Time"}:
        return None
    column = data.split.column or ""
    known = [str(name) for name in table.frame.columns]
    if column not in known:
        raise SplitColumnMissing(
            f"data.split.column: the {data.split.method} split goes by a column, and the data "
            f"has no {column!r}{suggest(column, known)}"
        )
    series = table.frame[column]
    missing = series.isna()
    if missing.any():
        position = int(missing.to_numpy().argmax())
        raise DataMalformed(
            f"data.split.column: {column!r} is missing in row {table.row(position)}; every row "
            "needs a value to be put on one side"
        )
    return series
