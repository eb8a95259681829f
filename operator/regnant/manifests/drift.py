"""Whether a live child still is what we asked for.

Server-side apply answers the question too, but by a write a child and reconcile. Comparing what was
read costs nothing: a child is current when it carries the digest of the wanted manifest (so that
what we stopped asking for goes away) and still holds every value of it (so that what somebody
changed comes back).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from regnant.api.meta import GROUP

_QUANTITIES = ("requests", "limits")
_UNITS = {
    "m": Decimal("0.001"),
    "": Decimal(1),
    **{unit: Decimal(1000) ** power for power, unit in enumerate("kMGTP", 1)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTP", 1)},
}

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
            _covers_field(key, live, value) for key, value in wanted.items()
        )
    if isinstance(wanted, Sequence) and not isinstance(wanted, str):
        return (
            isinstance(live, Sequence)
            and len(live) >= len(wanted)
            and all(_covers(have, want) for have, want in zip(live, wanted, strict=False))
        )
    return bool(live == wanted)


def _covers_field(key: str, live: Mapping[str, Any], wanted: Any) -> bool:
    if key not in live:
        # The API server stores an empty text as nothing at all.
        return bool(wanted == "")
    if key in _QUANTITIES:
        return _covers(_amounts(live[key]), _amounts(wanted))
    return _covers(live[key], wanted)


def _amounts(quantities: Any) -> Any:
    """Quantities as numbers: the API server stores `0.5` as `500m` and `1024Mi` as `1Gi`."""
    if not isinstance(quantities, Mapping):
        return quantities
    return {name: _amount(quantity) for name, quantity in quantities.items()}


def _amount(quantity: object) -> object:
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([a-zA-Z]*)", str(quantity))
    if not match or match[2] not in _UNITS:
        return quantity
    return Decimal(match[1]) * _UNITS[match[2]]
