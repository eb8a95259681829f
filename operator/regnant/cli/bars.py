"""Bars: how far something is, and where an interval lies towards its limit.

███████░░░░░   612 of 1,000        progress
──━━●━━──┃──   errors              an interval with its estimate, left of its limit
"""

from __future__ import annotations

import math
from itertools import groupby

from rich.text import Text

from regnant.api.rollout_status import Check
from regnant.cli.screen import Marks

WIDTH = 16
_LIMIT_AT = 12
"""Where the limit stands on a bar; what lies beyond it has the cells to its right."""
_STYLES = {"Pass": "green", "Fail": "red", "Inconclusive": "yellow", "Error": "red"}


def progress(done: float, needed: float, marks: Marks) -> Text:
    """A bar that is full when nothing is missing."""
    part = 1.0 if needed <= 0 else max(0.0, min(1.0, done / needed))
    full = math.floor(part * WIDTH)
    bar = Text(marks.full * full, style="green" if full == WIDTH else "cyan")
    return bar.append(marks.empty * (WIDTH - full), style="dim")


def towards_limit(check: Check, marks: Marks) -> Text:
    """The interval that a comparison has narrowed the truth down to, and its limit."""
    limit, seen = number(check.limit), number(check.estimate)
    if limit is None or seen is None:
        return Text(marks.empty * WIDTH, style="dim")
    low, high = number(check.low), number(check.high)
    least, scale = _scale(check, limit)
    cells = [" "] * WIDTH
    start = _cell(seen if low is None else low, least, scale)
    end = _cell(seen if high is None else high, least, scale)
    for place in range(WIDTH):
        cells[place] = marks.interval if start <= place <= end else marks.empty
    cells[_LIMIT_AT] = marks.limit
    cells[_cell(seen, least, scale)] = marks.estimate
    return _coloured(cells, marks, _STYLES[check.verdict])


def number(text: str) -> float | None:
    """The number that a check has as text; None without one."""
    try:
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def _scale(check: Check, limit: float) -> tuple[float, float]:
    """What the first cell stands for, and how much each cell does."""
    # Ratios begin at nothing; a difference of parts around zero; a least part ends at one.
    if check.name == "Agreement":
        span = max(1.0 - limit, 1e-3) / (WIDTH - 1 - _LIMIT_AT)
        return limit - span * _LIMIT_AT, span
    least = -limit / 2 if check.name in {"Errors", "NonFinite"} else 0.0
    return least, max(limit - least, 1e-9) / _LIMIT_AT


def _cell(value: float, least: float, scale: float) -> int:
    place = (value - least) / scale
    return max(0, min(WIDTH - 1, math.floor(place))) if math.isfinite(place) else 0


def _coloured(cells: list[str], marks: Marks, style: str) -> Text:
    bar = Text()
    styles = {marks.empty: "dim", marks.limit: "bold"}
    for mark, group in groupby(cells):
        bar.append("".join(group), style=styles.get(mark, style))
    return bar
