"""Colours are for terminals, and only where they are wanted; bars say the truth without them."""

from __future__ import annotations

import io
import os
import pty

import pytest

from regnant.api.rollout_status import Check
from regnant.cli import bars, tree
from regnant.cli.screen import ASCII, UNICODE, marks, screen, show
from regnant.cli.standing import standing
from tests.unit.cli.situations import NOW, situation


def drawn_on_a_terminal() -> str:
    """What a terminal gets."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal, os.fdopen(ours, "rb", buffering=0) as reader:
        console = screen(terminal)
        show(console, tree.tree(standing(situation("serving"), NOW), console))
        terminal.flush()
        return reader.read(4096).decode()


def test_a_terminal_gets_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b[32mServing" in drawn_on_a_terminal()


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b[3" not in drawn_on_a_terminal()


def test_what_is_piped_is_plain_and_ends_its_lines_where_the_words_end() -> None:
    out = io.StringIO()
    console = screen(out)
    show(console, tree.tree(standing(situation("splitting"), NOW), console))
    assert "\x1b" not in out.getvalue()
    assert all(line == line.rstrip() for line in out.getvalue().splitlines())


def test_a_terminal_without_unicode_gets_plain_characters() -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)
    console = screen(out)
    assert marks(console) is ASCII
    show(console, tree.tree(standing(situation("splitting"), NOW), console))


@pytest.mark.parametrize(
    ("done", "needed", "bar"),
    [
        (0, 100, "................"),
        (50, 100, "########........"),
        (99.9, 100, "###############."),
        (100, 100, "################"),
        (500, 100, "################"),
        (0, 0, "################"),
    ],
)
def test_a_bar_is_full_only_when_nothing_is_missing(done: float, needed: float, bar: str) -> None:
    assert bars.progress(done, needed, ASCII).plain == bar


@pytest.mark.parametrize(
    ("name", "low", "estimate", "high", "bar"),
    [
        ("Latency", "0.97", "1.08", "1.21", ".....=o=....|..."),
        ("Latency", "2.2", "2.4", "9", "............|=o="),
        ("Errors", "-0.004", "0.001", "0.014", "o"),
        ("Agreement", "0.96", "0.97", "0.98", "o"),
        ("Latency", "", "", "", "................"),
        ("Latency", "nan", "inf", "1", "................"),
    ],
)
def test_an_interval_lies_where_it_is_towards_its_limit(
    name: str, low: str, estimate: str, high: str, bar: str
) -> None:
    limit = {"Latency": "2", "Errors": "0.01", "Agreement": "0.95"}[name]
    check = Check.model_validate(
        {
            "name": name,
            "verdict": "Inconclusive",
            "estimate": estimate,
            "low": low,
            "high": high,
            "limit": limit,
        }
    )
    shown = bars.towards_limit(check, ASCII).plain
    assert len(shown) == bars.WIDTH
    assert bar in shown


def test_a_least_part_is_good_to_the_right_of_its_limit() -> None:
    """Agreement is the one comparison where more is better."""
    check = Check.model_validate(
        {"name": "Agreement", "verdict": "Pass", "estimate": "0.99", "limit": "0.95"}
    )
    shown = bars.towards_limit(check, UNICODE).plain
    assert shown.index(UNICODE.limit) < shown.index(UNICODE.estimate)
