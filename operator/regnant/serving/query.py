"""What stands behind the question mark of a target: whole numbers, each with its bounds.

A parameter that is misspelled or out of bounds is refused by name: whoever pages through something
must not get the first page for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from regnant.serving.messages import bad_request

if TYPE_CHECKING:
    from collections.abc import Mapping

_DIGITS = 19
"""As many as a number of 63 bits has; longer ones are not worth parsing."""
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Whole:
    """A parameter: its value where it is not given, and what it may be."""

    default: int
    minimum: int
    maximum: int


def parse_query(query: bytes, known: Mapping[str, Whole]) -> dict[str, int]:
    """Return a value for every known parameter."""
    given = parse_qs(query.decode("latin-1"), keep_blank_values=True)
    for name, values in given.items():
        if name not in known:
            wanted = " and ".join(known) or "none"
            raise bad_request(f"{name[:_SHOWN]!r} is no parameter here; known: {wanted}")
        if len(values) > 1:
            raise bad_request(f"{name}: given {len(values)} times; give it once")
    return {
        name: _value(name, given[name][0], bounds) if name in given else bounds.default
        for name, bounds in known.items()
    }


def _value(name: str, text: str, bounds: Whole) -> int:
    is_number = text.isascii() and text.isdigit() and len(text) <= _DIGITS
    if not (is_number and bounds.minimum <= int(text) <= bounds.maximum):
        raise bad_request(
            f"{name}: {text[:_SHOWN]!r} is not a whole number "
            f"from {bounds.minimum} to {bounds.maximum}"
        )
    return int(text)
