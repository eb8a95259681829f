"""Which rows are tested on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from regnant.api.training_pipeline import Split
from regnant.training.columns import FeatureColumn
from regnant.training.dataset import Dataset
from regnant.training.splits import SplitRows, split_rows
from regnant.training.target import Target

ROWS = 100


def dataset(by: pd.Series[Any] | None = None, *, regression: bool = False) -> Dataset:
    frame = pd.DataFrame({"x": np.arange(ROWS, dtype=float)})
    values: Any = np.arange(ROWS, dtype=float)
    if not regression:
        values = np.array(
            ["rare" if row % 10 == 0 else "usual" for row in range(ROWS)], dtype=object
        )
    target = Target("y", values, None if regression else ("rare", "usual"))
    return Dataset(frame, (FeatureColumn("x", "Float"),), target, by, "sha256:0")


def split(data: Dataset, **fields: Any) -> SplitRows:
    return split_rows(data, Split.model_validate(fields))


@pytest.mark.parametrize("method", ["Auto", "Random", "Stratified"])
@pytest.mark.parametrize("regression", [True, False])
def test_every_row_is_on_one_side(method: str, regression: bool) -> None:
    sides = split(dataset(regression=regression), method=method, testFraction="0.3")
    assert sorted([*sides.train, *sides.test]) == list(range(ROWS))
    assert len(sides.test) == 30


def test_a_seed_is_a_split() -> None:
    first, same, other = (split(dataset(), seed=seed) for seed in (1, 1, 2))
    assert first.digests() == same.digests()
    assert first.digests() != other.digests()
    assert set(first.digests()) == {"train", "test"}
    assert len(set(first.digests().values())) == 2


def test_auto_keeps_the_share_of_every_class() -> None:
    data = dataset()
    sides = split(data, testFraction="0.2")
    assert sides.method == "Stratified"
    assert (data.target.values[sides.test] == "rare").sum() == 2


def test_auto_is_random_for_a_regression() -> None:
    assert split(dataset(regression=True)).method == "Random"


def test_a_stratified_regression_tests_on_all_of_its_range() -> None:
    data = dataset(regression=True)
    sides = split(data, method="Stratified", testFraction="0.2")
    tested = data.target.values[sides.test].astype(float)
    assert [int(((tested >= low) & (tested < low + 10)).sum()) for low in range(0, 100, 10)] == [
        2
    ] * 10


def test_a_group_is_never_on_both_sides() -> None:
    groups = pd.Series([f"g{row // 7}" for row in range(ROWS)])
    sides = split(dataset(groups), method="Group", column="g", testFraction="0.3")
    assert not set(groups[sides.train]) & set(groups[sides.test])
    assert 20 <= len(sides.test) <= 40


@pytest.mark.parametrize(
    "times",
    [
        pd.Series(range(ROWS, 0, -1)),
        pd.Series([f"{2099 - row // 2}-01-01" for row in range(ROWS)]),
    ],
)
def test_a_time_split_tests_on_the_latest_and_parts_no_instant(times: pd.Series[Any]) -> None:
    sides = split(dataset(times), method="Time", column="t", testFraction="0.2")
    assert max(times[sides.train]) < min(times[sides.test])
    assert len(sides.test) == 20


def test_rows_of_one_instant_stay_together() -> None:
    times = pd.Series([0] * 70 + [1] * 30)
    sides = split(dataset(times), method="Time", column="t", testFraction="0.2")
    assert len(sides.test) == 30
