"""From bytes to requests: what httptools finds on one connection, held against the limits of size.

httptools calls the `on_` methods; what they find becomes an exchange, which is routed and admitted
before its body is read, and handed over when it is complete. A refused request whose end can be
told from the next one is read on, and its body thrown away; any other refusal is raised, and ends
the connection. Limits of time are the connection's, and those over all connections `admission`'s.
"""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

import httptools

from regnant.serving import log
from regnant.serving.exchange import Exchange, Phase
from regnant.serving.inflation import inflate
from regnant.serving.messages import KEPT_HEADERS, RequestRefused, announced_length, bad_request
from regnant.serving.routes import check_body

if TYPE_CHECKING:
    from regnant.serving.admission import Admission
    from regnant.serving.paths import Paths
    from regnant.serving.settings import Limits

_LONGEST_REQUEST_ID = 128


class Receiver(Protocol):
    """Who is told of the requests that are found."""

    def ask_for_body(self) -> None:
        """Send 100 Continue when it is time: the client holds its body back."""

    def received(self, exchange: Exchange) -> None:
        """Take a complete request."""


class RequestParser:
    """The requests that arrive on one connection, one after another."""

    def __init__(
        self, receiver: Receiver, paths: Paths, limits: Limits, admission: Admission
    ) -> None:
        self._receiver = receiver
        self._paths = paths
        self._limits = limits
        self._admission = admission
        self._parser = httptools.HttpRequestParser(self)
        self.feed = self._parser.feed_data
        """Parse what arrived; what it raises is read by `refusal`."""
        self.phase = Phase.BETWEEN
        self.incoming = Exchange()
        self.body_bytes = 0
        """How much of the body was read so far."""
        self._head_parsed = 0
        self._head_fed = 0
        """Bytes of unfinished lines; the parser keeps those of the open one to itself."""

    def end(self) -> Exchange:
        """Take nothing more; returns what was coming in, as far as it came."""
        exchange, self.incoming = self.incoming, Exchange()
        self.phase = Phase.NOTHING
        return exchange

    def grow_head(self, size: int) -> None:
        """Count what was fed without an end of the head, or of the trailers behind a body.

        Bytes of a body are counted as such, and what frames them is not kept.
        """
        if self.phase is not Phase.BETWEEN:
            self._head_fed += size
            self._check_head(self._head_fed)

    # what httptools calls

    def on_message_begin(self) -> None:
        """Start a request, unless the answer to the one before it ended the connection."""
        if self.phase is Phase.NOTHING:
            raise bad_request("this connection takes no more requests")
        self.phase = Phase.HEAD
        self._head_parsed = self._head_fed = 0

    def on_url(self, url: bytes) -> None:
        """Collect the target, which may come in parts."""
        self._head_parsed += len(url)
        self._check_head(self._head_parsed)
        self.incoming.request.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep the headers that matter; of trailers none do."""
        self._head_parsed += len(name) + len(value) + 4
        if self._head_parsed > self._limits.head_bytes:
            self._check_head(self._head_parsed)
        field = KEPT_HEADERS.get(name.lower())
        if field and self.phase is Phase.HEAD:
            setattr(self.incoming.request, field, value)

    def on_headers_complete(self) -> None:
        """Decide what the request is for before its body is read."""
        exchange = self.incoming
        request = exchange.request
        request.method = self._parser.get_method()
        request.version = self._parser.get_http_version()
        request.keep_alive = self._parser.should_keep_alive()
        if len(request.request_id) > _LONGEST_REQUEST_ID:
            request.request_id = b""
        self.phase = Phase.BODY
        if self._parser.should_upgrade():
            raise bad_request("Upgrade and CONNECT are not served; leave them out")
        if request.version not in ("1.1", "1.0"):
            raise bad_request(f"HTTP/{request.version} is not served; use HTTP/1.1")
        if request.version == "1.1" and request.host is None:
            raise bad_request("the header Host is missing")
        request.length = announced_length(request)
        self._check_length(request.length or 0)
        try:
            exchange.route = route = self._paths.find(request)
            if route.is_inference:
                check_body(request)
                self._admission.admit(exchange)
        except RequestRefused as refused:
            if request.expect:
                raise
            exchange.refusal = refused
        if request.expect and request.version != "1.0":
            self._handle_expect(exchange)

    def on_body(self, data: bytes) -> None:
        """Keep a part of the body, or throw it away if its request was refused."""
        exchange = self.incoming
        self._head_fed = 0
        self.body_bytes += len(data)
        self._check_length(self.body_bytes)
        if not exchange.admitted or exchange.refusal:
            return
        if self.body_bytes > exchange.held:
            self._admission.hold(exchange, len(data))
        request = exchange.request
        if not request.body:
            request.body = data
            return
        if isinstance(request.body, bytes):
            request.body = bytearray(request.body)
        request.body += data

    def on_message_complete(self) -> None:
        """Hand a complete request over."""
        exchange = self.incoming
        exchange.request.completed = time.perf_counter_ns()
        self.body_bytes = 0
        if exchange.request.content_encoding and exchange.admitted:
            self._inflate(exchange)
        self.incoming = Exchange()
        self.phase = Phase.BETWEEN if exchange.request.keep_alive else Phase.NOTHING
        self._receiver.received(exchange)

    def _inflate(self, exchange: Exchange) -> None:
        request = exchange.request
        try:
            request.body = inflate(request.body, request.encoding, self._limits.body_bytes)
            self._admission.hold(exchange, max(0, len(request.body) - exchange.held))
        except RequestRefused as refused:
            exchange.refusal = refused

    # limits

    def _check_head(self, size: int) -> None:
        if size > self._limits.head_bytes:
            raise RequestRefused(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                f"the request's head exceeds {self._limits.head_bytes} bytes",
            )

    def _check_length(self, size: int) -> None:
        if size > self._limits.body_bytes:
            raise RequestRefused(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"the body exceeds {self._limits.body_bytes} bytes; send fewer rows at once",
            )

    def _handle_expect(self, exchange: Exchange) -> None:
        if exchange.request.expect.lower() != b"100-continue":
            raise RequestRefused(
                HTTPStatus.EXPECTATION_FAILED, "only Expect: 100-continue is known"
            )
        exchange.awaits_continue = True
        self._receiver.ask_for_body()


def refusal(error: RequestRefused | httptools.HttpParserError) -> RequestRefused:
    """Why a connection takes nothing more: what `feed` raised, as an answer to the client."""
    if isinstance(error, RequestRefused):
        return error
    if not isinstance(error, httptools.HttpParserCallbackError):
        return bad_request(f"this is not HTTP/1.1: {error}")
    cause = error.__context__
    if isinstance(cause, RequestRefused):
        return cause
    log.failure("a connection failed", cause or error)
    return RequestRefused(HTTPStatus.INTERNAL_SERVER_ERROR, "the server failed; its log says why")
