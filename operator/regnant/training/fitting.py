"""Fitting, and the refusal of models that look at missing values themselves.

What scikit-learn raises is the user's to read, so its own first line is the message. What it only
warns of is passed on as progress.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from regnant.training.errors import ExportUnsupported, TrainingFailed
from regnant.training.layout import ModelInput
from regnant.training.progress import Progress
from regnant.training.wording import first_line

WARNINGS_SHOWN: Final = 5


@dataclass(frozen=True)
class FittedModel:
    """A fitted pipeline and how it is asked."""

    pipeline: Pipeline
    classes: tuple[str | int, ...] | None

    @property
    def has_probabilities(self) -> bool:
        """Whether the estimator gives probabilities."""
        return self.classes is not None and hasattr(self.pipeline, "predict_proba")

    def predict(self, rows: ModelInput) -> NDArray[np.generic]:
        """Return labels, or numbers in one dimension."""
        return self._ask("predict", rows).reshape(-1)

    def probabilities(self, rows: ModelInput) -> NDArray[np.float64] | None:
        """Return a column of probabilities a class, where the estimator has them."""
        if not self.has_probabilities:
            return None
        return self._ask("predict_proba", rows).astype(np.float64)

    def scores(self, rows: ModelInput) -> NDArray[np.float64] | None:
        """Return what ranks rows of a binary classification, probabilities or not."""
        if not hasattr(self.pipeline, "decision_function"):
            return None
        scores = self._ask("decision_function", rows).astype(np.float64)
        return scores if scores.ndim == 1 else None

    def _ask(self, method: str, rows: ModelInput) -> NDArray[np.generic]:
        try:
            return np.asarray(getattr(self.pipeline, method)(rows))
        except Exception as error:
            name = type(self.pipeline.steps[-1][1]).__name__
            raise TrainingFailed(f"{name}.{method}: {first_line(error)}") from error


def fit(
    pipeline: Pipeline,
    rows: ModelInput,
    target: NDArray[np.generic],
    *,
    classification: bool,
    progress: Progress,
) -> FittedModel:
    """Fit a pipeline and unwrap what a search found best."""
    name = type(pipeline.steps[-1][1]).__name__
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            pipeline.fit(rows, target)
        except MemoryError as error:
            raise TrainingFailed(
                f"{name} ran out of memory; raise resources.limits.memory or bring fewer rows"
            ) from error
        except Exception as error:
            raise TrainingFailed(f"{name}: {first_line(error)}") from error
    for text in list(dict.fromkeys(first_line(each.message) for each in caught))[:WARNINGS_SHOWN]:
        progress.say(text, level="WARNING")
    fitted = _unwrapped(pipeline)
    check_is_fitted(fitted)
    _refuse_missing(fitted, rows)
    classes = tuple(np.asarray(fitted.classes_).tolist()) if classification else None
    return FittedModel(fitted, classes)


def _unwrapped(pipeline: Pipeline) -> Pipeline:
    """Replace a search by the estimator that it chose: that is what is exported."""
    name, last = pipeline.steps[-1]
    best = getattr(last, "best_estimator_", None)
    if best is None:
        return pipeline
    own = list(best.steps) if isinstance(best, Pipeline) else [(name, best)]
    return Pipeline([*pipeline.steps[:-1], *own])


def _refuse_missing(pipeline: Pipeline, rows: ModelInput) -> None:
    """Refuse an estimator that was fitted on missing values: ONNX sends them the other way."""
    before = pipeline[:-1]
    seen: Any = before.transform(rows) if len(before) else rows
    values = seen.toarray() if scipy.sparse.issparse(seen) else np.asarray(seen)
    if values.dtype.kind == "f" and np.isnan(values).any():
        name = type(pipeline.steps[-1][1]).__name__
        raise ExportUnsupported(
            f"trainer.sklearn.preprocessing: {name} would learn from missing values, and answers "
            "wrongly on them once exported to ONNX; use preprocessing: Auto, or put an imputer "
            "before it"
        )
