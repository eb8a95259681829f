"""Which rows are tested on: decided once, seeded, and named by digests.

The digest of a side is taken of its row numbers in order, so that two versions can be seen to have
been judged on the same rows.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import GroupShuffleSplit, train_test_split

from regnant.api.training_pipeline import Split
from regnant.training.dataset import Dataset
from regnant.training.errors import DataMalformed, TooFewRows
from regnant.training.wording import shown

MIN_ROWS: Final = 10
MIN_ROWS_A_SIDE: Final = 2
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class SplitRows:
    """The row numbers of both sides, ascending."""

    method: str
    train: Rows
    test: Rows

    def digests(self) -> dict[str, str]:
        """Name both sides."""
        return {"train": _digest(self.train), "test": _digest(self.test)}


def split_rows(dataset: Dataset, split: Split) -> SplitRows:
    """Split as the spec says."""
    if dataset.rows < MIN_ROWS:
        raise TooFewRows(
            f"data: {dataset.rows} rows are too few to train and test on; bring at least {MIN_ROWS}"
        )
    classification = dataset.target.classes is not None
    method = split.method
    if method == "Auto":
        method = "Stratified" if classification else "Random"
    fraction = float(split.test_fraction)
    everything = np.arange(dataset.rows, dtype=np.int64)
    match method:
        case "Group":
            train, test = _by_group(dataset, fraction, split.seed)
        case "Time":
            train, test = _by_time(dataset, fraction)
        case "Stratified":
            labels = dataset.target.values if classification else _quantiles(dataset)
            _check_strata(dataset, labels, fraction)
            train, test = train_test_split(
                everything, test_size=fraction, random_state=split.seed, stratify=labels
            )
        case _:
            train, test = train_test_split(everything, test_size=fraction, random_state=split.seed)
    result = SplitRows(method, np.sort(train), np.sort(test))
    _check_sides(dataset, result)
    return result


def _by_group(dataset: Dataset, fraction: float, seed: int) -> tuple[Rows, Rows]:
    """Keep rows that share a value together."""
    assert dataset.split_values is not None  # noqa: S101 - read_dataset refuses it
    groups = pd.factorize(dataset.split_values)[0]
    count = int(groups.max()) + 1
    if count < MIN_ROWS_A_SIDE:
        raise TooFewRows(
            f"data.split.column: all rows are of one group {shown(dataset.split_values.iloc[0])}; "
            "a Group split needs two or more"
        )
    splitter = GroupShuffleSplit(n_splits=1, test_size=fraction, random_state=seed)
    train, test = next(splitter.split(groups, groups=groups))
    return train, test


def _by_time(dataset: Dataset, fraction: float) -> tuple[Rows, Rows]:
    """Test on the latest rows; rows of the same instant stay on the same side."""
    assert dataset.split_values is not None  # noqa: S101 - read_dataset refuses it
    values = dataset.split_values
    if not pd.api.types.is_numeric_dtype(values):
        try:
            values = pd.to_datetime(values, utc=True, format="ISO8601")
        except (ValueError, TypeError) as error:
            raise DataMalformed(
                f"data.split.column: {values.name!r} holds {shown(values.iloc[0])} and others that "
                "are neither numbers nor ISO 8601 times; correct them or split another way"
            ) from error
    order = np.argsort(values.to_numpy(), kind="stable").astype(np.int64)
    cut = dataset.rows - max(1, round(dataset.rows * fraction))
    first_tested = values.iloc[order[cut]]
    late = (values >= first_tested).to_numpy()
    return np.flatnonzero(~late), np.flatnonzero(late)


def _quantiles(dataset: Dataset) -> NDArray[np.generic]:
    """Give a regression strata: ten bands of the target with equally many rows."""
    ranks = pd.Series(dataset.target.values).rank(method="first")
    bands = min(10, dataset.rows // 5)
    return pd.qcut(ranks, bands, labels=False).to_numpy()


def _check_strata(dataset: Dataset, labels: NDArray[np.generic], fraction: float) -> None:
    values, counts = np.unique(labels, return_counts=True)
    smallest = int(counts.argmin())
    if counts[smallest] < MIN_ROWS_A_SIDE:
        raise TooFewRows(
            f"data.target: class {shown(values[smallest])} has {counts[smallest]} row; a "
            f"Stratified split needs at least {MIN_ROWS_A_SIDE} of each class, bring more rows or "
            "exclude it"
        )
    tested = int(np.ceil(dataset.rows * fraction))
    if min(tested, dataset.rows - tested) < len(values):
        raise TooFewRows(
            f"data: {dataset.rows} rows are too few for {len(values)} classes on both sides of the "
            "split; bring more rows or raise data.split.testFraction"
        )


def _check_sides(dataset: Dataset, split: SplitRows) -> None:
    if min(len(split.train), len(split.test)) < MIN_ROWS_A_SIDE:
        raise TooFewRows(
            f"data.split: {split.method} leaves {len(split.train)} rows to train and "
            f"{len(split.test)} to test; change data.split.testFraction or bring more rows"
        )
    if dataset.target.classes is None:
        return
    trained = np.unique(dataset.target.values[split.train])
    if len(trained) < MIN_ROWS_A_SIDE:
        raise TooFewRows(
            f"data.split: {split.method} leaves one class {shown(trained[0])} to train on; "
            "choose another method or bring more rows"
        )
    unseen = sorted(set(np.unique(dataset.target.values[split.test])) - set(trained), key=str)
    if unseen:
        raise TooFewRows(
            f"data.split: {split.method} leaves no row of class {shown(unseen[0])} to train on; "
            "choose another method or bring more rows"
        )


def _digest(rows: Rows) -> str:
    return f"sha256:{hashlib.sha256(rows.astype('<i8').tobytes()).hexdigest()}"
