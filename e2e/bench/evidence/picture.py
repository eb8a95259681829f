"""The picture in docs/evidence.md: what an interval does over time, and what looking costs.

Drawn from the same simulation as the tables, as plain SVG, so that no plotting library is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from e2e.bench.evidence import streams
from e2e.bench.evidence.equal import ALPHA, MARGIN, REQUESTS, Compared
from regnant.evidence import Verdict, compare_errors

_WIDTH, _HEIGHT = 960, 420
_GOOD, _BAD, _DARK, _SOFT, _LIMIT = "#2f6db5", "#c2452d", "#33475b", "#52616f", "#8a6d1f"
_SHOWN = 10_000
_RATE, _WORSE = 0.002, 0.05
_SEED = 7

Point = tuple[float, float]


@dataclass(frozen=True)
class Panel:
    """A rectangle of the picture and the numbers that it spans."""

    left: float
    width: float
    x: tuple[float, float]
    y: tuple[float, float]
    top: float = 70.0
    height: float = 270.0

    def at(self, point: Point) -> str:
        """Where a point stands in the picture."""
        across = (point[0] - self.x[0]) / (self.x[1] - self.x[0])
        up = (min(max(point[1], self.y[0]), self.y[1]) - self.y[0]) / (self.y[1] - self.y[0])
        return f"{self.left + self.width * across:.1f},{self.top + self.height * (1 - up):.1f}"

    def line(self, points: Sequence[Point], colour: str, extra: str = "") -> str:
        """A line through points."""
        path = " ".join(self.at(point) for point in points)
        return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2" {extra}/>'

    def band(self, upper: Sequence[Point], lower: Sequence[Point], colour: str) -> str:
        """What lies between two lines."""
        path = " ".join(self.at(point) for point in [*upper, *reversed(lower)])
        return f'<polygon points="{path}" fill="{colour}" fill-opacity="0.2" stroke="{colour}"/>'

    def word(self, point: Point, text: str, colour: str = _SOFT, extra: str = "") -> str:
        """A text whose left end, or whatever `extra` says, is at a point."""
        x, y = self.at(point).split(",")
        return f'<text x="{x}" y="{y}" fill="{colour}" {extra}>{text}</text>'

    def frame(
        self, title: str, across: Sequence[float], up: Sequence[float], unit: Callable[[float], str]
    ) -> str:
        """The title, the axes and their numbers."""
        left, bottom, middle = self.x[0], self.y[0], (self.x[0] + self.x[1]) / 2
        axes = [(left, self.y[1]), (left, bottom), (self.x[1], bottom)]
        under, beside = 'text-anchor="middle" dy="20"', 'text-anchor="end" dx="-8" dy="4"'
        heading = f'<text x="{self.left}" y="38" font-weight="bold" fill="{_DARK}">{title}</text>'
        return "\n".join(
            [
                heading,
                self.line(axes, _DARK),
                *(self.word((value, bottom), f"{value:,.0f}", extra=under) for value in across),
                *(self.word((left, value), unit(value), extra=beside) for value in up),
                self.word((middle, bottom), "requests", extra='text-anchor="middle" dy="44"'),
            ]
        )


def draw(compared: Mapping[str, Sequence[Compared]]) -> str:
    """The whole picture."""
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="Helvetica, Arial, sans-serif" font-size="13">'
    )
    paper = f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>'
    every = [one for found in compared.values() for one in found]
    return "\n".join([opening, paper, _intervals(), _mistakes(every), "</svg>\n"])


def _intervals() -> str:
    """Two challengers, one as good as the champion and one that fails more often."""
    panel = Panel(left=60, width=400, x=(0, _SHOWN), y=(-0.02, 0.14))
    parts = [
        panel.frame(
            "Failure rate: challenger minus champion, in points",
            range(0, _SHOWN + 1, 2_500),
            [-0.02, 0.0, 0.02, 0.04, 0.06, 0.08, 0.10, 0.12, 0.14],
            lambda value: f"{100 * value:+g}" if value else "0",
        )
    ]
    for rate, colour in ((_WORSE, _BAD), (_RATE, _GOOD)):
        parts += _interval(panel, rate, colour)
    parts.append(panel.line([(0, MARGIN), (_SHOWN, MARGIN)], _LIMIT, 'stroke-dasharray="6 4"'))
    parts.append(panel.word((_SHOWN, MARGIN), "margin", _LIMIT, 'text-anchor="end" dy="18"'))
    return "\n".join(parts)


def _interval(panel: Panel, rate: float, colour: str) -> list[str]:
    """The band of one challenger until its verdict, and the verdict."""
    upper, lower = [], []
    for look in streams.failures(np.random.default_rng(_SEED), (_RATE, rate), _SHOWN):
        outcome = compare_errors(look.champion, look.challenger, margin=MARGIN, alpha=ALPHA)
        if outcome.low is None or outcome.high is None:
            continue
        upper.append((float(look.requests), outcome.high))
        lower.append((float(look.requests), outcome.low))
        if outcome.verdict is not Verdict.INCONCLUSIVE:
            break
    passed = upper[-1][1] <= MARGIN
    end = upper[-1] if passed else lower[-1]
    x, y = panel.at(end).split(",")
    lines = [f"fails at {100 * rate:g} %:", f"{outcome.verdict.value} after {look.requests:,}"]
    beside = end if passed else (end[0], upper[-1][1] / 2)
    words = [
        panel.word(beside, text, colour, f'font-weight="bold" dx="8" dy="{shift}"')
        for text, shift in zip(lines, (-30, -12), strict=True)
    ]
    dot = f'<circle cx="{x}" cy="{y}" r="5" fill="{colour}"/>'
    return [panel.band(upper, lower, colour), dot, *words]


def _mistakes(found: Sequence[Compared]) -> str:
    """How many comparisons of equal models had gone wrong by when."""
    panel = Panel(left=560, width=360, x=(0, REQUESTS), y=(0.0, 0.5))
    naive = _cumulative([one.naively_wrong for one in found])
    always = _cumulative([one.wrong for one in found])
    over = 'text-anchor="end" dy="-10"'
    fooled, wrong = f"z-test: {naive[-1][1]:.0%}", f"evidence: {always[-1][1]:.1%}"
    return "\n".join(
        [
            panel.frame(
                f"Equal models told apart by any look so far, of {len(found):,}",
                range(0, REQUESTS + 1, 5_000),
                [0.0, 0.1, 0.2, 0.3, 0.4, 0.5],
                lambda value: f"{value:.0%}",
            ),
            panel.line([(0, ALPHA), (REQUESTS, ALPHA)], _LIMIT, 'stroke-dasharray="6 4"'),
            panel.word((REQUESTS, ALPHA), f"alpha = {ALPHA:.0%}", _LIMIT, over),
            panel.line(naive, _BAD),
            panel.word(naive[-1], fooled, _BAD, over),
            panel.line(always, _GOOD),
            panel.word((REQUESTS, 0.0), wrong, _GOOD, over),
        ]
    )


def _cumulative(firsts: Sequence[int | None]) -> list[Point]:
    """The share that had happened by each look."""
    looks = range(0, REQUESTS + 1, streams.EVERY)
    return [
        (float(look), sum(first is not None and first <= look for first in firsts) / len(firsts))
        for look in looks
    ]
