"""Samples, tables, and the page that holds them.

The page is written by people; only what stands between its two markers is made here.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

BEGIN = "<!-- measured: written by `make bench` -->"
END = "<!-- measured: end -->"


@dataclass(frozen=True)
class Sample:
    """The same thing, measured several times."""

    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Iterable[float]) -> Sample:
        """Any number of values, at least one."""
        return cls(tuple(values))

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.values)

    @property
    def count(self) -> str:
        """How often it was measured, in words."""
        return "Once each" if len(self.values) == 1 else f"{len(self.values)} times each"

    def cells(self, digits: int, unit: str = "") -> list[str]:
        """The median and the spread, as two cells of a table."""
        low, high = min(self.values), max(self.values)
        tail = f" {unit}" if unit else ""
        return [f"{self.median:,.{digits}f}{tail}", f"{low:,.{digits}f} to {high:,.{digits}f}"]


@dataclass(frozen=True)
class Table:
    """One table, and what to know to read it."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str

    def markdown(self) -> str:
        """As it stands in the page."""
        lines = [self.columns, ["---"] * len(self.columns), *self.rows]
        text = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
        return f"### {self.title}\n\n{text}\n\n{self.note}"


def say(title: str) -> None:
    """Head what is printed from now on."""
    print(f"\n\033[1m== {title}\033[0m", flush=True)


def rounds(most: int, until: float) -> Iterator[int]:
    """Numbers from 1, at least one, and none that would begin after `until` on the clock."""
    for number in range(1, most + 1):
        if number > 1 and time.monotonic() > until:
            print(f"   the time is over after {number - 1} of {most} rounds", flush=True)
            return
        yield number


def verdict(value: float, limit: float) -> str:
    """Whether a goal is met, in a word."""
    return "met" if value <= limit else "missed"


def reached(value: float, least: float) -> str:
    """The same for a goal from below."""
    return "met" if value >= least else "missed"


def insert(page: Path, measured: str, begin: str = BEGIN, end: str = END) -> None:
    """Put new figures where the old ones stand, between two markers."""
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    page.write_text(f"{before}{begin}\n\n{measured}\n\n{end}{after}", encoding="utf-8")
