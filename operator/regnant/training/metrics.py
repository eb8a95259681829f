"""Metrics on the held-out rows, each with a confidence interval.

The interval is a percentile bootstrap: the held-out rows are drawn again with replacement, 1,000
times, seeded, and the metric is computed on each draw. A draw is a vector of how often each row
occurs, so every metric is written once, for weighted rows, and the value itself is the case where
every weight is one. A draw on which a metric is undefined is left out. A metric that is undefined
on the rows themselves is not reported: a number that is not one helps no gate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from regnant.training.errors import InvalidParameter, MetricUnknown
from regnant.training.wording import suggest

DRAWS: Final = 1000
MIN_DEFINED_DRAWS: Final = 500
BLOCK_CELLS: Final = 4_000_000
Numbers = NDArray[np.float64]
Measure = Callable[["Scored", Numbers], Numbers]


@dataclass(frozen=True)
class Metric:
    """One metric with its interval; the interval may be undefined where the value is not."""

    name: str
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Scored:
    """Held-out rows with what is true and what was answered; classes are their positions."""

    truth: Numbers
    answer: Numbers
    classes: int = 0
    probabilities: Numbers | None = None
    scores: Numbers | None = None


def evaluate(scored: Scored, names: Sequence[str], *, confidence: float, seed: int) -> list[Metric]:
    """Compute metrics by name, in the order given."""
    measures = [(name, _measure(scored, name)) for name in names]
    with np.errstate(divide="ignore", invalid="ignore"):
        ones = np.ones((1, len(scored.truth)))
        values = {name: float(measure(scored, ones)[0]) for name, measure in measures}
        drawn: dict[str, list[Numbers]] = {name: [] for name, _ in measures}
        for weights in _draws(len(scored.truth), seed):
            for name, measure in measures:
                drawn[name].append(measure(scored, weights))
    return [
        _with_interval(name, values[name], np.concatenate(drawn[name]), confidence)
        for name, _ in measures
        if np.isfinite(values[name])
    ]


def default_names(scored: Scored) -> list[str]:
    """Return the metrics that are usual for the task and that the estimator can answer."""
    if not scored.classes:
        return ["r2", "rmse", "mae"]
    names = ["accuracy", "balanced_accuracy", "f1"]
    if scored.probabilities is not None:
        return [*names, "roc_auc", "log_loss"]
    return [*names, "roc_auc"] if scored.scores is not None else names


def _draws(rows: int, seed: int) -> Iterator[Numbers]:
    """Draw in blocks that fit into memory, whatever the number of rows."""
    random = np.random.default_rng(seed)
    block = max(1, min(DRAWS, BLOCK_CELLS // rows))
    for start in range(0, DRAWS, block):
        size = min(block, DRAWS - start)
        chosen = random.integers(0, rows, (size, rows))
        yield np.stack([np.bincount(draw, minlength=rows) for draw in chosen]).astype(np.float64)


def _with_interval(name: str, value: float, drawn: Numbers, confidence: float) -> Metric:
    defined = drawn[np.isfinite(drawn)]
    if len(defined) < MIN_DEFINED_DRAWS:
        return Metric(name, value, None, None)
    edge = (1.0 - confidence) / 2.0
    low, high = np.quantile(defined, [edge, 1.0 - edge])
    return Metric(name, value, float(low), float(high))


def _measure(scored: Scored, name: str) -> Measure:
    known = CLASSIFICATION if scored.classes else REGRESSION
    if name not in known:
        task = "Classification" if scored.classes else "Regression"
        raise MetricUnknown(
            f"evaluation.metrics: {name!r} is no metric of {task}{suggest(name, known)}; there are "
            f"{', '.join(sorted(known))}"
        )
    ranked = scored.probabilities is not None or scored.scores is not None
    if (name in PROBABILISTIC and scored.probabilities is None) or (
        name == "roc_auc" and not ranked
    ):
        raise InvalidParameter(
            f"evaluation.metrics: {name!r} needs probabilities, and this estimator gives none; "
            "choose another metric or estimator"
        )
    return known[name]


def _mean(values: Numbers, weights: Numbers) -> Numbers:
    result: Numbers = weights @ values / weights.sum(axis=1)
    return result


def _confusion(scored: Scored, weights: Numbers) -> Numbers:
    """Count (draw, true class, answered class)."""
    size = scored.classes
    cells = (scored.truth * size + scored.answer).astype(np.int64)
    counts = [np.bincount(cells, weights=draw, minlength=size * size) for draw in weights]
    stacked: Numbers = np.stack(counts).astype(np.float64).reshape(-1, size, size)
    return stacked


def _accuracy(scored: Scored, weights: Numbers) -> Numbers:
    return _mean((scored.truth == scored.answer).astype(np.float64), weights)


def _balanced_accuracy(scored: Scored, weights: Numbers) -> Numbers:
    confusion = _confusion(scored, weights)
    recalls = np.diagonal(confusion, axis1=1, axis2=2) / confusion.sum(axis=2)
    result: Numbers = np.nanmean(recalls, axis=1)
    return result


def _averaged(
    scored: Scored, weights: Numbers, formula: Callable[[Numbers, Numbers, Numbers], Numbers]
) -> Numbers:
    """Apply a formula a class: the second class counts of two, the plain mean of more."""
    confusion = _confusion(scored, weights)
    right = np.diagonal(confusion, axis1=1, axis2=2)
    true, answered = confusion.sum(axis=2), confusion.sum(axis=1)
    values = np.nan_to_num(formula(right, true, answered))
    if scored.classes == 2:  # noqa: PLR2004 - binary
        return values[:, 1]
    present = (true + answered) > 0
    result: Numbers = (values * present).sum(axis=1) / present.sum(axis=1)
    return result


def _f1(scored: Scored, weights: Numbers) -> Numbers:
    return _averaged(scored, weights, lambda right, true, answered: 2 * right / (true + answered))


def _precision(scored: Scored, weights: Numbers) -> Numbers:
    return _averaged(scored, weights, lambda right, _, answered: right / answered)


def _recall(scored: Scored, weights: Numbers) -> Numbers:
    return _averaged(scored, weights, lambda right, true, _: right / true)


def _roc_auc(scored: Scored, weights: Numbers) -> Numbers:
    """Of two classes, or the mean of each class against the rest."""
    if scored.classes == 2:  # noqa: PLR2004 - binary
        scores = scored.scores if scored.probabilities is None else scored.probabilities[:, 1]
        return _auc(scored.truth == 1, np.asarray(scores), weights)
    assert scored.probabilities is not None  # noqa: S101 - _measure refuses it
    each = [
        _auc(scored.truth == index, scored.probabilities[:, index], weights)
        for index in range(scored.classes)
    ]
    result: Numbers = np.mean(each, axis=0)
    return result


def _auc(positive: NDArray[np.bool_], scores: Numbers, weights: Numbers) -> Numbers:
    """Count the pairs that are ranked rightly, ties for half."""
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=np.nan) != 0)
    ordered = weights[:, order]
    yes = np.add.reduceat(ordered * positive[order], starts, axis=1)
    no = np.add.reduceat(ordered * ~positive[order], starts, axis=1)
    below = np.cumsum(no, axis=1) - no
    pairs: Numbers = (yes * (below + no / 2)).sum(axis=1) / (yes.sum(axis=1) * no.sum(axis=1))
    return pairs


def _log_loss(scored: Scored, weights: Numbers) -> Numbers:
    assert scored.probabilities is not None  # noqa: S101 - _measure refuses it
    tiny = np.finfo(np.float64).eps
    rows = np.arange(len(scored.truth))
    given = scored.probabilities[rows, scored.truth.astype(np.int64)]
    return _mean(-np.log(np.clip(given, tiny, 1 - tiny)), weights)


def _brier(scored: Scored, weights: Numbers) -> Numbers:
    """Squared distance from certainty: of the second class of two, summed over more."""
    assert scored.probabilities is not None  # noqa: S101 - _measure refuses it
    certain = np.eye(scored.classes)[scored.truth.astype(np.int64)]
    squares = (scored.probabilities - certain) ** 2
    two = scored.classes == 2  # noqa: PLR2004 - binary
    return _mean(squares[:, 1] if two else squares.sum(axis=1), weights)


def _errors(scored: Scored) -> Numbers:
    return np.abs(scored.truth - scored.answer)


def _r2(scored: Scored, weights: Numbers) -> Numbers:
    centred = scored.truth - scored.truth.mean()
    variance = _mean(centred**2, weights) - _mean(centred, weights) ** 2
    result: Numbers = 1 - _mean(_errors(scored) ** 2, weights) / variance
    return result


def _rmse(scored: Scored, weights: Numbers) -> Numbers:
    result: Numbers = np.sqrt(_mean(_errors(scored) ** 2, weights))
    return result


def _mae(scored: Scored, weights: Numbers) -> Numbers:
    return _mean(_errors(scored), weights)


def _mape(scored: Scored, weights: Numbers) -> Numbers:
    tiny = np.finfo(np.float64).eps
    return _mean(_errors(scored) / np.maximum(np.abs(scored.truth), tiny), weights)


def _median_absolute_error(scored: Scored, weights: Numbers) -> Numbers:
    errors = np.sort(_errors(scored))
    order = np.argsort(_errors(scored), kind="stable")
    passed = np.cumsum(weights[:, order], axis=1)
    rows = len(errors)
    lower = np.argmax(passed > (rows - 1) // 2, axis=1)
    upper = np.argmax(passed > rows // 2, axis=1)
    result: Numbers = (errors[lower] + errors[upper]) / 2
    return result


CLASSIFICATION: Final[dict[str, Measure]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "brier": _brier,
    "f1": _f1,
    "log_loss": _log_loss,
    "precision": _precision,
    "recall": _recall,
    "roc_auc": _roc_auc,
}
REGRESSION: Final[dict[str, Measure]] = {
    "mae": _mae,
    "mape": _mape,
    "median_absolute_error": _median_absolute_error,
    "r2": _r2,
    "rmse": _rmse,
}
PROBABILISTIC: Final = frozenset({"log_loss", "brier"})
