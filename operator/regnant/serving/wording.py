"""How refusals show what was sent and what was expected, in the client's own spelling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable

    from regnant.serving.datatypes import TensorSpec

_SHOWN = 60


def listed(specs: Iterable[TensorSpec]) -> str:
    """Describe tensors one after another."""
    return ", ".join(f'"{spec.name}" {spec.describe()}' for spec in specs)


def shown(value: Any) -> str:
    """Show a value as JSON does, so that the client recognises it."""
    try:
        return clipped(orjson.dumps(value).decode())
    except orjson.JSONEncodeError:  # it reads what is nested four times as deep as what it writes
        return "what is nested so deep"


def clipped(text: str) -> str:
    """Leave out the end of what is long."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
