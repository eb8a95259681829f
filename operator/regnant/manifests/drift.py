"""Whether a live child still is what we asked for.

Server-side apply answers the question too, but by a write a child and reconcile. Comparing what was
read costs nothing: a child is current when it carries the digest of the wanted manifest (so that
what we stopped asking for goes away) and still holds every value of it (so that what somebody
changed comes back).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from regnant.api.meta import GROUP

STAMP = f"{GROUP}/manifest-digest"


def stamped(manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest with its own digest as an annotation."""
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()[:32]
    head = manifest["metadata"]
    annotations = {**head.get("annotations", {}), STAMP: digest}
    return {**manifest, "metadata": {**head, "annotations": annotations}}


def is_current(live: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether `live` holds every value of the stamped manifest `wanted`."""
    return _covers(live, wanted)


def _covers(live: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        return isinstance(live, Mapping) and all(
            key in live and _covers(live[key], value) for key, value in wanted.items()
        )
    if isinstance(wanted, Sequence) and not isinstance(wanted, str):
        return (
            isinstance(live, Sequence)
            and len(live) >= len(wanted)
            and all(_covers(have, want) for have, want in zip(live, wanted, strict=False))
        )
    return bool(live == wanted)
