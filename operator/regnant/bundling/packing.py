"""From what was proved to the bundle's files: signature, golden rows and card.

Nothing is guessed that would be told to users: columns and classes have names if names were given.
The task alone is taken from the outputs where they leave no doubt.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np
import orjson

from regnant.artifacts.bundle import Bundle
from regnant.artifacts.canonical import canonical_json
from regnant.artifacts.card import interface_section, request_section
from regnant.artifacts.signature import Column, Signature
from regnant.bundling.errors import MisusedError, NotServableError, OutOfReachError
from regnant.bundling.interface import tensors
from regnant.serving.scoring import scoring_of
from regnant.serving.tensors import encode_tensors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from regnant.artifacts.signature import ColumnType, Task
    from regnant.bundling.order import Order
    from regnant.bundling.parity import Proven
    from regnant.serving.datatypes import Interface, TensorSpec
    from regnant.serving.golden import GoldenRows

_RECORDED = ("numpy", "onnxruntime", "regnant")


def sign(order: Order, name: str, interface: Interface) -> Signature:
    """Say what the model takes and gives."""
    return Signature(
        task=order.task or _task_of(order, interface.outputs),
        model_name=name,
        inputs=tensors(interface.inputs),
        outputs=tensors(interface.outputs),
        columns=_columns(order.columns, interface),
        classes=_classes(order.classes, interface.outputs),
        lineage={"packages": {one: version(one) for one in _RECORDED}},
    )


def pack(order: Order, signature: Signature, model: bytes, proven: Proven) -> Bundle:
    """Put the files together."""
    return Bundle(
        model_name=signature.model_name,
        model=model,
        signature=signature.to_json(),
        golden=_golden(order, proven.golden),
        card=_card(order, signature, proven),
    )


def _task_of(order: Order, outputs: Mapping[str, TensorSpec]) -> Task:
    if order.classes or scoring_of("Classification", outputs).label:
        return "Classification"
    only = next(iter(outputs.values()))
    is_number = len(outputs) == 1 and only.datatype.is_float and only.width == 1
    return "Regression" if is_number else "Other"


def _columns(names: Sequence[str], interface: Interface) -> tuple[Column, ...]:
    """Give the values of a row their names, in the order of the inputs."""
    if not names:
        return ()
    if not interface.is_batched or not all(spec.width for spec in interface.inputs.values()):
        raise MisusedError("--columns: the inputs are not rows of columns; leave it out")
    places = [(spec, index) for spec in interface.inputs.values() for index in range(spec.width)]
    if len(names) != len(places) or len(set(names)) != len(names):
        raise MisusedError(
            f"--columns: {len(set(names))} different names for {len(places)} values a row; name "
            "each value once, in their order"
        )
    return tuple(
        Column(name=name, type=_column_type(spec), tensor=spec.name, index=index)
        for name, (spec, index) in zip(names, places, strict=True)
    )


def _column_type(spec: TensorSpec) -> ColumnType:
    if spec.datatype.is_text:
        return "String"
    if spec.datatype.is_float:
        return "Float"
    return "Boolean" if spec.datatype.name == "BOOL" else "Integer"


def _classes(
    names: Sequence[str], outputs: Mapping[str, TensorSpec]
) -> tuple[str | int, ...] | None:
    if not names:
        return None
    if not any(spec.datatype.is_float and spec.width == len(names) for spec in outputs.values()):
        raise MisusedError(
            f"--classes: no output has {len(names)} numbers a row; name each class once, in the "
            "order of the probabilities"
        )
    labels = [spec.datatype for spec in outputs.values() if not spec.datatype.is_float]
    whole = all(name.removeprefix("-").isdecimal() for name in names)
    if whole and labels and not any(one.is_text for one in labels):
        return tuple(int(name) for name in names)
    return tuple(names)


def _golden(order: Order, rows: GoldenRows) -> bytes:
    for name, array in rows.inputs.items():
        if array.dtype.kind == "f" and np.isinf(array).any():
            raise NotServableError(
                f'{order.golden}: tensor "{name}" holds an infinite number, which JSON has no word '
                "for; leave such rows out"
            )
    document = {
        "inputs": encode_tensors(rows.inputs, rows.interface.inputs),
        "outputs": encode_tensors(rows.outputs, rows.interface.outputs),
        "tolerance": {"absolute": rows.tolerance.absolute, "relative": rows.tolerance.relative},
    }
    plain = orjson.loads(orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY))
    return canonical_json(plain)


def _card(order: Order, signature: Signature, proven: Proven) -> bytes:
    if order.card is not None:
        try:
            return order.card.read_bytes()
        except OSError as error:
            raise OutOfReachError(f"--card: {order.card}: {error.strerror}") from error
    parts = [
        f"# {signature.model_name}",
        "A model that was made elsewhere and bundled by `regnant bundle`.",
        "## How it was proved",
        said_of(proven),
        "## What it takes and gives",
        interface_section(signature),
        "## How to ask it",
        request_section(signature),
    ]
    return ("\n\n".join(parts) + "\n").encode()


def said_of(proven: Proven) -> str:
    """What was compared, in words."""
    asked = f"ONNX Runtime {version('onnxruntime')} answered {proven.given} golden rows"
    kept = proven.golden.count
    left = f" The bundle keeps {kept} of them." if kept < proven.given else ""
    if not proven.differences:
        return (
            f"{asked}. No answers of the framework that trained it were given, so that the export "
            f"is right was not proved.{left}"
        )
    told = ", ".join(
        f"{name} by at most {apart:.2g}" if apart else f"{name} by nothing"
        for name, apart in proven.differences.items()
    )
    between = (
        f" The label of {proven.undecided} rows between two classes was not compared."
        if proven.undecided
        else ""
    )
    return f"{asked} as the framework that trained it does; they differ: {told}.{between}{left}"
