"""A value as its user wrote it, a library's own words, and the name that was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import numpy as np

LONGEST_LINE = 500


def suggest(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean X?`, or nothing when no name is close."""
    close = nearest(name, known)
    return f"; did you mean {close!r}?" if close else ""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that is nearest to one that was mistyped, or nothing."""
    close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    return close[0] if close else ""


def shown(value: object) -> str:
    """Spell a value as the user knows it, without numpy's type around it."""
    return repr(value.item() if isinstance(value, np.generic) else value)


def first_line(error: object) -> str:
    """Return the first line of what a library says."""
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:LONGEST_LINE]
