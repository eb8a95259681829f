"""The gate that is always on: ONNX Runtime must answer as scikit-learn does.

Labels must be equal, except where scikit-learn itself is undecided between two classes by less than
the tolerance. Scores may differ by the tolerance: absolutely for probabilities, relatively for a
regression. What fails is reported by its worst row, with both numbers, because "parity failed"
helps nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from regnant.api.training_pipeline import Parity
from regnant.training.errors import ParityFailed
from regnant.training.fitting import FittedModel
from regnant.training.layout import LABEL, PREDICTION, PROBABILITIES, InputLayout
from regnant.training.probing import Sides, probe_rows
from regnant.training.result import ParityReport
from regnant.training.runtime import open_session
from regnant.training.wording import first_line, shown

VALUES_SHOWN: Final = 6
Answers = dict[str, NDArray[np.generic]]


@dataclass(frozen=True)
class ProvenRows:
    """Rows on which both models agree, with the answers of ONNX Runtime.

    `decided` are the rows whose label does not hang on the order in which floats are added: between
    two equal classes, ONNX Runtime chooses by its number of threads and the size of the batch.
    """

    frame: pd.DataFrame
    answers: Answers
    report: ParityReport
    decided: NDArray[np.intp]


def prove_parity(
    model: FittedModel,
    layout: InputLayout,
    content: bytes,
    sides: Sides,
    *,
    parity: Parity,
    seed: int,
    missing: bool,
) -> ProvenRows:
    """Ask both models the same rows, and refuse the export if they disagree."""

    def probing(*, beyond: bool) -> pd.DataFrame:
        return probe_rows(layout, sides, parity.rows, seed=seed, missing=missing, beyond=beyond)

    frame, expected = _askable_rows(model, layout, probing)
    names = [LABEL, PROBABILITIES] if model.has_probabilities else [LABEL]
    wanted = names if model.classes is not None else [PREDICTION]
    try:
        values = open_session(content).run(wanted, layout.feeds(frame))
    except Exception as error:
        raise ParityFailed(
            f"parity: ONNX Runtime fails on rows that scikit-learn answers: {first_line(error)}; "
            "choose another estimator or parameters"
        ) from error
    answers = dict(zip(wanted, (np.asarray(value) for value in values), strict=True))
    report = compare(expected, answers, float(parity.tolerance), frame)
    decided = np.flatnonzero(_decided(answers, float(parity.tolerance), len(frame)))
    return ProvenRows(frame, answers, report, decided)


def _askable_rows(
    model: FittedModel,
    layout: InputLayout,
    probing: Callable[..., pd.DataFrame],
) -> tuple[pd.DataFrame, Answers]:
    """Make rows that scikit-learn takes; some transformers refuse what lies beyond their data."""
    for beyond in (True, False):
        frame = probing(beyond=beyond)
        try:
            expected = _ask(model, layout, frame)
        except Exception as error:
            if beyond:
                continue
            raise ParityFailed(
                f"scikit-learn refuses rows like those it was trained on: {error}"
            ) from error
        if all(_finite(values) for values in expected.values()):
            return frame, expected
    raise ParityFailed(
        "the trained model answers with infinite or undefined numbers on rows like those it was "
        "trained on; choose another estimator or parameters"
    )


def _ask(model: FittedModel, layout: InputLayout, frame: pd.DataFrame) -> Answers:
    rows = layout.to_model(frame)
    if model.classes is None:
        return {PREDICTION: np.asarray(model.predict(rows), dtype=np.float64)}
    probabilities = model.probabilities(rows)
    scores = {} if probabilities is None else {PROBABILITIES: probabilities}
    return {LABEL: model.predict(rows), **scores}


def _finite(values: NDArray[np.generic]) -> bool:
    return values.dtype.kind != "f" or bool(np.isfinite(values.astype(np.float64)).all())


def compare(
    expected: Answers, answers: Answers, tolerance: float, frame: pd.DataFrame
) -> ParityReport:
    """Measure the distance between two models' answers, or raise with the worst row."""
    differences = np.zeros(len(frame))
    scored = next((name for name in (PROBABILITIES, PREDICTION) if name in expected), None)
    if scored:
        left = np.asarray(expected[scored], dtype=np.float64)
        right = np.asarray(answers[scored], dtype=np.float64)
        if left.shape != right.shape:
            raise ParityFailed(f"{scored}: ONNX gives shape {right.shape}, not {left.shape}")
        scale = 1.0 if scored == PROBABILITIES else np.maximum(1.0, np.abs(left))
        apart = np.nan_to_num(np.abs(left - right) / scale, nan=np.inf)
        differences = apart if apart.ndim == 1 else apart.max(axis=1)
    worst = int(differences.argmax())
    if scored and differences[worst] > tolerance:
        off = int((differences > tolerance).sum())
        raise ParityFailed(
            f"parity.tolerance: ONNX Runtime differs from scikit-learn by {differences[worst]:.3g} "
            f"(allowed {tolerance:g}) in {off} of {len(frame)} rows; worst: {_row(frame, worst)}: "
            f"scikit-learn {_show(expected[scored][worst])}, ONNX {_show(answers[scored][worst])}; "
            "choose another estimator or parameters"
        )
    flips = _flips(expected, answers, tolerance)
    if len(flips):
        first = int(flips[0])
        raise ParityFailed(
            f"parity: ONNX Runtime flips the label of {len(flips)} of {len(frame)} rows; first: "
            f"{_row(frame, first)}: scikit-learn {shown(expected[LABEL][first])}, "
            f"ONNX {shown(answers[LABEL][first])}; choose another estimator or parameters"
        )
    return ParityReport(len(frame), float(differences[worst]), 0)


def _flips(expected: Answers, answers: Answers, tolerance: float) -> NDArray[np.intp]:
    if LABEL not in expected:
        return np.array([], dtype=np.intp)
    flipped = expected[LABEL].astype(str) != answers[LABEL].astype(str)
    return np.flatnonzero(flipped & _decided(expected, tolerance, len(flipped)))


def _decided(answers: Answers, tolerance: float, rows: int) -> NDArray[np.bool_]:
    """Tell which rows have one class ahead of all others by more than the tolerance."""
    if PROBABILITIES not in answers:
        return np.ones(rows, dtype=np.bool_)
    top = np.sort(np.asarray(answers[PROBABILITIES], dtype=np.float64), axis=1)
    return np.asarray(top[:, -1] - top[:, -2] > tolerance)


def _row(frame: pd.DataFrame, index: int) -> str:
    values = [f"{name}={value!r}" for name, value in frame.iloc[index].items()]
    more = " ..." if len(values) > VALUES_SHOWN else ""
    return f"row {index} ({', '.join(values[:VALUES_SHOWN])}{more})"


def _show(values: object) -> str:
    return np.array2string(np.asarray(values), precision=7, threshold=VALUES_SHOWN)
