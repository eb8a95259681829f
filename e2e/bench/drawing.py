"""The strokes of the picture: panels over one axis of time, as plain SVG.

Colours are told apart by people who see fewer of them, and every line is named where it is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT = 960, 62, 150
FIRST, SECOND, LIMIT, DARK, SOFT, GRID = (
    "#2f6db5", "#c2452d", "#8a6d1f", "#33475b", "#52616f", "#dde3e8",
)  # fmt: skip

Point = tuple[float, float]
Span = tuple[float, float, float]
"""A time, a lower and an upper value."""


@dataclass(frozen=True)
class Panel:
    """A rectangle of the picture, and the seconds and values that it spans."""

    top: float
    height: float
    seconds: float
    low: float
    high: float
    logarithmic: bool = False

    @property
    def bottom(self) -> float:
        """The lower edge."""
        return self.top + self.height

    def x(self, second: float) -> float:
        """Where a time stands."""
        return LEFT + (WIDTH - LEFT - RIGHT) * min(max(second / self.seconds, 0.0), 1.0)

    def y(self, value: float) -> float:
        """Where a value stands; what lies outside stands at the edge."""
        held = min(max(value, self.low), self.high)
        if self.logarithmic:
            part = math.log(held / self.low) / math.log(self.high / self.low)
        else:
            part = (held - self.low) / (self.high - self.low)
        return self.bottom - self.height * part

    def frame(self, title: str, ticks: Sequence[tuple[float, str]]) -> str:
        """The title, the grid and its numbers."""
        end = WIDTH - RIGHT
        parts = [text(LEFT, self.top - 7, title, DARK, 'font-weight="bold" font-size="12"')]
        for value, words in ticks:
            y = self.y(value)
            parts.append(f'<path d="M{LEFT} {y:.1f}H{end}" stroke="{GRID}" fill="none"/>')
            parts.append(text(LEFT - 7, y + 4, words, SOFT, 'text-anchor="end"'))
        return "\n".join(parts)

    def line(
        self, points: Sequence[Point], colour: str, extra: str = "", width: float = 1.8
    ) -> str:
        """A line through points; nothing where there are none."""
        path = " ".join(f"{self.x(at):.1f},{self.y(value):.1f}" for at, value in points)
        stroke = f'fill="none" stroke="{colour}" stroke-width="{width}"'
        return f'<polyline points="{path}" {stroke} {extra}/>'

    def band(
        self, points: Sequence[tuple[float, float, float]], colour: str, opacity: float
    ) -> str:
        """What lies between a lower and an upper value."""
        up = [(at, high) for at, _, high in points]
        down = [(at, low) for at, low, _ in reversed(points)]
        path = " ".join(f"{self.x(at):.1f},{self.y(value):.1f}" for at, value in [*up, *down])
        return f'<polygon points="{path}" fill="{colour}" fill-opacity="{opacity}"/>'

    def bar(self, at: float, width: float, value: float, colour: str) -> str:
        """A bar from 0."""
        left, right, y = self.x(at), self.x(at + width), self.y(value)
        return (
            f'<rect x="{left:.1f}" y="{y:.1f}" width="{max(right - left - 1, 1):.1f}" '
            f'height="{self.y(0) - y:.1f}" fill="{colour}"/>'
        )

    def dot(self, at: float, value: float, colour: str) -> str:
        """A point that matters."""
        x, y = self.x(at), self.y(value)
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{colour}" stroke="#ffffff"/>'

    def beside(self, row: int, words: str, colour: str, extra: str = "") -> str:
        """A word to the right of the panel."""
        return text(WIDTH - RIGHT + 12, self.top + 12 + 15 * row, words, colour, extra)


def text(x: float, y: float, words: str, colour: str, extra: str = "") -> str:
    """Words that begin, or whatever `extra` says, at a place."""
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" {extra}>{escape(words)}</text>'


def sheet(height: float, parts: Sequence[str]) -> str:
    """The whole picture."""
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" '
        'font-family="Helvetica, Arial, sans-serif" font-size="11.5">'
    )
    paper = f'<rect width="{WIDTH}" height="{height:.0f}" fill="#ffffff"/>'
    return "\n".join([opening, paper, *parts, "</svg>\n"])
