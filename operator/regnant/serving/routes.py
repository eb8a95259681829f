"""Which path means what, and what each answers.

The paths are few and known once the model is, so a request is one look into a table. What is not
in it is explained: a stranger is told whether it is the path, the model or the version that does
not exist. Readiness is the only state: it ends when the drain begins; all else goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

import orjson

from regnant.serving import log
from regnant.serving.codec import decode_request, encode_response
from regnant.serving.messages import RequestRefused, Response
from regnant.serving.query import Whole, parse_query

if TYPE_CHECKING:
    from collections.abc import Callable

    from regnant.serving.codec import InferRequest
    from regnant.serving.datatypes import Array, TensorSpec
    from regnant.serving.executor import Executor
    from regnant.serving.golden import GoldenRows
    from regnant.serving.identity import Identity
    from regnant.serving.messages import Request, Respond
    from regnant.serving.model import Model
    from regnant.serving.reports import Reports

    Answer = Callable[[Request, Respond], None]

_GOLDEN_QUERY = {"rows": Whole(default=16, minimum=1, maximum=10**9)}
_READ = b"GET, HEAD"
_WRITE = b"POST"
_NON_FINITE = b"x-regnant-non-finite: true\r\n"
"""Beside an answer with a number that is none: a router lets another version answer instead."""
_JSON_TYPES = frozenset({b"", b"application/json", b"application/x-www-form-urlencoded"})
"""What bodies of JSON are sent as; the last one is what `curl --data` says of any body."""


@dataclass(frozen=True, slots=True)
class Route:
    """One path: the methods that it takes, and what answers them."""

    methods: bytes
    answer: Answer
    is_inference: bool = False


class Routes:
    """The paths of one served model."""

    def __init__(
        self,
        identity: Identity,
        model: Model,
        golden: GoldenRows,
        executor: Executor,
        reports: Reports,
    ) -> None:
        self.identity = identity
        self.reports = reports
        self.ready = True
        self._model = model
        self._golden = golden
        self._executor = executor
        self._failures = 0
        self._table = self._build()

    def find(self, request: Request) -> Route:
        """Return the route of a request whose head is complete, or refuse it."""
        path = request.path
        route = self._table.get(path) or self._table.get(unquote_to_bytes(path))
        if route is None:
            raise self._not_found(path)
        if request.method not in route.methods.split(b", "):
            raise RequestRefused(
                HTTPStatus.METHOD_NOT_ALLOWED,
                f"{_text(request.method)} is not allowed here; use {_text(route.methods)}",
                b"allow: %b\r\n" % route.methods,
            )
        return route

    def close(self) -> None:
        """Let go of the model's threads."""
        self._executor.close()

    def _build(self) -> dict[bytes, Route]:
        identity = self.identity
        model = f"/v2/models/{identity.model}"
        table: dict[str, Route] = {
            "/v2": Route(_READ, _always(_server_metadata(identity))),
            "/v2/health/live": Route(_READ, _always(b'{"live":true}')),
            "/v2/health/ready": Route(_READ, self._ready({})),
            "/regnant/v1/golden": Route(_READ, self._golden_rows),
            "/regnant/v1/stats": Route(_READ, self.reports.answer_statistics),
            "/regnant/v1/outcomes": Route(_READ, self.reports.answer_outcomes),
        }
        for prefix in (model, f"{model}/versions/{identity.version}"):
            table[prefix] = Route(_READ, _always(self._model_metadata()))
            table[f"{prefix}/ready"] = Route(_READ, self._ready({"name": identity.model}))
            table[f"{prefix}/infer"] = Route(_WRITE, self._infer, is_inference=True)
        return {path.encode(): route for path, route in table.items()}

    def _ready(self, fields: dict[str, str]) -> Answer:
        yes = Response(HTTPStatus.OK, orjson.dumps({**fields, "ready": True}))
        no = Response(HTTPStatus.SERVICE_UNAVAILABLE, orjson.dumps({**fields, "ready": False}))

        def answer(_request: Request, respond: Respond) -> None:
            respond(yes if self.ready else no)

        return answer

    def _infer(self, request: Request, respond: Respond) -> None:
        inference = decode_request(request.body, self._model.interface)
        request.body = b""
        self._executor.submit(inference, partial(self._answer, inference, request, respond))

    def _answer(
        self,
        inference: InferRequest,
        request: Request,
        respond: Respond,
        outcome: dict[str, Array] | Exception,
    ) -> None:
        try:
            response = self._encode(inference, request, outcome)
        except RequestRefused as refused:
            self._note_failure(refused, request)
            response = refused.response()
        except Exception as error:  # noqa: BLE001 - an answer is owed whatever happened
            response = explain(error, request)
        respond(response)

    def _encode(
        self, inference: InferRequest, request: Request, outcome: dict[str, Array] | Exception
    ) -> Response:
        if isinstance(outcome, Exception):
            raise outcome
        head = {"model_name": self.identity.model, "model_version": self.identity.version}
        if inference.id is not None:
            head["id"] = inference.id
        body = encode_response(head, outcome, self._model.interface.outputs)
        finite = self.reports.inferred(request, inference.rows, outcome, body)
        return Response(HTTPStatus.OK, body, b"" if finite else _NON_FINITE)

    def _note_failure(self, refused: RequestRefused, request: Request) -> None:
        """Log the first, second, fourth, eighth ... failure: a router hides them from users."""
        if refused.status != HTTPStatus.INTERNAL_SERVER_ERROR:
            return
        self._failures += 1
        if self._failures.bit_count() == 1:
            log.event(
                "the model failed",
                failures=self._failures,
                requestId=_text(request.request_id),
                error=refused.message,
            )

    def _golden_rows(self, request: Request, respond: Respond) -> None:
        asked = parse_query(request.query, _GOLDEN_QUERY)
        document = self._golden.to_document(asked["rows"])
        document["digest"] = self.identity.digest
        respond(Response(HTTPStatus.OK, orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)))

    def _model_metadata(self) -> bytes:
        interface = self._model.interface
        return orjson.dumps(
            {
                "name": self.identity.model,
                "versions": [self.identity.version],
                "platform": "onnxruntime_onnx",
                "inputs": [_describe(spec) for spec in interface.inputs.values()],
                "outputs": [_describe(spec) for spec in interface.outputs.values()],
            }
        )

    def _not_found(self, path: bytes) -> RequestRefused:
        identity = self.identity
        parts = _text(path[:200]).split("/")
        if parts[1:3] == ["v2", "models"] and len(parts) > 3:  # noqa: PLR2004
            if parts[3] != identity.model:
                return _missing(f"model {parts[3]!r} is not served here; {identity.model!r} is")
            if parts[4:5] == ["versions"] and parts[5:6] != [identity.version]:
                return _missing(
                    f"version {''.join(parts[5:6])!r} of model {identity.model!r} is not served "
                    f"here; {identity.version!r} is"
                )
        return _missing(f"there is nothing at {_text(path[:200])!r}; start at /v2")


