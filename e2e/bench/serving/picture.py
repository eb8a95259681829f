"""The picture in docs/benchmarks.md: who answers how many, how late, and at what size.

Four groups of bars. Each bar is a median with its spread; what nobody can pass is in a colour
of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from e2e.bench.drawing import DARK, FIRST, GRID, LIMIT, SOFT, WIDTH, sheet, text
from e2e.bench.report import Sample
from e2e.bench.serving.cases import BARE, BATCH, MANY, RATE, WARM_REQUESTS, Footprint, Turns
from e2e.bench.serving.generator import Turn
from e2e.bench.serving.models import TREES
from e2e.bench.serving.servers import NGINX, PLAIN, REGNANT
from e2e.bench.serving.tables import FLOOR, with_floor

_ROW, _BAR = 21.0, 13.0
_NAMES, _NUMBERS, _MARGIN = 128.0, 62.0, 24.0
_HEAD, _FOOT = 44.0, 22.0
_SHORT = {FLOOR: "floor: nginx + inference"}
_BOUNDS = (FLOOR, NGINX, PLAIN)


@dataclass(frozen=True)
class Group:
    """Bars that share an axis."""

    title: str
    bars: Mapping[str, Sample]
    words: Callable[[float], str]


def draw(one_row: Turns, batches: Turns, steady: Turns, footprints: Mapping[str, Footprint]) -> str:
    """Two groups beside each other, and two beneath."""
    many = {name: found for name, found in with_floor(one_row).items() if name not in (BARE, NGINX)}
    groups = [
        Group(f"Requests a second: one row, {MANY} connections", _of(many, _rate), _count),
        Group(f"Requests a second: {BATCH} rows, {TREES} trees", _of(batches, _rate), _count),
        Group(f"99 of 100 within, at {RATE:,} requests a second", _of(steady, _late), _time),
        Group(f"Resident memory after {WARM_REQUESTS:,} requests", _sizes(footprints), _size),
    ]
    top, parts = 0.0, []
    for left, right in zip(groups[::2], groups[1::2], strict=True):
        parts += [_group(left, 0, top), _group(right, WIDTH / 2, top)]
        top += _HEAD + _FOOT + _ROW * max(len(left.bars), len(right.bars))
    return sheet(top, parts)


def _group(group: Group, left: float, top: float) -> str:
    start = left + _MARGIN + _NAMES
    width = WIDTH / 2 - _MARGIN - _NAMES - _NUMBERS
    most = max(max(sample.values) for sample in group.bars.values())
    bold = 'font-weight="bold" font-size="13"'
    parts = [text(left + _MARGIN, top + 26, group.title, DARK, bold)]
    for number, (name, sample) in enumerate(group.bars.items()):
        y = top + _HEAD + number * _ROW
        own = name == REGNANT
        colour = FIRST if own else LIMIT if name in _BOUNDS else SOFT
        weight = 'font-weight="bold"' if own else ""
        low, middle, high = (
            start + width * value / most
            for value in (min(sample.values), sample.median, max(sample.values))
        )
        parts += [
            text(start - 8, y + 11, _SHORT.get(name, name), DARK, f'text-anchor="end" {weight}'),
            _bar(start, y, middle - start, colour),
            f'<path d="M{low:.1f} {y + _BAR / 2:.1f}H{high:.1f}" stroke="{DARK}" fill="none"/>',
            text(max(middle, high) + 6, y + 11, group.words(sample.median), DARK, weight),
        ]
    bottom = top + _HEAD + len(group.bars) * _ROW - (_ROW - _BAR)
    axis = f'<path d="M{start} {top + _HEAD - 4}V{bottom + 4}" stroke="{GRID}" fill="none"/>'
    return "\n".join([*parts, axis])


def _bar(left: float, top: float, width: float, colour: str) -> str:
    opacity = 0.9 if colour == FIRST else 0.55
    return (
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{max(width, 1):.1f}" height="{_BAR}" '
        f'fill="{colour}" fill-opacity="{opacity}"/>'
    )


def _of(turns: Turns, value: Callable[[Turn], float]) -> dict[str, Sample]:
    return {name: Sample.of(value(one) for one in found) for name, found in turns.items()}


def _sizes(footprints: Mapping[str, Footprint]) -> dict[str, Sample]:
    return {name: Sample.of([found.memory.rss]) for name, found in footprints.items()}


def _rate(turn: Turn) -> float:
    return turn.per_second


def _late(turn: Turn) -> float:
    return turn.p99 / 1e3


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _time(value: float) -> str:
    return f"{value:.2f} ms" if value < 10 else f"{value:,.0f} ms"


def _size(value: float) -> str:
    return f"{value:.0f} MiB"
