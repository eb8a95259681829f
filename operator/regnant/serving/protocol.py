"""One connection: bytes to requests, responses to bytes, always in order.

httptools parses; this class decides what waits for what. Requests of one connection are answered
one after another, as HTTP/1.1 pipelining demands. Two things stop reading from the socket: too
many requests wait, or a client does not read its answers. Time is one deadline, which the listener
checks once a second; what it means follows from the state.

What a refusal does to the connection: if the rest of the message can be told from the next one, it
is read and thrown away, and the connection lives on. If not (no HTTP, a body too large), the answer
is sent at once and the connection closes, after lingering a moment so that the client can read why.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol, cast

import httptools

from regnant.serving import log
from regnant.serving.exchange import Exchange, Phase
from regnant.serving.messages import KEPT_HEADERS, RequestRefused, bad_request, encode
from regnant.serving.routes import check_body_is_json, explain

if TYPE_CHECKING:
    from collections.abc import Callable

    from regnant.serving.admission import Admission
    from regnant.serving.messages import Respond, Response
    from regnant.serving.routes import Routes
    from regnant.serving.settings import Limits

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_LONGEST_REQUEST_ID = 128
_ANSWERS_A_TURN = 16
"""After so many answers to one connection all others have a turn."""


class Server(Protocol):
    """What a connection asks of whoever listens."""

    routes: Routes
    limits: Limits
    admission: Admission
    draining: bool
    stamp: bytes
    clock: Callable[[], float]

    def opened(self, connection: Connection) -> bool:
        """Count a connection; false if it is one too many."""

    def closed(self, connection: Connection) -> None:
        """Forget a connection."""


class Connection(asyncio.Protocol):
    """The server's end of one connection."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._limits = server.limits
        self._statistics = server.routes.reports.statistics
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._phase = Phase.BETWEEN
        self._incoming = Exchange()
        self._head_parsed = 0
        self._head_fed = 0
        """Bytes of an unfinished head; the parser keeps those of its open line to itself."""
        self._body_bytes = 0
        self._waiting: deque[Exchange] = deque()
        self._answering: Exchange | None = None
        self._advancing = False
        self._answers = 0
        """How many were given in this turn of the event loop."""
        self._rests = False
        self._client_reads = True
        self._reading = True
        self._last_request = False
        self._deadline = 0.0

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept a connection, unless there are too many."""
        self._transport = cast("asyncio.Transport", transport)
        if not self._server.opened(self):
            self._refuse_rest(
                RequestRefused(
                    HTTPStatus.SERVICE_UNAVAILABLE,
                    "there are too many connections",
                    b"retry-after: 1\r\n",
                )
            )
            return
        self._expect_within(self._limits.idle_seconds)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Give back what was held; a running inference gives back its own when it ends."""
        self._transport = None
        self._phase = Phase.NOTHING
        self._server.closed(self)
        for exchange in (self._incoming, *self._waiting):
            self._release(exchange)
        self._waiting.clear()

    def data_received(self, data: bytes) -> None:
        """Parse what arrived; the parser calls the `on_` methods below."""
        if self._phase is Phase.NOTHING:
            return
        incoming = self._incoming
        self._answers = 0
        try:
            self._parser.feed_data(data)
            if self._incoming is incoming and self._phase is Phase.HEAD:
                self._head_fed += len(data)
                self._check_head(self._head_fed)
        except RequestRefused as refused:
            self._refuse_rest(refused)
        except httptools.HttpParserCallbackError as error:
            self._refuse_rest(_cause(error))
        except httptools.HttpParserError as error:
            self._refuse_rest(bad_request(f"this is not HTTP/1.1: {error}"))
        self._control_reading()

    def eof_received(self) -> bool:
        """The client sends no more; it may still wait for answers."""
        is_complete = self._phase in (Phase.BETWEEN, Phase.NOTHING)
        if is_complete and (self._answering or self._waiting):
            self._last_request = True
            self._phase = Phase.NOTHING
            return True
        return False

    def pause_writing(self) -> None:
        """The client does not read as fast as it asks."""
        self._expect_within(self._limits.write_seconds)
        self._client_reads = False
        self._control_reading()

    def resume_writing(self) -> None:
        """The client has read."""
        self._client_reads = True
        self._expect_next()
        self._advance()
        self._control_reading()

    # the parser's side

    def on_message_begin(self) -> None:
        """Start a request."""
        self._phase = Phase.HEAD
        self._head_parsed = self._head_fed = self._body_bytes = 0
        self._expect_within(self._limits.head_seconds)

    def on_url(self, url: bytes) -> None:
        """Collect the target, which may come in parts."""
        self._head_parsed += len(url)
        self._check_head(self._head_parsed)
        self._incoming.request.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep the headers that matter; of trailers none do."""
        self._head_parsed += len(name) + len(value) + 4
        self._check_head(self._head_parsed)
        if self._phase is not Phase.HEAD:
            return
        field = KEPT_HEADERS.get(name.lower())
        if field:
            setattr(self._incoming.request, field, value)

    def on_headers_complete(self) -> None:
        """Decide what the request is for before its body is read."""
        exchange = self._incoming
        request = exchange.request
        request.method = self._parser.get_method()
        request.version = self._parser.get_http_version()
        request.keep_alive = self._parser.should_keep_alive()
        if len(request.request_id) > _LONGEST_REQUEST_ID:
            request.request_id = b""
        self._phase = Phase.BODY
        self._expect_within(self._limits.body_seconds)
        if self._parser.should_upgrade():
            raise bad_request("Upgrade and CONNECT are not served; leave them out")
        if request.version not in ("1.1", "1.0"):
            raise bad_request(f"HTTP/{request.version} is not served; use HTTP/1.1")
        if request.version == "1.1" and request.host is None:
            raise bad_request("the header Host is missing")
        self._check_length(request.content_length or 0)
        try:
            exchange.route = route = self._server.routes.find(request)
            if route.is_inference:
                check_body_is_json(request)
                self._admit(exchange)
        except RequestRefused as refused:
            if request.expect:
                raise
            exchange.refusal = refused
        self._handle_expect(exchange)

    def on_body(self, data: bytes) -> None:
        """Keep a part of the body, or throw it away if its request was refused."""
        exchange = self._incoming
        self._body_bytes += len(data)
        self._check_length(self._body_bytes)
        if not exchange.admitted or exchange.refusal:
            return
        if self._body_bytes > exchange.held:
            self._server.admission.hold(len(data))
            exchange.held += len(data)
        request = exchange.request
        if not request.body:
            request.body = data
            return
        if isinstance(request.body, bytes):
            request.body = bytearray(request.body)
        request.body += data

    def on_message_complete(self) -> None:
        """Put a complete request behind those that came before it."""
        exchange = self._incoming
        exchange.request.completed = time.perf_counter_ns()
        self._incoming = Exchange()
        self._phase = Phase.BETWEEN if exchange.request.keep_alive else Phase.NOTHING
        self._waiting.append(exchange)
        self._advance()

    # the listener's side

    def check_deadline(self, now: float) -> None:
        """Close a connection that has taken too long over what it is at."""
        if now < self._deadline or self._transport is None:
            return
        if not self._client_reads:
            self._transport.abort()
        elif self._answering or self._waiting:
            self._expect_within(self._limits.idle_seconds)
        elif self._phase in (Phase.HEAD, Phase.BODY):
            self._refuse_rest(
                RequestRefused(HTTPStatus.REQUEST_TIMEOUT, "the request took too long to arrive")
            )
        else:
            self._transport.close()

    def close_when_answered(self) -> None:
        """Answer what has arrived, and nothing more."""
        self._last_request = True
        if self._phase is Phase.BETWEEN and not self._answering and not self._waiting:
            self._close()

    def abort(self) -> None:
        """Cut the connection off."""
        if self._transport:
            self._transport.abort()

    # answering

    def _advance(self) -> None:
        """Answer the requests that wait, one at a time, as long as the client reads."""
        if self._advancing or self._rests:
            return
        self._advancing = True
        while self._waiting and self._answering is None and self._client_reads:
            if self._answers == _ANSWERS_A_TURN:
                self._rests = True
                asyncio.get_running_loop().call_soon(self._go_on)
                break
            self._answers += 1
            self._answer(self._waiting.popleft())
        self._advancing = False
        self._send_continue()

    def _go_on(self) -> None:
        """Have the next turn; a few bytes may hold thousands of requests."""
        self._rests = False
        self._answers = 0
        self._advance()
        self._control_reading()

    def _answer(self, exchange: Exchange) -> None:
        self._answering = exchange
        respond: Respond = partial(self._respond, exchange)
        if exchange.refusal:
            respond(exchange.refusal.response())
            return
        assert exchange.route is not None  # noqa: S101 - without a refusal there is a route
        try:
            exchange.route.answer(exchange.request, respond)
        except Exception as error:  # noqa: BLE001 - one request never takes others with it
            respond(explain(error, exchange.request))

    def _respond(self, exchange: Exchange, response: Response) -> None:
        self._release(exchange)
        self._answering = None
        if exchange.route is not None and exchange.route.is_inference:
            self._statistics.answered(exchange.request, response.status)
        if self._transport is None or self._transport.is_closing():
            return
        server = self._server
        is_last = (self._last_request or server.draining) and not (
            self._waiting or self._phase in (Phase.HEAD, Phase.BODY)
        )
        keep_alive = exchange.request.keep_alive and not is_last
        self._transport.write(
            encode(response, exchange.request, server.stamp, keep_alive=keep_alive)
        )
        if not keep_alive:
            self._close()
            return
        self._expect_next()
        if not self._advancing:
            self._advance()
            self._control_reading()

    def _refuse_rest(self, refused: RequestRefused) -> None:
        """Answer what came before, then refuse, and take nothing more from this connection."""
        if self._phase is Phase.NOTHING:
            return
        exchange = self._incoming
        exchange.refusal = refused
        exchange.request.keep_alive = False
        self._incoming = Exchange()
        self._phase = Phase.NOTHING
        self._waiting.append(exchange)
        self._advance()

    def _close(self) -> None:
        """Send what was written, then close.

        A socket that is closed with bytes unread resets the connection, and the client may lose the
        answer. So the sending half is closed first, and what still comes is read for a moment.
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        self._phase = Phase.NOTHING
        for exchange in self._waiting:
            self._release(exchange)
        self._waiting.clear()
        self._release(self._incoming)
        self._expect_within(self._limits.linger_seconds)
        transport.write_eof()

    def _release(self, exchange: Exchange) -> None:
        if exchange.admitted:
            exchange.admitted = False
            self._server.admission.leave(exchange.held)

    # limits

    def _admit(self, exchange: Exchange) -> None:
        """Count an inference before its body is read, and make room for the body."""
        admission = self._server.admission
        admission.enter()
        size = max(0, exchange.request.content_length or 0)
        try:
            admission.hold(size)
        except RequestRefused:
            admission.leave(0)
            raise
        exchange.admitted, exchange.held = True, size

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
        request = exchange.request
        if not request.expect or request.version == "1.0":
            return
        if request.expect.lower() != b"100-continue":
            raise RequestRefused(
                HTTPStatus.EXPECTATION_FAILED, "only Expect: 100-continue is known"
            )
        exchange.awaits_continue = True
        self._send_continue()

    def _send_continue(self) -> None:
        """Ask for the body that a client holds back, once all before it is answered."""
        is_next = not (self._answering or self._waiting)
        if self._phase is Phase.BODY and self._incoming.awaits_continue and is_next:
            self._incoming.awaits_continue = False
            if self._transport and not self._body_bytes:
                self._transport.write(_CONTINUE)

    def _control_reading(self) -> None:
        """Stop reading while there is enough to do, and go on when there is not."""
        if self._transport is None or self._transport.is_closing():
            return
        enough = len(self._waiting) >= self._limits.pipelined or not self._client_reads
        if enough and self._reading:
            self._transport.pause_reading()
        elif not enough and not self._reading:
            self._transport.resume_reading()
        self._reading = not enough

    def _expect_next(self) -> None:
        """Set the deadline that fits what the connection waits for."""
        limits = self._limits
        seconds = {
            Phase.BETWEEN: limits.idle_seconds,
            Phase.HEAD: limits.head_seconds,
            Phase.BODY: limits.body_seconds,
            Phase.NOTHING: limits.linger_seconds,
        }
        self._expect_within(seconds[self._phase])

    def _expect_within(self, seconds: float) -> None:
        """Set the deadline, unless it is for the client to read: no other puts that one off."""
        if self._client_reads:
            self._deadline = self._server.clock() + seconds


def _cause(error: httptools.HttpParserCallbackError) -> RequestRefused:
    """Return the refusal that a callback raised; anything else is a fault of ours."""
    cause = error.__context__
    if isinstance(cause, RequestRefused):
        return cause
    log.failure("a connection failed", cause or error)
    return RequestRefused(HTTPStatus.INTERNAL_SERVER_ERROR, "the server failed; its log says why")
