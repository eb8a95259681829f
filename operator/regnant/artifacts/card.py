"""The sections of a model card that follow from the signature, whoever made the model.

What a model is worth and where it comes from is told by whoever knows: the trainer, or the person
that brings a model along.
"""

from __future__ import annotations

import json
from math import prod
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from regnant.artifacts.signature import Signature, Tensor

COLUMNS_SHOWN: Final = 100
TENSORS_SHOWN: Final = 16
ELEMENTS_SHOWN: Final = 64


def interface_section(signature: Signature) -> str:
    """Describe tensors, classes and columns."""
    inputs = ", ".join(_tensor(tensor) for tensor in signature.inputs[:TENSORS_SHOWN])
    outputs = ", ".join(_tensor(tensor) for tensor in signature.outputs)
    classes = (
        f"\n\nClasses, in the order of the probabilities: "
        f"{', '.join(f'`{label}`' for label in signature.classes)}"
        if signature.classes
        else ""
    )
    return f"Inputs: {inputs}\n\nOutputs: {outputs}{classes}\n\n{_columns(signature)}".strip()


def request_section(signature: Signature) -> str:
    """Show a request of one row."""
    body = json.dumps({"inputs": [_question(tensor) for tensor in signature.inputs]})
    return (
        "Open Inference Protocol V2, a missing number as null and a missing category as an empty "
        f"text:\n\n```\nPOST /v2/models/{signature.model_name}/infer\n\n{body}\n```"
    )


def _tensor(tensor: Tensor) -> str:
    return f"`{tensor.name}` {tensor.datatype} {list(tensor.shape)}"


def _columns(signature: Signature) -> str:
    if not signature.columns:
        return ""
    lines = ["| column | type | tensor | position |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {column.name} | {column.type} | {column.tensor} | {column.index} |"
        for column in signature.columns[:COLUMNS_SHOWN]
    ]
    if len(signature.columns) > COLUMNS_SHOWN:
        lines.append(f"| ... and {len(signature.columns) - COLUMNS_SHOWN} more | | | |")
    return "\n".join(lines)


def _question(tensor: Tensor) -> dict[str, object]:
    """One row of a tensor, whose values are left out where they are many."""
    shape = [1 if size == -1 else size for size in tensor.shape]
    value: object = {"BYTES": "...", "BOOL": False}.get(tensor.datatype, 0.0)
    count = prod(shape)
    data = [value] * count if count <= ELEMENTS_SHOWN else [value, "..."]
    return {"name": tensor.name, "datatype": tensor.datatype, "shape": shape, "data": data}
