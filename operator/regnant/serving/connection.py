"""One connection: what waits for what, and until when.

Requests, as `parsing` finds them, are answered one after another, as HTTP/1.1 pipelining demands.
Two things stop reading from the socket: too many requests wait, or a client does not read its
answers. Time is one deadline, which the listener checks once a second; what it means follows from
the state.

What a refusal does to the connection: if the rest of the message can be told from the next one, it
is read and thrown away, and the connection lives on. If not (no HTTP, a body too large), the answer
is sent at once and the connection closes, after lingering a moment so that the client can read why.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol, cast

import httptools

from regnant.serving.exchange import Phase
from regnant.serving.inferring import explain
from regnant.serving.messages import RequestRefused, encode
from regnant.serving.parsing import RequestParser, refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from regnant.serving.access_log import AccessLog
    from regnant.serving.admission import Admission
    from regnant.serving.exchange import Exchange
    from regnant.serving.messages import Respond, Response
    from regnant.serving.paths import Paths
    from regnant.serving.settings import Limits
    from regnant.serving.statistics import Statistics

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_ANSWERS_A_TURN = 16
"""After so many answers to one connection all others have a turn."""


class Server(Protocol):
    """What a connection asks of whoever listens."""

    paths: Paths
    limits: Limits
    admission: Admission
    statistics: Statistics
    access_log: AccessLog | None
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
        limits = server.limits
        self._limits = limits
        self._patience = (
            limits.idle_seconds,
            limits.head_seconds,
            limits.body_seconds,
            limits.linger_seconds,
        )
        """How long to wait in each phase, in seconds."""
        self._statistics = server.statistics
        self._access_log = server.access_log
        self._requests = RequestParser(self, server.paths, server.limits, server.admission)
        self._transport: asyncio.Transport | None = None
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
        self._server.closed(self)
        for exchange in (self._requests.end(), *self._waiting):
            self._server.admission.release(exchange)
        self._waiting.clear()

    def data_received(self, data: bytes) -> None:
        """Parse what arrived; what is found comes back by the methods for the parser."""
        requests = self._requests
        phase, incoming, body_bytes = requests.phase, requests.incoming, requests.body_bytes
        if phase is Phase.NOTHING:
            return
        self._answers = 0
        try:
            requests.feed(data)
            if requests.incoming is incoming and requests.body_bytes == body_bytes:
                requests.grow_head(len(data))
        except (RequestRefused, httptools.HttpParserError) as error:
            self._refuse_rest(refusal(error))
        if requests.phase is not phase or requests.incoming is not incoming:
            self._expect_next()
        self._control_reading()

    def eof_received(self) -> bool:
        """The client sends no more; it may still wait for answers to what it sent whole."""
        if self._answering or self._waiting:
            self._last_request = True
            self._server.admission.release(self._requests.end())
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

    def received(self, exchange: Exchange) -> None:
        """Put a complete request behind those that came before it."""
        self._waiting.append(exchange)
        self._advance()

    def ask_for_body(self) -> None:
        """Ask for the body that a client holds back, once all before it is answered."""
        requests = self._requests
        is_next = not (self._answering or self._waiting)
        if requests.phase is Phase.BODY and requests.incoming.awaits_continue and is_next:
            requests.incoming.awaits_continue = False
            if self._transport and not requests.body_bytes:
                self._transport.write(_CONTINUE)

    # the listener's side

    def check_deadline(self, now: float) -> None:
        """Close a connection that has taken too long over what it is at."""
        if now < self._deadline or self._transport is None:
            return
        if not self._client_reads:
            self._transport.abort()
        elif self._answering or self._waiting:
            self._expect_within(self._limits.idle_seconds)
        elif self._requests.phase in (Phase.HEAD, Phase.BODY):
            self._refuse_rest(
                RequestRefused(HTTPStatus.REQUEST_TIMEOUT, "the request took too long to arrive")
            )
        else:
            self._transport.close()

    def close_when_answered(self) -> None:
        """Answer what has arrived, and nothing more."""
        self._last_request = True
        is_idle = self._requests.phase is Phase.BETWEEN
        if is_idle and not self._answering and not self._waiting:
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
        if self._requests.phase is Phase.BODY:
            self.ask_for_body()

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
        self._server.admission.release(exchange)
        self._answering = None
        if exchange.route is not None and exchange.route.is_inference:
            self._statistics.answered(exchange.request, response.status)
            if self._access_log:
                self._access_log.answered(exchange.request, response)
        if self._transport is None or self._transport.is_closing():
            return
        server = self._server
        is_last = (self._last_request or server.draining) and not (
            self._waiting or self._requests.phase in (Phase.HEAD, Phase.BODY)
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
        if self._requests.phase is Phase.NOTHING:
            return
        exchange = self._requests.end()
        exchange.refusal = refused
        exchange.request.keep_alive = False
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
        for exchange in (self._requests.end(), *self._waiting):
            self._server.admission.release(exchange)
        self._waiting.clear()
        self._expect_within(self._limits.linger_seconds)
        transport.write_eof()

    def _control_reading(self) -> None:
        """Stop reading while there is enough to do, and go on when there is not."""
        reading = self._client_reads and len(self._waiting) < self._limits.pipelined
        if reading is self._reading or self._transport is None or self._transport.is_closing():
            return
        self._reading = reading
        if reading:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _expect_next(self) -> None:
        """Set the deadline that fits what the connection waits for."""
        self._expect_within(self._patience[self._requests.phase])

    def _expect_within(self, seconds: float) -> None:
        """Set the deadline, unless it is for the client to read: no other puts that one off."""
        if self._client_reads:
            self._deadline = self._server.clock() + seconds
