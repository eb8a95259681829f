"""ONNX Runtime and nothing else: how many runs a second one thread makes.

`python -m e2e.bench.serving.bare MODEL BATCHES SECONDS`; the batches are a file of numpy's, and as
different as those that servers get: with the same rows each time, a processor knows the branches
of a forest by heart.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import cycle

import numpy as np

from e2e.bench.serving.peers.onnx_session import INPUT, LABEL, PROBABILITIES, open_session

_UNLOOKED = 20
"""The clock is read after so many runs."""


def main(model: str, file: str, seconds: float) -> None:
    """Run for a tenth of the time, then for the time; print the runs a second and a run's CPU."""
    session = open_session(model)
    batches = cycle({INPUT: batch} for batch in np.load(file))
    outputs = [LABEL, PROBABILITIES]
    found: dict[str, float] = {}
    for span in (seconds / 10, seconds):
        began, before, runs, took = time.perf_counter(), time.process_time(), 0, 0.0
        while took < span:
            for _ in range(_UNLOOKED):
                session.run(outputs, next(batches))
            runs += _UNLOOKED
            took = time.perf_counter() - began
        found = {"perSecond": runs / took, "cpu": (time.process_time() - before) / runs * 1e6}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
