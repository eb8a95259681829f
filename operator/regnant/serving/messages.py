"""Requests, responses and refusals, as the protocol hands them to the routes and back.

A refusal is an exception that is an answer: its status, its sentence and its headers are all that
the client gets. Bytes on the wire are made here and only here.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable

    Respond = Callable[["Response"], None]

_STATUS_LINES = {status.value: f"{status.value} {status.phrase}".encode() for status in HTTPStatus}
_LENGTH_DIGITS = 19
"""As many as a number of 63 bits has: no body is longer."""

KEPT_HEADERS = {
    b"host": "host",
    b"content-length": "announced_length",
    b"transfer-encoding": "transfer_encoding",
    b"content-type": "content_type",
    b"content-encoding": "content_encoding",
    b"expect": "expect",
    b"inference-header-content-length": "announced_json_length",
    b"x-request-id": "request_id",
    b"traceparent": "traceparent",
    b"x-regnant-verify-version": "verifies",
    b"x-regnant-shadow": "shadow",
}
"""The headers that matter, and the field of a request that each goes to."""


class Request:
    """One request, filled in as its bytes arrive; only the headers that matter are kept.

    What a request does not say stands on the class: an instance holds only what was said, which
    is made in a fraction of the time.
    """

    method = b""
    target = b""
    version = "1.1"
    keep_alive = True
    host: bytes | None = None
    announced_length = b""
    announced_json_length = b""
    length: int | None = None
    """How long a body was announced; None for none, -1 for a chunked one."""
    transfer_encoding = b""
    content_type = b""
    content_encoding = b""
    expect = b""
    request_id = b""
    traceparent = b""
    """W3C Trace Context: which span of which trace asks."""
    verifies = b""
    """The version that the operator verifies by it; users ask without."""
    shadow = b""
    completed = 0
    """When its last byte was read, on the clock `time.perf_counter_ns`."""
    body: bytes | bytearray = b""

    @property
    def is_shadow(self) -> bool:
        """Whether the router only copied it to here, and throws the answer away."""
        return self.shadow == b"true"

    @property
    def encoding(self) -> bytes:
        """How the body is compressed, as `inflation` names it."""
        return self.content_encoding.strip().lower()

    @property
    def json_length(self) -> int | None:
        """How many bytes of JSON are before the raw bytes of tensors; None if all is JSON."""
        announced = self.announced_json_length
        if not announced:
            return None
        if not announced.isdigit() or len(announced) > _LENGTH_DIGITS:
            raise bad_request(
                f"Inference-Header-Content-Length: {announced[:60].decode('latin-1')!r} is not a "
                "number of bytes"
            )
        return int(announced)

    @property
    def path(self) -> bytes:
        """The target without its query; of an absolute target, without scheme and authority."""
        path, _, _ = self.target.partition(b"?")
        if path.startswith(b"/"):
            return path
        _, _, rest = path.partition(b"://")
        return b"/" + rest.partition(b"/")[2]

    @property
    def query(self) -> bytes:
        """What follows the target's question mark."""
        return self.target.partition(b"?")[2]


class Response:
    """A status, a body and what else the head must say."""

    __slots__ = ("body", "content_type", "headers", "status")

    def __init__(
        self,
        status: int,
        body: bytes,
        headers: bytes = b"",
        content_type: bytes = b"application/json",
    ) -> None:
        self.status = status
        self.body = body
        self.content_type = content_type
        self.headers = headers
        """Whole lines, each with its line end."""


class RequestRefused(Exception):  # noqa: N818 - an answer to a client, not a failure of the server
    """The request cannot be answered as the client hoped, and this is why."""

    def __init__(self, status: int, message: str, headers: bytes = b"") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers

    def response(self) -> Response:
        """Return the answer that the client gets."""
        return Response(self.status, orjson.dumps({"error": self.message}), self.headers)


def announced_length(request: Request) -> int | None:
    """Read how long a body is to be; None for none, -1 for a chunked one."""
    if request.transfer_encoding:
        return -1
    return int(request.announced_length) if request.announced_length else None


def bad_request(message: str) -> RequestRefused:
    """Refuse what the client can correct."""
    return RequestRefused(HTTPStatus.BAD_REQUEST, message)


def overloaded(message: str) -> RequestRefused:
    """Refuse what the server cannot take now, but may in a second."""
    return RequestRefused(HTTPStatus.SERVICE_UNAVAILABLE, message, b"retry-after: 1\r\n")


def encode(response: Response, request: Request, stamp: bytes, *, keep_alive: bool) -> bytes:
    """Return the bytes of a response; `stamp` is the head lines that every answer carries."""
    identifier = b"x-request-id: %b\r\n" % request.request_id if request.request_id else b""
    if not keep_alive:
        identifier += b"connection: close\r\n"
    elif request.version == "1.0":
        identifier += b"connection: keep-alive\r\n"
    body = response.body
    head = b"HTTP/1.1 %b\r\ncontent-type: %b\r\ncontent-length: %d\r\n%b%b%b\r\n" % (
        _STATUS_LINES[response.status],
        response.content_type,
        len(body),
        stamp,
        response.headers,
        identifier,
    )
    return head if request.method == b"HEAD" else head + body
