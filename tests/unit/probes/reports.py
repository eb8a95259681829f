"""What a model server tells of itself, spelled as it does."""

from __future__ import annotations

from typing import Any

from regnant.api.latency import FIRST_MICROSECONDS, GROWTH
from tests.unit.probes.scripted_pod import DIGEST

BUCKETS = [0, 3, *[0] * 62]


def traffic(ok: int = 3, non_finite: int = 0) -> dict[str, Any]:
    return {
        "requests": {"ok": ok, "client_error": 1, "server_error": 2},
        "nonFinite": non_finite,
        "latency": {
            "unit": "us",
            "growth": GROWTH,
            "first": FIRST_MICROSECONDS,
            "counts": [0, ok, *[0] * 62],
        },
    }


def statistics(digest: str = DIGEST, last: int = 4) -> dict[str, Any]:
    return {
        "boot": "e03e3b9aa244cf6d",
        "model": "churn",
        "version": "3",
        "digest": digest,
        **traffic(),
        "shadow": traffic(ok=1, non_finite=1),
        "outcomes": {"kept": 4, "dropped": 0, "lastSequence": last},
    }


def outcome(sequence: int, **changes: Any) -> dict[str, Any]:
    return {
        "sequence": sequence,
        "id": f"request-{sequence}",
        "shadow": False,
        "row": 0,
        "rows": 1,
        "label": "yes",
        "score": 0.25,
        **changes,
    }


def page(*outcomes: dict[str, Any], last: int | None = None) -> dict[str, Any]:
    newest = outcomes[-1]["sequence"] if outcomes else 0
    return {
        "boot": "e03e3b9aa244cf6d",
        "outcomes": list(outcomes),
        "lastSequence": newest if last is None else last,
        "oldestSequence": 1,
    }
