"""The model card: what someone who finds only the bundle needs to know, in one page of Markdown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from regnant.artifacts.card import interface_section, request_section
from regnant.artifacts.signature import Signature
from regnant.training.metrics import Metric
from regnant.training.result import ParityReport

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
        interface_section(signature),
        "## How to ask it",
        request_section(signature),
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


def public_uri(uri: str) -> str:
    """Return a URI without user, password or signed query, as lineage is read by many."""
    parts = urlsplit(uri)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
