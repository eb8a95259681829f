"""Golden rows: requests with the answers that were proven, replayed wherever the model starts.

They are spelled as requests and responses of the Open Inference Protocol. A missing number is null,
because JSON has no other word for it.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from regnant.artifacts.canonical import canonical_json
from regnant.artifacts.signature import Tensor
from regnant.training.layout import InputLayout
from regnant.training.parity import ProvenRows
from regnant.training.runtime import TOLERANCE

ROWS: Final = 1000
V2Value = str | int | float | bool | None


def golden_json(proven: ProvenRows, layout: InputLayout, outputs: tuple[Tensor, ...]) -> bytes:
    """Spell the first proven rows, which are of all kinds as the rows are shuffled.

    A row between two equal classes would fail on another machine for no fault, so it is left out,
    unless there is no other.
    """
    rows = (proven.decided if len(proven.decided) else np.arange(len(proven.frame)))[:ROWS]
    feeds = layout.feeds(proven.frame.iloc[rows])
    return canonical_json(
        {
            "inputs": [v2_tensor(tensor, feeds[tensor.name]) for tensor in layout.tensors()],
            "outputs": [v2_tensor(tensor, proven.answers[tensor.name][rows]) for tensor in outputs],
            "tolerance": TOLERANCE,
        }
    )


def v2_tensor(tensor: Tensor, values: NDArray[np.generic]) -> dict[str, object]:
    """Spell one tensor as the protocol does, row by row."""
    return {
        "name": tensor.name,
        "datatype": tensor.datatype,
        "shape": list(values.shape),
        "data": [_spelled(value) for value in values.ravel().tolist()],
    }


def _spelled(value: V2Value) -> V2Value:
    return None if isinstance(value, float) and np.isnan(value) else value
