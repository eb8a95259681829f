"""Which path is answered by what: one look into a table.

What a path means is said where its table is made: `routes` for a model, `metrics` for Prometheus.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

from regnant.serving.messages import RequestRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from regnant.serving.messages import Request, Respond

    Answer = Callable[[Request, Respond], None]

READ: Final = (b"GET", b"HEAD")
WRITE: Final = (b"POST",)


@dataclass(frozen=True, slots=True)
class Route:
    """One path: the methods that it takes, and what answers them."""

    methods: tuple[bytes, ...]
    answer: Answer
    is_inference: bool = False

    @property
    def allowed(self) -> bytes:
        """The methods, as a header names them."""
        return b", ".join(self.methods)


class Paths:
    """What is served at one port."""

    def __init__(self, routes: Mapping[bytes, Route], start: str) -> None:
        self._routes = routes
        self._start = start
        """Where a stranger should begin."""

    def find(self, request: Request) -> Route:
        """Return the route of a request whose head is complete, or refuse it."""
        route = self._routes.get(request.target) or self._named_otherwise(request.path)
        if request.method not in route.methods:
            raise RequestRefused(
                HTTPStatus.METHOD_NOT_ALLOWED,
                f"{text(request.method)} is not allowed here; use {text(route.allowed)}",
                b"allow: %b\r\n" % route.allowed,
            )
        return route

    def explain(self, path: bytes) -> str:
        """Say why there is nothing at a path."""
        return f"there is nothing at {text(path[:200])!r}; start at {self._start}"

    def _named_otherwise(self, path: bytes) -> Route:
        """Find what a path with a query, an authority or escapes stands for."""
        route = self._routes.get(path) or self._routes.get(unquote_to_bytes(path))
        if route is None:
            raise RequestRefused(HTTPStatus.NOT_FOUND, self.explain(path))
        return route


def text(content: bytes) -> str:
    """Show bytes of a head, whatever they are."""
    return content.decode("latin-1")
