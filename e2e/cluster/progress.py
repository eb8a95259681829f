"""Saying what is being done and how long it took.

One line when a step that takes a while begins, one when it ends. Lines are
written whole, so steps that run side by side never mix within a line.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


def say(message: str) -> None:
    """Write one line to standard error, where it never mixes with a command's output."""
    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()


@contextmanager
def step(title: str, *, announce: bool = False) -> Iterator[None]:
    """Report how long the enclosed work took; `announce` also says when it begins."""
    if announce:
        say(f"        ... {title}")
    began = time.monotonic()
    yield
    say(f"{time.monotonic() - began:6.1f} s    {title}")
