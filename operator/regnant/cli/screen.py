"""How output looks on this terminal: colours, width and the characters that it can show.

Colours only on a terminal, and not where NO_COLOR is set; what is piped has none. Meaning is never
in colours alone.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TextIO

from rich.console import Console, RenderableType

_PIPED_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Marks:
    """The characters that bars are drawn with."""

    full: str
    empty: str
    interval: str
    estimate: str
    limit: str


UNICODE = Marks(full="█", empty="░", interval="━", estimate="●", limit="┃")
ASCII = Marks(full="#", empty=".", interval="=", estimate="o", limit="|")


def screen(stream: TextIO | None = None) -> Console:
    """The console for output, or for a given stream."""
    stream = stream or sys.stdout
    # What is piped has no width of its own, unless COLUMNS says so.
    width = None if stream.isatty() or "COLUMNS" in os.environ else _PIPED_WIDTH
    return Console(file=stream, width=width, highlight=False, emoji=False, markup=False)


def show(console: Console, what: RenderableType) -> None:
    """Print it; what is piped ends its lines without the spaces that fill them up."""
    if console.is_terminal:
        console.print(what)
        return
    with console.capture() as captured:
        console.print(what)
    lines = (line.rstrip() for line in captured.get().splitlines())
    console.file.write("".join(f"{line}\n" for line in lines))


def marks(console: Console) -> Marks:
    """The characters that this console can show."""
    return ASCII if console.options.ascii_only else UNICODE
