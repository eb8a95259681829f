"""Reference histograms: what the columns and answers looked like when the model was made.

Drift is the distance of live traffic from this. Numbers are counted between deciles of the training
rows, so that every bin holds as much as it can; categories are counted by name.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from regnant.artifacts.canonical import canonical_json
from regnant.training.preprocessing import Plan

BINS: Final = 10
OTHER: Final = "other"


def profile_json(plan: Plan, train: pd.DataFrame, predictions: NDArray[np.generic]) -> bytes:
    """Describe the training rows, and the model's answers on the held-out rows."""
    columns = {
        column.name: _numbers(train[column.name].to_numpy(dtype=np.float64))
        if column.numeric
        else _categories(train[column.name], plan.categories[column.name])
        for column in plan.layout.columns
    }
    if predictions.dtype.kind == "f":
        answers = _numbers(predictions.astype(np.float64))
    else:
        text = pd.Series(predictions).astype(str)
        answers = _categories(text, sorted(text.unique()))
    return canonical_json({"rows": len(train), "columns": columns, "prediction": answers})


def _numbers(values: NDArray[np.float64]) -> dict[str, object]:
    present = values[np.isfinite(values)]
    if not len(present):
        return {"kind": "numeric", "edges": [], "counts": [], "missing": len(values)}
    edges = np.unique(np.quantile(present, np.linspace(0.0, 1.0, BINS + 1)))
    inner = edges[1:-1]
    counts = np.bincount(np.searchsorted(inner, present, side="right"), minlength=len(inner) + 1)
    return {
        "kind": "numeric",
        "edges": inner.tolist(),
        "counts": counts.tolist(),
        "missing": len(values) - len(present),
        "minimum": float(present.min()),
        "maximum": float(present.max()),
        "mean": float(present.mean()),
    }


def _categories(values: pd.Series[str], known: list[str]) -> dict[str, object]:
    counts = values.value_counts()
    named = {name: int(counts.get(name, 0)) for name in known}
    return {"kind": "categorical", "counts": named, OTHER: len(values) - sum(named.values())}
