"""Who answered at a time, as far as it is recorded, and never a guess."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from regnant.cli.record import answered_at
from tests.unit.cli.situations import NOW, situation


def at(**ago: float) -> datetime:
    return NOW - timedelta(**ago)


@pytest.mark.parametrize(
    ("when", "version"),
    [
        (at(days=10), None),
        (at(days=9), 2),
        (at(days=5), 2),
        (at(days=2, microseconds=1), 2),
        (at(days=2), 3),
        (NOW, 3),
    ],
)
def test_a_reign_begins_when_it_is_dated_and_ends_before_the_next(
    when: datetime, version: int | None
) -> None:
    found = answered_at(situation("serving"), when)
    assert (found.reign.version if found.reign else None) == version


def test_a_candidate_is_named_for_the_time_of_its_step() -> None:
    service = situation("splitting")
    during, before = (answered_at(service, at(seconds=ago)) for ago in (50, 150))
    assert (during.beside, during.percent) == (4, 25)
    assert before.beside is None


def test_a_shadow_answers_nobody() -> None:
    assert answered_at(situation("shadowing"), NOW).beside is None


def test_a_promoted_version_is_no_candidate_any_more() -> None:
    found = answered_at(situation("watching"), NOW)
    assert (found.reign.version if found.reign else None, found.beside) == (4, None)
