"""What a connection keeps of a request while it comes in, waits and is answered."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from regnant.serving.messages import Request

if TYPE_CHECKING:
    from regnant.serving.messages import RequestRefused
    from regnant.serving.routes import Route


class Phase(Enum):
    """What the bytes that arrive belong to."""

    BETWEEN = auto()
    HEAD = auto()
    BODY = auto()
    NOTHING = auto()
    """The connection is closing; bytes are thrown away."""


class Exchange:
    """A request with what becomes of it."""

    __slots__ = ("admitted", "awaits_continue", "held", "refusal", "request", "route")

    def __init__(self) -> None:
        self.request = Request()
        self.route: Route | None = None
        self.refusal: RequestRefused | None = None
        self.admitted = False
        """Whether it counts as in flight, and how many bytes it holds."""
        self.held = 0
        self.awaits_continue = False
