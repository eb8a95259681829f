"""Saying what is being done and how long it took.

One line when a step that takes a while begins, one a minute while it goes on, one
when it ends: nobody who waits for the first `make demo` must wonder whether it still
works. Lines are written whole, so steps that run side by side never mix within one.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_REASSURE_SECONDS = 60.0


def say(message: str) -> None:
    """Write one line to standard error, where it never mixes with a command's output."""
    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()


@contextmanager
def step(done: str) -> Iterator[None]:
    """Report how long the enclosed work took."""
    began = time.monotonic()
    yield
    say(f"{time.monotonic() - began:6.1f} s    {done}")


@contextmanager
def long_step(
    doing: str, done: str, *, reassure_every: float = _REASSURE_SECONDS
) -> Iterator[None]:
    """Announce work, say every now and then that it goes on, report how long it took."""
    say(f"        ... {doing}")
    began = time.monotonic()
    over = threading.Event()

    def reassure() -> None:
        while not over.wait(reassure_every):
            say(f"{time.monotonic() - began:6.0f} s  ... still {doing}")

    voice = threading.Thread(target=reassure, daemon=True)
    voice.start()
    try:
        with step(done):
            yield
    finally:
        over.set()
        voice.join()
