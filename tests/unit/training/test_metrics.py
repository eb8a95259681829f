"""Every metric against scikit-learn's own, and intervals that mean something."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn import metrics as reference

from regnant.training.errors import InvalidParameter, MetricUnknown
from regnant.training.metrics import (
    CLASSIFICATION,
    REGRESSION,
    Numbers,
    Scored,
    default_names,
    evaluate,
)

ROWS = 157
Reference = Callable[..., float]


def scored_classes(count: int) -> Scored:
    random = np.random.default_rng(count)
    truth = random.integers(0, count, ROWS).astype(float)
    raw = random.random((ROWS, count)) + 0.7 * np.eye(count)[truth.astype(int)]
    probabilities = np.round(raw / raw.sum(axis=1, keepdims=True), 2)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    answer = probabilities.argmax(axis=1).astype(float)
    return Scored(truth, answer, classes=count, probabilities=probabilities)


def scored_numbers() -> Scored:
    random = np.random.default_rng(0)
    truth = random.normal(10.0, 3.0, ROWS)
    return Scored(truth, truth + random.normal(0.0, 1.0, ROWS))


def value(scored: Scored, name: str) -> float:
    (metric,) = evaluate(scored, [name], confidence=0.95, seed=0)
    return metric.value


LABEL_METRICS: dict[str, Reference] = {
    "accuracy": reference.accuracy_score,
    "balanced_accuracy": reference.balanced_accuracy_score,
}
AVERAGED: dict[str, Reference] = {
    "f1": reference.f1_score,
    "precision": reference.precision_score,
    "recall": reference.recall_score,
}


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_label_metrics_are_scikit_learns(classes: int) -> None:
    scored = scored_classes(classes)
    average = "binary" if classes == 2 else "macro"
    for name, function in LABEL_METRICS.items():
        assert value(scored, name) == pytest.approx(function(scored.truth, scored.answer))
    for name, function in AVERAGED.items():
        expected = function(scored.truth, scored.answer, average=average)
        assert value(scored, name) == pytest.approx(expected)


@pytest.mark.parametrize("classes", [2, 4])
def test_probability_metrics_are_scikit_learns(classes: int) -> None:
    scored = scored_classes(classes)
    probabilities = scored.probabilities
    assert probabilities is not None
    given = probabilities[:, 1] if classes == 2 else probabilities
    area = reference.roc_auc_score(scored.truth, given, multi_class="ovr")
    assert value(scored, "roc_auc") == pytest.approx(area)
    loss = reference.log_loss(scored.truth, probabilities)
    assert value(scored, "log_loss") == pytest.approx(loss)
    brier = reference.brier_score_loss(scored.truth, given)
    assert value(scored, "brier") == pytest.approx(brier)


def test_regression_metrics_are_scikit_learns() -> None:
    scored = scored_numbers()
    expected = {
        "r2": reference.r2_score(scored.truth, scored.answer),
        "rmse": reference.root_mean_squared_error(scored.truth, scored.answer),
        "mae": reference.mean_absolute_error(scored.truth, scored.answer),
        "mape": reference.mean_absolute_percentage_error(scored.truth, scored.answer),
        "median_absolute_error": reference.median_absolute_error(scored.truth, scored.answer),
    }
    assert set(expected) == set(REGRESSION)
    for name, wanted in expected.items():
        assert value(scored, name) == pytest.approx(wanted)


@pytest.mark.parametrize("name", [*CLASSIFICATION, *REGRESSION])
def test_an_interval_holds_the_value_and_its_resamples(name: str) -> None:
    scored = scored_classes(3) if name in CLASSIFICATION else scored_numbers()
    (narrow,) = evaluate(scored, [name], confidence=0.5, seed=0)
    (wide,) = evaluate(scored, [name], confidence=0.99, seed=0)
    assert narrow.low is not None
    assert narrow.high is not None
    assert wide.low is not None
    assert wide.high is not None
    assert wide.low < narrow.low < narrow.high < wide.high
    assert wide.low <= wide.value <= wide.high


@pytest.mark.parametrize(("name", "draw"), [("roc_auc", 0), ("r2", 1), ("f1", 2)])
def test_a_weighted_row_counts_as_often_as_it_was_drawn(name: str, draw: int) -> None:
    scored = scored_classes(2) if name in CLASSIFICATION else scored_numbers()
    chosen = np.random.default_rng(draw).integers(0, ROWS, ROWS)
    weights = np.bincount(chosen, minlength=ROWS).astype(float)[None, :]
    probabilities = scored.probabilities

    def drawn(values: Numbers | None) -> Numbers | None:
        return None if values is None else values[chosen]

    repeated = Scored(
        scored.truth[chosen], scored.answer[chosen], scored.classes, drawn(probabilities)
    )
    measure = (CLASSIFICATION | REGRESSION)[name]
    assert measure(scored, weights)[0] == pytest.approx(value(repeated, name))


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    random = np.random.default_rng(7)
    covered = 0
    for seed in range(200):
        right = random.random(100) < 0.8
        scored = Scored(np.ones(100), right.astype(float), classes=2)
        (metric,) = evaluate(scored, ["accuracy"], confidence=0.9, seed=seed)
        assert metric.low is not None
        assert metric.high is not None
        covered += metric.low <= 0.8 <= metric.high
    assert 160 <= covered <= 200


def test_the_same_seed_gives_the_same_interval() -> None:
    scored = scored_numbers()
    first = evaluate(scored, ["r2"], confidence=0.95, seed=3)
    assert evaluate(scored, ["r2"], confidence=0.95, seed=3) == first
    assert evaluate(scored, ["r2"], confidence=0.95, seed=4) != first


def test_a_metric_that_is_undefined_is_not_reported() -> None:
    one_class = Scored(np.zeros(20), np.zeros(20), classes=2, probabilities=np.full((20, 2), 0.5))
    found = evaluate(one_class, ["roc_auc", "accuracy"], confidence=0.95, seed=0)
    assert [metric.name for metric in found] == ["accuracy"]


def test_scores_rank_where_there_are_no_probabilities() -> None:
    scored = scored_classes(2)
    assert scored.probabilities is not None
    ranked = Scored(scored.truth, scored.answer, classes=2, scores=scored.probabilities[:, 1])
    assert value(ranked, "roc_auc") == pytest.approx(value(scored, "roc_auc"))
    assert "roc_auc" in default_names(ranked)


def test_an_unknown_metric_is_named_with_the_nearest() -> None:
    with pytest.raises(MetricUnknown, match=r"'acuracy'.*did you mean 'accuracy'"):
        evaluate(scored_classes(2), ["acuracy"], confidence=0.95, seed=0)


def test_a_metric_without_what_it_needs_is_refused() -> None:
    labels_alone = Scored(np.array([0.0, 1.0]), np.array([0.0, 1.0]), classes=2)
    for name in ("roc_auc", "brier", "log_loss"):
        with pytest.raises(InvalidParameter, match=f"'{name}' needs probabilities"):
            evaluate(labels_alone, [name], confidence=0.95, seed=0)
    assert default_names(labels_alone) == ["accuracy", "balanced_accuracy", "f1"]
