"""What an inference takes, measured at the start with the golden rows.

By it the executor decides what may run on the event loop, and the batcher how much runs at once.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from regnant.serving.golden import GoldenRows
    from regnant.serving.model import Model

SHORT_SECONDS: Final = 0.001
"""What may hold up the event loop; handing less than that to a thread costs more than it takes."""
_TRIES = 5
_MANY = 64
_PATIENCE = 2


@dataclass(frozen=True, slots=True)
class Cost:
    """What an inference takes: so many seconds, and so many more a row."""

    first: float
    row: float

    def of(self, rows: int) -> float:
        """Estimate the seconds that a batch takes."""
        return self.first + self.row * max(0, rows - 1)

    def is_short(self, rows: int) -> bool:
        """Whether it may run on the event loop."""
        return self.of(rows) <= SHORT_SECONDS

    def rows_beside(self, rows: int) -> float:
        """How many rows may be computed together with a request of so many, that one's included.

        Together they take at most twice what it takes alone, or a time that nobody notices:
        sharing the cost of a call is worth waiting for, waiting for others' rows is not.
        """
        seconds = max(SHORT_SECONDS, _PATIENCE * self.of(rows))
        return 1 + (seconds - self.first) / self.row if self.row else float("inf")


def measure(model: Model, golden: GoldenRows) -> Cost:
    """Time one row and some; call it once the session is warm."""
    one = golden.select(golden.evenly_spaced(1))
    many = golden.select(golden.evenly_spaced(_MANY))
    first = _seconds(model, one)
    row = max(0.0, _seconds(model, many) - first) / max(1, many.count - 1)
    return Cost(first, row)


def _seconds(model: Model, golden: GoldenRows) -> float:
    """Return the median of some tries."""
    names = tuple(golden.outputs)
    spent = []
    for _ in range(_TRIES):
        started = time.perf_counter()
        model.run(golden.inputs, names)
        spent.append(time.perf_counter() - started)
    return median(spent)
