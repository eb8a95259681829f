"""Times are read as people type them, and never taken for another time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from regnant.cli.errors import UsageError
from regnant.cli.times import parse_time
from regnant.cli.wording import span
from tests.unit.cli.situations import NOW


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-21T15:30:00Z", datetime(2026, 11, 21, 15, 30, tzinfo=UTC)),
        ("2026-11-21t15:30:00z", datetime(2026, 11, 21, 15, 30, tzinfo=UTC)),
        ("2026-11-21T16:30:00+01:00", datetime(2026, 11, 21, 15, 30, tzinfo=UTC)),
        ("2026-11-21 15:30", datetime(2026, 11, 21, 15, 30, tzinfo=UTC)),
        ("2026-11-20", datetime(2026, 11, 20, tzinfo=UTC)),
        ("9:05", datetime(2026, 11, 21, 9, 5, tzinfo=UTC)),
        ("15:30:30", datetime(2026, 11, 21, 15, 30, 30, tzinfo=UTC)),
        ("2h", NOW - timedelta(hours=2)),
        ("2h ago", NOW - timedelta(hours=2)),
        ("1h30m ago", NOW - timedelta(minutes=90)),
        ("1h 30m", NOW - timedelta(minutes=90)),
        ("3 days ago", NOW - timedelta(days=3)),
        ("10 minutes ago", NOW - timedelta(minutes=10)),
        ("2w", NOW - timedelta(weeks=2)),
        ("now", NOW),
    ],
)
def test_a_time_is_understood(text: str, expected: datetime) -> None:
    assert parse_time(text, NOW) == expected


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2x", "h", "25:00", "2026-13-01", "ago", "999999999w", "3 apples ago", "-2h"],
)
def test_what_is_no_time_is_refused_with_examples(text: str) -> None:
    with pytest.raises(UsageError, match="is no time; write"):
        parse_time(text, NOW)


@pytest.mark.parametrize("text", ["2026-11-21T15:41:00Z", "23:59", "2999-01-01"])
def test_the_future_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="future"):
        parse_time(text, NOW)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-5, "0s"),
        (0, "0s"),
        (59, "59s"),
        (100, "1m 40s"),
        (3600, "1h"),
        (3605, "1h"),
        (90061, "1d 1h"),
        (86400 * 400, "400d"),
    ],
)
def test_a_length_is_told_in_two_units_at_most(seconds: int, shown: str) -> None:
    assert span(timedelta(seconds=seconds)) == shown
