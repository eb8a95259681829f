"""What each column holds, and whether its rows keep the rules.

A column becomes one of two things: numbers (float64, missing as NaN) or categories (text, missing
as the empty string). Those are also the only two things that cross the wire at serving, so what is
trained on is exactly what can be asked. Types come from the spec, else from the data; where the
data is not clear, the row is named instead of a guess being made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import pandas as pd

from regnant.api.training_pipeline import ColumnRule
from regnant.training.errors import (
    ColumnEmpty,
    ColumnMissing,
    ColumnRuleViolated,
    DataMalformed,
)
from regnant.training.tables import RawTable
from regnant.training.wording import shown, suggest

Type = Literal["Float", "Integer", "Boolean", "Category"]
MISSING_CATEGORY: Final = ""
TRUE_WORDS: Final = frozenset({"true", "yes", "1", "t", "y"})
FALSE_WORDS: Final = frozenset({"false", "no", "0", "f", "n"})
# From this share of numbers on, text among them is taken for a fault rather than for a category.
MOSTLY_NUMBERS: Final = 0.9


@dataclass(frozen=True)
class FeatureColumn:
    """One column that is trained on."""

    name: str
    type: Type

    @property
    def numeric(self) -> bool:
        """Whether the column is handed over as numbers."""
        return self.type != "Category"


def check_names(table: RawTable, names: Sequence[str], field: str) -> None:
    """Refuse names that the table does not have."""
    known = [str(name) for name in table.frame.columns]
    for name in names:
        if name not in known:
            raise ColumnMissing(
                f"{field}: the data has no column {name!r}{suggest(name, known)}; it has "
                f"{', '.join(known[:20])}{' ...' if len(known) > 20 else ''}"  # noqa: PLR2004
            )


def read_feature(table: RawTable, name: str, rule: ColumnRule | None) -> FeatureColumn:
    """Decide what a column holds and write it back in the form that is trained on."""
    series = table.frame[name]
    if series.isna().all():
        raise ColumnEmpty(f"column {name!r}: no row has a value; add it to data.exclude")
    declared = rule.type if rule else None
    found = declared or infer_type(table, name)
    convert = to_categories if found == "Category" else to_numbers
    table.frame[name] = convert(table, name, found)
    return FeatureColumn(name, found)


def infer_type(table: RawTable, name: str) -> Type:
    """Find out what a column without a declared type holds."""
    series = table.frame[name]
    if pd.api.types.is_bool_dtype(series):
        return "Boolean"
    if pd.api.types.is_integer_dtype(series):
        return "Integer"
    if pd.api.types.is_numeric_dtype(series):
        return "Float"
    if pd.api.types.is_datetime64_any_dtype(series) or pd.api.types.is_timedelta64_dtype(series):
        raise DataMalformed(
            f"column {name!r}: holds times, which no estimator takes; add it to data.exclude, or "
            "turn it into numbers"
        )
    present = series.dropna()
    if present.map(lambda value: isinstance(value, (bool, np.bool_))).all():
        return "Boolean"
    numbers = pd.to_numeric(present.astype(str), errors="coerce")
    if numbers.notna().mean() >= MOSTLY_NUMBERS:
        position = present.index[numbers.isna()][0]
        raise DataMalformed(
            f"column {name!r}: row {table.row(position)} has {shown(series[position])} among "
            "numbers; correct it, or declare the column in data.columns with type: Category"
        )
    return "Category"


def to_numbers(table: RawTable, name: str, type_: str) -> pd.Series[float]:
    """Turn a column into float64, naming the first row that is no number."""
    series = table.frame[name]
    if type_ == "Boolean":
        series = series.map(_boolean, na_action="ignore")
    numbers = pd.to_numeric(series, errors="coerce").astype("float64")
    wrong = (numbers.isna() & table.frame[name].notna()) | np.isinf(numbers)
    if type_ == "Integer":
        wrong |= numbers.notna() & (numbers % 1 != 0)
    if wrong.any():
        position = int(wrong.to_numpy().argmax())
        raise DataMalformed(
            f"column {name!r}: row {table.row(position)} has {shown(table.frame[name][position])}, "
            f"which is no finite {type_}; correct it, or change the type in data.columns"
        )
    return numbers


def _boolean(value: object) -> float:
    word = str(value).strip().lower().removesuffix(".0")
    if word in TRUE_WORDS:
        return 1.0
    return 0.0 if word in FALSE_WORDS else float("nan")


def to_categories(table: RawTable, name: str, _type: str = "Category") -> pd.Series[str]:
    """Turn a column into text; 3 and 3.0 are one category, whichever way missing rows spell it."""
    return table.frame[name].map(_category).astype(object)


def _category(value: object) -> str:
    if value is None or value is pd.NaT or value is pd.NA:
        return MISSING_CATEGORY
    if isinstance(value, float):
        if np.isnan(value):
            return MISSING_CATEGORY
        return str(int(value)) if value.is_integer() else repr(float(value))
    return str(value)


def check_rules(table: RawTable, rules: Sequence[ColumnRule]) -> None:
    """Hold every row against the rules of `data.columns`."""
    check_names(table, [rule.name for rule in rules], "data.columns")
    for rule in rules:
        series = table.frame[rule.name]
        if not rule.nullable:
            _refuse(table, rule, series.isna(), "nullable: false")
        if rule.minimum is not None or rule.maximum is not None:
            numbers = pd.to_numeric(series, errors="coerce")
            if rule.minimum is not None:
                _refuse(table, rule, numbers < float(rule.minimum), f"minimum: {rule.minimum}")
            if rule.maximum is not None:
                _refuse(table, rule, numbers > float(rule.maximum), f"maximum: {rule.maximum}")
        if rule.allowed_values:
            text = to_categories(table, rule.name)
            wrong = series.notna() & ~text.isin(rule.allowed_values)
            _refuse(table, rule, wrong, "allowedValues")


def _refuse(table: RawTable, rule: ColumnRule, wrong: pd.Series[bool], broken: str) -> None:
    if not wrong.any():
        return
    position = int(wrong.to_numpy().argmax())
    raise ColumnRuleViolated(
        f"column {rule.name!r}: row {table.row(position)} has "
        f"{shown(table.frame[rule.name][position])} and {int(wrong.sum())} rows in all break "
        f"{broken}; correct the data, or the rule in data.columns"
    )
