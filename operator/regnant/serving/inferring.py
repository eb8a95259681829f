"""One inference, from its request to its answer, whichever protocol spells them."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple, Protocol

import orjson

from regnant.serving import log
from regnant.serving.access_log import trace_of
from regnant.serving.messages import RequestRefused, Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from regnant.serving.codec import InferRequest
    from regnant.serving.datatypes import Array
    from regnant.serving.executor import Executor
    from regnant.serving.messages import Request, Respond
    from regnant.serving.reports import Reports

_NON_FINITE = b"x-regnant-non-finite: true\r\n"
"""Beside an answer with a number that is none: a router lets another version answer instead."""


class Spelled(NamedTuple):
    """The body of an answer."""

    body: bytes
    json_length: int | None = None
    """Where in it the raw bytes of tensors begin; None if all of it is JSON."""


class Spelling(Protocol):
    """How a protocol spells requests and answers."""

    def decode(self, request: Request) -> InferRequest:
        """Read a request, or refuse it."""

    def encode(self, inference: InferRequest, outputs: Mapping[str, Array]) -> Spelled:
        """Write the answer to it."""


class Inferring:
    """Has requests computed, and answers them."""

    def __init__(self, executor: Executor, reports: Reports) -> None:
        self.reports = reports
        self._executor = executor
        self._failures = 0

    def answer(self, spelling: Spelling, request: Request, respond: Respond) -> None:
        """Answer a request, now or when a thread has computed it."""
        inference = spelling.decode(request)
        request.body = b""
        self._executor.submit(
            inference, partial(self._answer, spelling, inference, request, respond)
        )

    @property
    def queued(self) -> int:
        """How many requests wait for a thread."""
        return self._executor.queued

    def close(self) -> None:
        """Let go of the model's threads."""
        self._executor.close()

    def _answer(
        self,
        spelling: Spelling,
        inference: InferRequest,
        request: Request,
        respond: Respond,
        outcome: dict[str, Array] | Exception,
    ) -> None:
        try:
            response = self._tell(spelling, inference, request, outcome)
        except RequestRefused as refused:
            self._note_failure(refused, request)
            response = refused.response()
        except Exception as error:  # noqa: BLE001 - an answer is owed whatever happened
            response = explain(error, request)
        respond(response)

    def _tell(
        self,
        spelling: Spelling,
        inference: InferRequest,
        request: Request,
        outcome: dict[str, Array] | Exception,
    ) -> Response:
        if isinstance(outcome, Exception):
            raise outcome
        body, json_length = spelling.encode(inference, outcome)
        text = body if json_length is None else None
        finite = self.reports.inferred(request, inference.rows, outcome, text)
        headers = b"" if finite else _NON_FINITE
        if json_length is None:
            return Response(HTTPStatus.OK, body, headers)
        headers += b"inference-header-content-length: %d\r\n" % json_length
        return Response(HTTPStatus.OK, body, headers, b"application/octet-stream")

    def _note_failure(self, refused: RequestRefused, request: Request) -> None:
        """Log the first, second, fourth, eighth ... failure: a router hides them from users."""
        if refused.status != HTTPStatus.INTERNAL_SERVER_ERROR:
            return
        self._failures += 1
        if self._failures.bit_count() == 1:
            log.event(
                "the model failed",
                failures=self._failures,
                error=refused.message,
                **trace_of(request),
            )


def explain(error: Exception, request: Request) -> Response:
    """Turn what an answer raised into a response: the client's fault, or ours and logged."""
    if isinstance(error, RequestRefused):
        return error.response()
    log.failure("a request failed", error, **trace_of(request))
    body = orjson.dumps({"error": "the server failed; its log says why"})
    return Response(HTTPStatus.INTERNAL_SERVER_ERROR, body)
