"""The model in ONNX Runtime, opened the same way by everyone who is measured.

It runs in the environments of the peers, so it knows nothing but ONNX Runtime. One thread, as each
has one core, and no spinning, which would only take the core from the rest of the server.
"""

from __future__ import annotations

import os
from typing import Any

import onnxruntime as ort

MODEL_NAME = "churn"
INPUT, LABEL, PROBABILITIES = "features", "label", "probabilities"
FILE_VARIABLE, PORT_VARIABLE = "BENCH_MODEL", "BENCH_PORT"


def open_session(path: str | None = None) -> Any:
    """The model of a file, or of the one that the environment names."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    chosen = path or os.environ[FILE_VARIABLE]
    return ort.InferenceSession(chosen, options, providers=["CPUExecutionProvider"])
