"""Times as people type them: ISO 8601, a time of today, or how long ago.

`2026-11-21T15:40:00Z`, `2026-11-21 15:40`, `15:40`, `2h`, `1h30m ago`, `3 days ago`, `now`.
Without a zone, UTC is meant, as everywhere in the output.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta

from regnant.cli.errors import UsageError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_PART = r"(\d{1,9})\s*(s|m|h|d|w)[a-z]*"
_AGO = re.compile(rf"(?:{_PART}[\s,]*)+(?:ago)?")
_CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2})?")


def parse_time(text: str, now: datetime) -> datetime:
    """The time that is meant.

    Raises:
        UsageError: it cannot be understood, or lies in the future.
    """
    found = _read(text.strip().lower(), now)
    if found is None:
        raise UsageError(
            f"{text!r} is no time; write 2026-11-21T15:40:00Z, '2026-11-21 15:40', 15:40 (UTC), "
            "2h or '3 days ago'"
        )
    if found > now:
        raise UsageError(f"{text!r} lies in the future, and nobody answered then yet")
    return found


def _read(text: str, now: datetime) -> datetime | None:
    if text == "now":
        return now
    try:
        if _AGO.fullmatch(text):
            parts = re.findall(_PART, text)
            return now - timedelta(seconds=sum(int(part) * _UNITS[unit] for part, unit in parts))
        if _CLOCK.fullmatch(text):
            clock = time.fromisoformat(text.zfill(5))
            return datetime.combine(now.astimezone(UTC).date(), clock, tzinfo=UTC)
        found = datetime.fromisoformat(text.upper())
    except (ValueError, OverflowError):
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
