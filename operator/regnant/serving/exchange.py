"""What a connection keeps of a request while it comes in, waits and is answered."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from regnant.serving.messages import Request

if TYPE_CHECKING:
    from regnant.serving.messages import RequestRefused
    from regnant.serving.paths import Route


class Phase(IntEnum):
    """What the bytes that arrive belong to."""

    BETWEEN = 0
    HEAD = 1
    BODY = 2
    NOTHING = 3
    """The connection is closing; bytes are thrown away."""


class Exchange:
    """A request with what becomes of it."""

    route: Route | None = None
    refusal: RequestRefused | None = None
    admitted = False
    """Whether it counts as in flight, and how many bytes it holds."""
    held = 0
    awaits_continue = False

    def __init__(self) -> None:
        self.request = Request()
