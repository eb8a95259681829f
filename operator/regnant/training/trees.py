"""Which estimators are made of decision trees, and which settings of theirs ONNX gets wrong.

scikit-learn's forests compare float32 values with float64 thresholds. A graph that keeps float64
inputs must therefore round in the same place, which is a cast in front of the trees; without it,
15 % of a forest's rows are off after scaling, silently. The cases refused here export without an
error and answer wrongly, so they are named before the parity check would report bare numbers.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import BaseDecisionTree

from regnant.training.errors import ExportUnsupported
from regnant.training.estimators import nested_estimators

HISTOGRAM: Final = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)
TREES: Final = (
    BaseDecisionTree,
    RandomForestClassifier,
    RandomForestRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    *HISTOGRAM,
)
# These grow trees unless they are given something else to repeat.
TREES_BY_DEFAULT: Final = (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
)


def contains_trees(estimator: BaseEstimator) -> bool:
    """Tell whether any part of an estimator is a tree."""
    return any(_is_tree(part) for part in nested_estimators(estimator))


def is_made_of_trees(estimator: BaseEstimator) -> bool:
    """Tell whether the estimator itself is trees, to which a column's scale is all one."""
    return _is_tree(estimator)


def _is_tree(estimator: BaseEstimator) -> bool:
    return isinstance(estimator, TREES) or (
        isinstance(estimator, TREES_BY_DEFAULT) and estimator.get_params()["estimator"] is None
    )


def refuse_unfaithful(estimator: BaseEstimator) -> None:
    """Refuse settings whose export is known to answer wrongly."""
    for part in nested_estimators(estimator):
        if not isinstance(part, HISTOGRAM):
            continue
        categorical = part.get_params()["categorical_features"]
        chosen = categorical is not None and not isinstance(categorical, str)
        if chosen and np.size(categorical):
            raise ExportUnsupported(
                f"trainer.sklearn.parameters.categorical_features: {type(part).__name__} with "
                "native categories answers wrongly once exported to ONNX; leave it out, "
                "preprocessing: Auto encodes categories"
            )
