"""What happens to the columns before the estimator sees them.

The default is small and the same for everyone: missing numbers become the column's median, numbers
are scaled unless the estimator does not care, and each category that occurs often enough becomes a
column of zeros and ones. Rare, unseen and unknown categories are all zeros, alike. A text column
in which nothing repeats is an identifier and is left out, aloud. Everything is learnt from the
training rows alone and becomes part of the graph, so a caller sends raw values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from regnant.training.columns import FeatureColumn
from regnant.training.errors import ColumnEmpty, InvalidParameter
from regnant.training.layout import InputLayout
from regnant.training.trees import contains_trees, is_made_of_trees

FIELD: Final = "trainer.sklearn.preprocessing"
MIN_CATEGORY_ROWS: Final = 2
MAX_CATEGORIES: Final = 100
UNSCALED_MODULE: Final = "sklearn.naive_bayes"
Steps = list[tuple[str, Any]]


@dataclass(frozen=True)
class Plan:
    """Which columns are trained on, and which of their categories."""

    layout: InputLayout
    categories: dict[str, list[str]]
    left_out: tuple[str, ...]


def plan_columns(columns: Sequence[FeatureColumn], train: pd.DataFrame, mode: str) -> Plan:
    """Choose columns and categories by the training rows."""
    if mode == "None":
        _require_numbers(columns)
    categories: dict[str, list[str]] = {}
    kept: list[FeatureColumn] = []
    left_out: list[str] = []
    for column in columns:
        if not column.numeric:
            found = _frequent(train[column.name])
            if not found:
                left_out.append(column.name)
                continue
            categories[column.name] = found
        kept.append(column)
    if not kept:
        raise ColumnEmpty(
            f"data: no column is left to train on; in {', '.join(left_out[:5])} no value repeats"
        )
    return Plan(InputLayout(tuple(kept)), categories, tuple(left_out))


def _frequent(values: pd.Series[str]) -> list[str]:
    """Return the categories worth a column: repeated, the most frequent, in a fixed order."""
    counts = values.value_counts()
    often = counts[counts >= MIN_CATEGORY_ROWS]
    ranked = sorted(often.items(), key=lambda item: (-int(item[1]), str(item[0])))
    return sorted(str(category) for category, _ in ranked[:MAX_CATEGORIES])


def _require_numbers(columns: Sequence[FeatureColumn]) -> None:
    for column in columns:
        if not column.numeric:
            raise InvalidParameter(
                f"{FIELD}: None hands columns over as they are, and {column.name!r} is no number; "
                "use Auto or add it to data.exclude"
            )


def build_pipeline(plan: Plan, estimator: BaseEstimator, mode: str, *, float32: bool) -> Pipeline:
    """Put preprocessing, a cast to float32, and the user's steps in a row.

    Trees compare in float32, so the cast stands right before them; as a last resort it stands
    before everything of the user's, for what ONNX Runtime has in float32 alone.
    """
    from skl2onnx.sklapi import CastTransformer

    cast = ("auto_float32", CastTransformer(dtype=np.float32))
    steps: Steps = [] if mode == "None" else _automatic(plan, scaled=needs_scaling(estimator))
    own = list(estimator.steps) if isinstance(estimator, Pipeline) else [("model", estimator)]
    *before, last = own
    if float32:
        return Pipeline([*steps, cast, *before, last])
    if contains_trees(last[1]):
        return Pipeline([*steps, *before, cast, last])
    return Pipeline([*steps, *before, last])


def needs_scaling(estimator: BaseEstimator) -> bool:
    """Tell whether columns of different size would mislead the estimator.

    Trees do not care, naive Bayes counts, and a pipeline or search of the user's decides itself.
    """
    composed = isinstance(estimator, (Pipeline, GridSearchCV, RandomizedSearchCV))
    counts = type(estimator).__module__.startswith(UNSCALED_MODULE)
    return not (composed or counts or is_made_of_trees(estimator))


def _automatic(plan: Plan, *, scaled: bool) -> Steps:
    numbers: Steps = [("auto_impute", SimpleImputer(strategy="median", keep_empty_features=True))]
    if scaled:
        numbers.append(("auto_scale", StandardScaler()))
    layout = plan.layout
    if layout.is_matrix:
        return numbers
    names = [layout.internal_name(index) for index in range(len(layout.columns))]
    pairs = list(zip(names, layout.columns, strict=True))
    numeric = [name for name, column in pairs if column.numeric]
    categorical = [name for name, column in pairs if not column.numeric]
    encoder = OneHotEncoder(
        categories=[
            np.array(plan.categories[column.name], dtype=object)
            for _, column in pairs
            if not column.numeric
        ],
        handle_unknown="ignore",
        sparse_output=False,
    )
    parts: list[tuple[str, Any, list[str]]] = [("auto_encode", encoder, categorical)]
    if numeric:
        parts.insert(0, ("auto_numbers", Pipeline(numbers), numeric))
    return [("auto_columns", ColumnTransformer(parts))]
