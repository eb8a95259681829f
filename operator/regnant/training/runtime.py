"""ONNX Runtime as Regnant uses it, and its types in the protocol's words and in numpy's.

It needs neither scikit-learn nor skl2onnx, so a model that somebody else made is replayed without
loading them.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import onnxruntime

from regnant.artifacts.signature import Datatype, Tensor

TOLERANCE: Final = {"absolute": 1e-5, "relative": 1e-4}
DATATYPES: Final[dict[str, Datatype]] = {
    "tensor(bool)": "BOOL",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
}


DTYPES: Final[dict[Datatype, type[np.generic]]] = {
    "BOOL": np.bool_,
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
    "BYTES": np.object_,
}


def open_session(content: bytes) -> onnxruntime.InferenceSession:
    """Open a session on one thread, whose sums do not depend on the machine's number of cores."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def tensors_of(arguments: list[Any]) -> tuple[Tensor, ...]:
    """Describe a session's inputs or outputs; a dimension without a number is the batch.

    Raises:
        ValueError: one is no tensor, such as the list of maps that skl2onnx makes by default.
    """
    for argument in arguments:
        if argument.type not in DATATYPES:
            raise ValueError(f"{argument.name} is {argument.type}, not a tensor")
    return tuple(
        Tensor(
            name=argument.name,
            datatype=DATATYPES[argument.type],
            shape=tuple(size if isinstance(size, int) else -1 for size in argument.shape),
        )
        for argument in arguments
    )
