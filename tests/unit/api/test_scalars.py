"""Durations, decimals and times survive the way to JSON and back."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from regnant.api.model import (
    DECIMAL_PATTERN,
    DURATION_PATTERN,
    DecimalString,
    Duration,
    Model,
    Time,
    format_duration,
    format_time,
    parse_duration,
)

LONGEST_SECONDS = 999_999 * 3600 + 999_999_999 * 60 + 999_999_999


class Scalars(Model):
    """One of each."""

    length: Duration = timedelta(seconds=1)
    number: DecimalString = Decimal("0.5")
    at: Time = datetime(2026, 1, 1, tzinfo=UTC)


@given(st.integers(0, LONGEST_SECONDS).map(lambda seconds: timedelta(seconds=seconds)))
def test_a_duration_survives_the_way_to_json_and_back(length: timedelta) -> None:
    text = Scalars(length=length).to_json()["length"]
    assert re.match(DURATION_PATTERN, text)
    assert 2 <= len(text) <= 32
    assert Scalars.model_validate({"length": text}).length == length


@given(st.from_regex(DURATION_PATTERN, fullmatch=True))
def test_every_duration_that_the_schema_accepts_is_read(text: str) -> None:
    assume(2 <= len(text) <= 32)
    assert timedelta(0) <= parse_duration(text) < timedelta.max


def test_a_duration_that_is_one_already_stays() -> None:
    assert parse_duration(timedelta(seconds=90)) == timedelta(seconds=90)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("10m", 600),
        ("1h30m", 5400),
        ("0s", 0),
        ("1h1s", 3601),
        ("9999h", 35_996_400),
    ],
)
def test_durations_are_read_as_people_write_them(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "10", "s", "1d", "-5s", "5s1m", "1.5h", " 5s", "5 s", "5s\n", None, 5]
)
def test_what_is_no_duration_is_refused_with_an_example(text: object) -> None:
    with pytest.raises(ValueError, match="such as 90s"):
        parse_duration(text)


def test_the_shortest_spelling_is_written() -> None:
    assert format_duration(timedelta(minutes=90)) == "1h30m"
    assert format_duration(timedelta(0)) == "0s"


@given(st.from_regex(DECIMAL_PATTERN, fullmatch=True))
def test_every_decimal_that_the_schema_accepts_keeps_its_value(text: str) -> None:
    assume(len(text) <= 39 and text.isascii() and not text.endswith("\n"))
    assume("e" not in text.lower() or abs(int(re.split("[eE]", text)[1])) < 10_000)
    model = Scalars.model_validate({"number": text})
    written = model.to_json()["number"]
    assert re.match(DECIMAL_PATTERN, written)
    assert Scalars.model_validate({"number": written}) == model
    assert model.number == Decimal(text)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-inf", "0,5", "1/2", "half", ""])
def test_what_is_no_finite_number_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        Scalars.model_validate({"number": text})


@given(
    st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2200, 1, 1)),  # noqa: DTZ001
    st.integers(min_value=-12, max_value=14),
)
def test_a_time_survives_to_the_microsecond_from_any_zone(naive: datetime, offset: int) -> None:
    at = naive.replace(tzinfo=timezone(timedelta(hours=offset)))
    text = Scalars(at=at).to_json()["at"]
    assert text == format_time(at)
    assert text.endswith("Z")
    assert Scalars.model_validate({"at": text}).at == at
