"""One spelling for every JSON document whose digest matters.

Two runs over the same inputs must give the same bytes. So keys are sorted, separators are compact,
non-finite numbers are refused, and floats are written as Python's shortest exact decimal.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Final

DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


def canonical_json(document: object) -> bytes:
    """Encode a document in the one spelling that digests are taken of."""
    text = json.dumps(
        document, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True
    )
    return text.encode()


def sha256_digest(content: bytes) -> str:
    """Name bytes by their sha256, in the form that OCI uses."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def is_digest(text: str) -> bool:
    """Tell whether a text is a complete sha256 digest."""
    return DIGEST.fullmatch(text) is not None
