"""Which path means what, and what each answers.

The paths are few and known once the model is, so a request is one look into a table. What is not
in it is explained: a stranger is told whether it is the path, the model or the version that does
not exist. Readiness is the only state: it ends when the drain begins; all else goes on.
"""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

import orjson

from regnant.serving import inflation, openapi
from regnant.serving.codec import OpenInference
from regnant.serving.messages import RequestRefused, Response, bad_request
from regnant.serving.paths import READ, WRITE, Paths, Route, text
from regnant.serving.query import Whole, parse_query
from regnant.serving.runtime import this_runtime
from regnant.serving.wording import clipped

if TYPE_CHECKING:
    from regnant.serving.datatypes import Interface, TensorSpec
    from regnant.serving.golden import GoldenRows
    from regnant.serving.identity import Identity
    from regnant.serving.inferring import Inferring
    from regnant.serving.messages import Request, Respond
    from regnant.serving.paths import Answer
    from regnant.serving.tabular import Table

_GOLDEN_QUERY = {"rows": Whole(default=16, minimum=1, maximum=10**9)}
_EXTENSIONS = ["binary_tensor_data"]
_JSON_TYPES = frozenset({b"", b"application/json", b"application/x-www-form-urlencoded"})
"""What bodies of JSON are sent as; the last one is what `curl --data` says of any body."""


class Routes(Paths):
    """The paths of one served model."""

    def __init__(
        self,
        identity: Identity,
        interface: Interface,
        table: Table | None,
        golden: GoldenRows,
        inferring: Inferring,
    ) -> None:
        self.identity = identity
        self.reports = inferring.reports
        self.ready = True
        self._interface = interface
        self._table = table
        self._golden = golden
        self._inferring = inferring
        super().__init__(self._build(), "/v2")

    @property
    def queued(self) -> int:
        """How many inferences wait for a thread."""
        return self._inferring.queued

    def close(self) -> None:
        """Let go of the model's threads."""
        self._inferring.close()

    def _build(self) -> dict[bytes, Route]:
        identity = self.identity
        model = f"/v2/models/{identity.model}"
        infer = partial(self._inferring.answer, OpenInference(identity, self._interface))
        paths: dict[str, Route] = {
            "/v2": Route(READ, _always(_server_metadata(identity))),
            "/v2/openapi.json": Route(READ, self._openapi()),
            "/v2/health/live": Route(READ, _always(b'{"live":true}')),
            "/v2/health/ready": Route(READ, self._ready({})),
            "/regnant/v1/golden": Route(READ, self._golden_rows),
            "/regnant/v1/stats": Route(READ, self.reports.answer_statistics),
            "/regnant/v1/outcomes": Route(READ, self.reports.answer_outcomes),
        }
        for prefix in (model, f"{model}/versions/{identity.version}"):
            paths[prefix] = Route(READ, _always(self._model_metadata()))
            paths[f"{prefix}/ready"] = Route(READ, self._ready({"name": identity.model}))
            paths[f"{prefix}/infer"] = Route(WRITE, infer, is_inference=True)
        paths |= self._rows_by_name(identity.model)
        return {path.encode(): route for path, route in paths.items()}

    def _ready(self, fields: dict[str, str]) -> Answer:
        yes = Response(HTTPStatus.OK, orjson.dumps({**fields, "ready": True}))
        no = Response(HTTPStatus.SERVICE_UNAVAILABLE, orjson.dumps({**fields, "ready": False}))

        def answer(_request: Request, respond: Respond) -> None:
            respond(yes if self.ready else no)

        return answer

    def _rows_by_name(self, model: str) -> dict[str, Route]:
        """The paths of protocol V1."""
        table = self._table
        predict = partial(self._inferring.answer, table) if table else _refuse_rows
        paths = {
            "/": Route(READ, _always(b'{"status":"alive"}')),
            "/v1/models": Route(READ, _always(orjson.dumps({"models": [model]}))),
        }
        for name in (model, f"{model}/versions/{self.identity.version}"):
            paths[f"/v1/models/{name}"] = Route(READ, self._ready({"name": model}))
            paths[f"/v1/models/{name}:predict"] = Route(WRITE, predict, is_inference=True)
        return paths

    def _openapi(self) -> Answer:
        document = openapi.describe(self.identity, self._interface, self._table, self._golden)
        return _always(orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY))

    def _golden_rows(self, request: Request, respond: Respond) -> None:
        asked = parse_query(request.query, _GOLDEN_QUERY)
        document = self._golden.to_document(asked["rows"])
        document["digest"] = self.identity.digest
        respond(Response(HTTPStatus.OK, orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)))

    def _model_metadata(self) -> bytes:
        interface = self._interface
        return orjson.dumps(
            {
                "name": self.identity.model,
                "versions": [self.identity.version],
                "platform": "onnxruntime_onnx",
                "inputs": [_describe(spec) for spec in interface.inputs.values()],
                "outputs": [_describe(spec) for spec in interface.outputs.values()],
                "parameters": this_runtime(),
            }
        )

    def explain(self, path: bytes) -> str:
        """Tell a stranger whether the path, the model or the version does not exist."""
        identity = self.identity
        parts = text(path[:200]).partition(":")[0].split("/")
        if parts[1:3] in (["v1", "models"], ["v2", "models"]) and len(parts) > 3:  # noqa: PLR2004
            if parts[3] != identity.model:
                return f"model {parts[3]!r} is not served here; {identity.model!r} is"
            if parts[4:5] == ["versions"] and parts[5:6] != [identity.version]:
                return (
                    f"version {''.join(parts[5:6])!r} of model {identity.model!r} is not served "
                    f"here; {identity.version!r} is"
                )
        return super().explain(path)


def check_body(request: Request) -> None:
    """Refuse a body that is announced as something else than an inference request."""
    if request.length is None:
        raise RequestRefused(
            HTTPStatus.LENGTH_REQUIRED,
            "the body has no length; send Content-Length or Transfer-Encoding: chunked",
        )
    # Clients of the binary extension send any type, or none.
    if request.content_type not in _JSON_TYPES and request.json_length is None:
        _check_media_type(request.content_type.partition(b";")[0].strip().lower())
    if request.content_encoding and request.encoding not in inflation.SERVED:
        raise RequestRefused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"content-encoding: {clipped(text(request.content_encoding))!r} is not served; "
            "send the body as it is, or as gzip",
            b"accept-encoding: gzip, deflate, identity\r\n",
        )


def _check_media_type(media_type: bytes) -> None:
    if media_type not in _JSON_TYPES:
        raise RequestRefused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"content-type: {clipped(text(media_type))!r} is not served; send application/json",
        )


def _always(body: bytes) -> Answer:
    response = Response(HTTPStatus.OK, body)

    def answer(_request: Request, respond: Respond) -> None:
        respond(response)

    return answer


def _refuse_rows(_request: Request, _respond: Respond) -> None:
    raise bad_request("what this model takes are no rows of columns; send tensors, to /v2")


def _server_metadata(identity: Identity) -> bytes:
    return orjson.dumps(
        {"name": "regnant", "version": identity.software, "extensions": _EXTENSIONS}
    )


def _describe(spec: TensorSpec) -> dict[str, object]:
    return {"name": spec.name, "datatype": spec.datatype.name, "shape": list(spec.shape)}