def explain(error: Exception, request: Request) -> Response:
    """Turn what an answer raised into a response: the client's fault, or ours and logged."""
    if isinstance(error, RequestRefused):
        return error.response()
    log.failure("a request failed", error, requestId=_text(request.request_id))
    body = orjson.dumps({"error": "the server failed; its log says why"})
    return Response(HTTPStatus.INTERNAL_SERVER_ERROR, body)


def check_body_is_json(request: Request) -> None:
    """Refuse a body that is announced as something else."""
    if request.content_length is None:
        raise RequestRefused(
            HTTPStatus.LENGTH_REQUIRED,
            "the body has no length; send Content-Length or Transfer-Encoding: chunked",
        )
    media_type = request.content_type.partition(b";")[0].strip().lower()
    if media_type not in _JSON_TYPES:
        raise RequestRefused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"content-type: {_text(media_type)!r} is not served; send application/json",
        )
    if request.content_encoding.strip().lower() not in (b"", b"identity"):
        raise RequestRefused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"content-encoding: {_text(request.content_encoding)!r} is not served; "
            "send the body as it is",
            b"accept-encoding: identity\r\n",
        )


def _always(body: bytes) -> Answer:
    response = Response(HTTPStatus.OK, body)

    def answer(_request: Request, respond: Respond) -> None:
        respond(response)

    return answer


def _server_metadata(identity: Identity) -> bytes:
    return orjson.dumps({"name": "regnant", "version": identity.software, "extensions": []})


def _describe(spec: TensorSpec) -> dict[str, object]:
    return {"name": spec.name, "datatype": spec.datatype.name, "shape": list(spec.shape)}


def _missing(message: str) -> RequestRefused:
    return RequestRefused(HTTPStatus.NOT_FOUND, message)


def _text(content: bytes) -> str:
    return content.decode("latin-1")
