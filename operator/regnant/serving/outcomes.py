"""What was answered to a sample of the requests, so that two versions' answers can be compared.

A request is chosen by a hash of its id, and of its rows one by the same hash. So all servers of all
versions choose the same requests and the same rows without asking each other, and whoever reads
from several of them joins what has the same id: an answer with its shadow now, a label that comes
later with either. One row a request, because rows of one batch are not independent.

The ring holds a label and a number of each answer, never an input. Its entries are bounded, and so
are their sizes; what is new pushes out what is old, and no request ever waits for it. Requests
without an id cannot be joined and are not kept.
"""

from __future__ import annotations

from collections import deque
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from regnant.serving.datatypes import Array
    from regnant.serving.messages import Request
    from regnant.serving.scoring import Label, Scoring

    Entry = tuple[bytes, bool, int, int, Label | None, float | None]

CAPACITY: Final = 8192
_HASHES: Final = 2**64


class Sample:
    """Which requests are chosen, and which row of each; the same for everyone."""

    def __init__(self, fraction: float) -> None:
        self._threshold = int(fraction * _HASHES)

    def row(self, request_id: bytes, rows: int) -> int | None:
        """Return the row to keep of a request, or nothing if it is not chosen."""
        if rows == 1 and self._threshold == _HASHES:
            return 0
        if not rows or not self._threshold:
            return None
        digest = _hash(request_id)
        # The threshold looks at the high bits, the remainder at the low ones.
        return digest % rows if digest < self._threshold else None

    def takes(self, request_id: bytes) -> bool:
        """Whether a request is chosen; one without an id only if all are."""
        return self._threshold == _HASHES or (
            bool(request_id) and _hash(request_id) < self._threshold
        )


def _hash(request_id: bytes) -> int:
    return int.from_bytes(blake2b(request_id, digest_size=8).digest(), "big")


class Outcomes:
    """The ring; each entry has the number of those before it, plus one."""

    def __init__(self, sample: Sample, scoring: Scoring, capacity: int = CAPACITY) -> None:
        self._sample = sample
        self._scoring = scoring
        self._ring: deque[Entry] = deque(maxlen=capacity)
        self._last = 0

    def keep(self, request: Request, rows: int, outputs: Mapping[str, Array]) -> None:
        """Keep the outcome of one row, if the request is one of the sample."""
        if not request.request_id or request.verifies:
            return
        row = self._sample.row(request.request_id, rows)
        if row is None:
            return
        label, score = self._scoring.read(outputs, rows, row)
        if label is None and score is None:
            return
        self._ring.append((request.request_id, request.is_shadow, row, rows, label, score))
        self._last += 1

    def page(self, after: int, limit: int) -> dict[str, object]:
        """Spell the outcomes behind a number, oldest first."""
        oldest = self._last - len(self._ring) + 1
        start = max(after + 1, oldest)
        entries = islice(self._ring, start - oldest, start - oldest + limit)
        return {
            "outcomes": [
                _spelled(sequence, entry) for sequence, entry in enumerate(entries, start)
            ],
            "lastSequence": self._last,
            "oldestSequence": oldest,
        }

    def to_document(self) -> dict[str, int]:
        """Spell how many there are, and how many were pushed out."""
        kept = len(self._ring)
        return {"kept": kept, "dropped": self._last - kept, "lastSequence": self._last}


def _spelled(sequence: int, entry: Entry) -> dict[str, object]:
    request_id, is_shadow, row, rows, label, score = entry
    return {
        "sequence": sequence,
        "id": request_id.decode("latin-1"),
        "shadow": is_shadow,
        "row": row,
        "rows": rows,
        "label": _text(label),
        "score": score,
    }


def _text(label: Label | None) -> str | None:
    """Spell a label as JSON would, without the quotes."""
    if label is None or isinstance(label, str):
        return label
    return str(label).lower() if isinstance(label, bool) else str(label)
