"""JSON documents of which one or two values are wrong."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from random import Random

STRANGE: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    2**31,
    2**63,
    2**64 - 1,
    1.5,
    1e308,
    "",
    "\u0000",
    "x" * 300,
    "BYTES",
    "FP16",
    [],
    {},
    [[]],
    [None] * 40,
    {"binary_data_size": 8},
    {"binary_data": True},
    {"binary_data_output": "no"},
    {"shared_memory_region": "a"},
)


def changed(whole: Any, random: Random) -> Any:
    """Change one or two values somewhere in a document, in place."""
    for _ in range(random.choice((1, 1, 2))):
        places = _places(whole)
        if not places:
            break
        holder, key = random.choice(places)
        match random.randrange(5):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, list):
                holder.append(holder[key])
            case 1:
                holder[f"{key} "] = holder.pop(key)
            case 2:
                holder[key] = [holder[key]]
            case _:
                holder[key] = deepcopy(random.choice(STRANGE))
    return whole


def _places(whole: Any) -> list[tuple[Any, Any]]:
    """Every value of a document, as what holds it and where there."""
    keys = (
        whole if isinstance(whole, dict) else range(len(whole)) if isinstance(whole, list) else ()
    )
    found = []
    for key in keys:
        found.append((whole, key))
        found += _places(whole[key])
    return found
