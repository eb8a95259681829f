"""The result of a run, cut to what a termination message holds.

Numbers travel as decimal strings, because a status keeps decimals as strings. What is cut here
is whole in the bundle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from regnant.artifacts.bundle import Descriptor
from regnant.artifacts.reference import Repository
from regnant.artifacts.signature import Signature
from regnant.artifacts.termination import LIMIT_BYTES, encode
from regnant.training.metrics import Metric

MAX_TENSORS: Final = 16
Document = dict[str, object]


@dataclass(frozen=True)
class ParityReport:
    """How far apart the two models were."""

    rows: int
    max_difference: float
    label_flips: int


@dataclass(frozen=True)
class RunResult:
    """What the operator learns of a run that succeeded."""

    repository: Repository
    descriptor: Descriptor
    size_bytes: int
    signature: Signature
    metrics: Sequence[Metric]
    lineage: Mapping[str, object] = field(default_factory=dict)
    report: ParityReport | None = None

    def to_document(self) -> Document:
        """Return the largest document that fits: tensors are cut first, then package versions."""
        for tensors in (MAX_TENSORS, 8, 4, 1, 0):
            for lineage in (dict(self.lineage), {**self.lineage, "packages": {}}):
                document = self._document(tensors, lineage)
                if len(encode(document)) <= LIMIT_BYTES:
                    return document
        return self._document(0, {})

    def _document(self, tensors: int, lineage: Document) -> Document:
        signature = self.signature.model_dump(mode="json", by_alias=True)
        document: Document = {
            "bundle": {
                "uri": str(self.repository),
                "digest": self.descriptor.digest,
                "sizeBytes": self.size_bytes,
            },
            "metrics": [_metric(metric) for metric in self.metrics],
            "interface": {
                "digest": self.signature.interface_digest(),
                "inputs": signature["inputs"][:tensors],
                "outputs": signature["outputs"][:tensors],
            },
            "lineage": lineage,
        }
        if self.report:
            document["parity"] = {
                "rows": self.report.rows,
                "maxDifference": decimal(self.report.max_difference),
                "labelFlips": self.report.label_flips,
            }
        return document


def _metric(metric: Metric) -> Document:
    document: Document = {"name": metric.name, "value": decimal(metric.value), "split": "Test"}
    if metric.low is not None and metric.high is not None:
        document |= {"low": decimal(metric.low), "high": decimal(metric.high)}
    return document


def decimal(value: float) -> str:
    """Spell a number with six significant digits."""
    return format(value, ".6g")
