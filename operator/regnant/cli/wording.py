"""How numbers, times and lists are spelled for people: short, in UTC, and the same everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
_SHOWN = 2


def span(value: timedelta) -> str:
    """`40s`, `1m 40s`, `3h`, `2d 4h`: at most two units, never negative."""
    left = max(0, int(value.total_seconds()))
    parts: list[tuple[int, str]] = []
    for unit, seconds in _UNITS:
        number, left = divmod(left, seconds)
        if number or parts:
            parts.append((number, unit))
    shown = [f"{number}{unit}" for number, unit in parts[:_SHOWN] if number]
    return " ".join(shown) or "0s"


def moment(value: datetime) -> str:
    """`2026-11-21 15:40:12 UTC`."""
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def since(value: datetime, now: datetime) -> str:
    """`2026-11-21 15:40:12 UTC, 3m ago`; clocks that disagree make it `just now`."""
    age = now - value
    ago = f"{span(age)} ago" if age >= timedelta(seconds=1) else "just now"
    return f"{moment(value)}, {ago}"


def count(number: int, one: str, many: str = "") -> str:
    """`1 request`, `1,204 requests`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listing(parts: Sequence[str], last: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(parts) <= 1:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {last} {parts[-1]}"


def with_names(reading: str, *, challenger: str, champion: str = "the champion") -> str:
    """A reading of the evidence, which knows the two versions by their roles only."""
    named = reading.replace("the challenger", challenger)
    return named.replace("the champion", champion)


def sentence(text: str) -> str:
    """The text as a sentence: with a full stop, and a capital unless a name starts it."""
    stripped = text.strip()
    if not stripped:
        return ""
    first = stripped.split(maxsplit=1)[0]
    # A name such as churn-3 or spec.champion keeps its spelling.
    if first.isalpha():
        stripped = stripped[0].upper() + stripped[1:]
    return stripped if stripped[-1] in ".!?" else f"{stripped}."
