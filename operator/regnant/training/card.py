"""The model card: what someone who finds only the bundle needs to know, in one page of Markdown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from regnant.artifacts.signature import Signature
from regnant.training.metrics import Metric
from regnant.training.result import ParityReport

COLUMNS_SHOWN: Final = 100
ROWS_SHOWN: Final = 1
LIMITS: Final = (
    "It knows what its training rows knew. Values far outside of them, and categories that were "
    "rare or absent, are answered without a warning; the intervals above say how sure the metrics "
    "are, not how sure an answer is. `profile.json` has the distribution of every column, for "
    "comparison with live traffic."
)


def card_markdown(
    signature: Signature,
    metrics: Sequence[Metric],
    *,
    confidence: str,
    report: ParityReport | None,
    notes: Sequence[str] = (),
) -> bytes:
    """Write the card."""
    parts = [
        f"# {signature.model_name}",
        f"A {signature.task.lower()} model, exported to ONNX and registered by Regnant.",
        "## Quality on held-out rows",
        _metrics(metrics, confidence),
        *([_parity(report)] if report else []),
        "## Where it comes from",
        _lineage(signature),
        *[f"- {note}" for note in notes],
        "## What it takes and gives",
        _interface(signature),
        "## How to ask it",
        _request(signature),
        "## Limits",
        LIMITS,
    ]
    return ("\n\n".join(part for part in parts if part) + "\n").encode()


def _metrics(metrics: Sequence[Metric], confidence: str) -> str:
    lines = [f"| metric | value | {confidence} confidence interval |", "| --- | --- | --- |"]
    for metric in metrics:
        known = metric.low is not None and metric.high is not None
        interval = f"{metric.low:.4g} to {metric.high:.4g}" if known else "not estimable"
        lines.append(f"| {metric.name} | {metric.value:.4g} | {interval} |")
    return "\n".join(lines)


def _parity(report: ParityReport) -> str:
    return (
        f"The exported graph was compared with scikit-learn on {report.rows} rows, among them "
        f"perturbed, extreme, incomplete and unseen ones: {report.label_flips} labels differ, the "
        f"largest difference of a score is {report.max_difference:.2g}."
    )


def _lineage(signature: Signature) -> str:
    lines = []
    for key, value in signature.lineage.items():
        if value not in (None, "", {}, []):
            text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
            lines.append(f"- {key}: `{text}`")
    return "\n".join(lines)


def _interface(signature: Signature) -> str:
    lines = ["| column | type | tensor | position |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {column.name} | {column.type} | {column.tensor} | {column.index} |"
        for column in signature.columns[:COLUMNS_SHOWN]
    ]
    if len(signature.columns) > COLUMNS_SHOWN:
        lines.append(f"| ... and {len(signature.columns) - COLUMNS_SHOWN} more | | | |")
    table = "\n".join(lines) if signature.columns else ""
    inputs = ", ".join(f"`{t.name}` {t.datatype} {list(t.shape)}" for t in signature.inputs[:16])
    outputs = ", ".join(f"`{t.name}` {t.datatype} {list(t.shape)}" for t in signature.outputs)
    classes = (
        f"\n\nClasses, in the order of the probabilities: "
        f"{', '.join(f'`{label}`' for label in signature.classes)}"
        if signature.classes
        else ""
    )
    return f"Inputs: {inputs}\n\nOutputs: {outputs}{classes}\n\n{table}".strip()


def _request(signature: Signature) -> str:
    inputs = []
    for tensor in signature.inputs:
        width = tensor.shape[-1] if len(tensor.shape) > 1 else 1
        value: object = "..." if tensor.datatype == "BYTES" else 0.0
        shape = [ROWS_SHOWN, width] if len(tensor.shape) > 1 else [ROWS_SHOWN]
        data = [value] * max(1, width)
        inputs.append(
            {"name": tensor.name, "datatype": tensor.datatype, "shape": shape, "data": data}
        )
    body = json.dumps({"inputs": inputs})
    return (
        "Open Inference Protocol V2, a missing number as null and a missing category as an empty "
        f"text:\n\n```\nPOST /v2/models/{signature.model_name}/infer\n\n{body}\n```"
    )


def public_uri(uri: str) -> str:
    """Return a URI without user, password or signed query, as lineage is read by many."""
    parts = urlsplit(uri)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
