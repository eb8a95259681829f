"""The OpenAPI document of one served model, with its own tensors, columns and examples that work.

The examples are a golden row, so whoever sends one as it is gets an answer. What JSON Schema cannot
say, that the number of elements is the product of the shape, is said in words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from regnant.serving.datatypes import Datatype, Interface, TensorSpec
    from regnant.serving.golden import GoldenRows
    from regnant.serving.identity import Identity
    from regnant.serving.tabular import Table

    Schema = dict[str, Any]

VERSION = "3.1.0"
_JSON = "application/json"
_ERROR: Schema = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string", "description": "What was wrong, and the remedy."}},
}
_PARAMETERS: Schema = {"type": ["object", "null"]}
_TOLD_BY = {
    name: {"schema": {"type": "string"}, "description": text}
    for name, text in {
        "x-regnant-model": "The model line that answered.",
        "x-regnant-version": "Its version.",
        "x-regnant-digest": "The digest of the bundle that was served.",
    }.items()
}


def describe(
    identity: Identity, interface: Interface, table: Table | None, golden: GoldenRows
) -> Schema:
    """Write the document."""
    paths = {
        "/v2": _get("The server, and which extensions it has.", {"name", "version", "extensions"}),
        "/v2/openapi.json": _get("This document.", {"openapi", "info", "paths"}),
        "/v2/health/live": _get("Whether the server runs.", {"live"}),
        "/v2/health/ready": _get("Whether the server takes requests.", {"ready"}),
        "/v1/models": _get("The models that are served.", {"models"}),
    }
    one_row = golden.to_document(1)["request"]
    for name in (identity.model, f"{identity.model}/versions/{identity.version}"):
        paths |= {
            f"/v2/models/{name}": _get("What the model takes and gives.", {"inputs", "outputs"}),
            f"/v2/models/{name}/ready": _get("Whether the model takes requests.", {"ready"}),
            f"/v2/models/{name}/infer": _post(
                "Infer from tensors, by the Open Inference Protocol.",
                _tensors_request(interface),
                _tensors_answer(interface),
                one_row,
            ),
            f"/v1/models/{name}": _get("Whether the model takes requests.", {"ready"}),
        }
        if table:
            paths[f"/v1/models/{name}:predict"] = _post(
                "Predict from rows, by the names of their columns.",
                _rows_request(table),
                _rows_answer(),
                {"instances": [table.spell(golden.inputs, 0)]},
            )
    return {
        "openapi": VERSION,
        "info": {
            "title": f"The model {identity.model}",
            "version": identity.version,
            "description": f"Served by Regnant {identity.software}, bundle {identity.digest}.",
        },
        "paths": paths,
    }


def _get(summary: str, fields: Iterable[str]) -> Schema:
    schema = {"type": "object", "required": sorted(fields)}
    return {"get": {"summary": summary, "responses": _responses(schema)}}


def _post(summary: str, request: Schema, answer: Schema, example: object) -> Schema:
    body = {"required": True, "content": {_JSON: {"schema": request, "example": example}}}
    return {"post": {"summary": summary, "requestBody": body, "responses": _responses(answer)}}


def _responses(schema: Schema) -> Schema:
    failed = {"content": {_JSON: {"schema": _ERROR}}, "headers": _TOLD_BY}
    return {
        "200": {
            "description": "The answer.",
            "content": {_JSON: {"schema": schema}},
            "headers": _TOLD_BY,
        },
        "4XX": {"description": "The request does not fit; the error says why.", **failed},
        "5XX": {"description": "The model failed, or the server has too much to do.", **failed},
    }


def _tensors_request(interface: Interface) -> Schema:
    return {
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": {"type": ["string", "null"]},
            "parameters": _PARAMETERS,
            "inputs": {
                "type": "array",
                "minItems": len(interface.inputs),
                "maxItems": len(interface.inputs),
                "items": _any_of(_tensor(spec) for spec in interface.inputs.values()),
            },
            "outputs": {
                "type": ["array", "null"],
                "description": "The outputs to compute; all when none is named.",
                "items": {
                    "type": "object",
                    "required": ["name"],
                    "properties": {
                        "name": {"enum": list(interface.outputs)},
                        "parameters": _PARAMETERS,
                    },
                },
            },
        },
    }


def _tensors_answer(interface: Interface) -> Schema:
    return {
        "type": "object",
        "required": ["model_name", "model_version", "outputs"],
        "properties": {
            "id": {"type": "string"},
            "outputs": {
                "type": "array",
                "items": _any_of(_tensor(spec) for spec in interface.outputs.values()),
            },
        },
    }


def _tensor(spec: TensorSpec) -> Schema:
    return {
        "type": "object",
        "required": ["name", "datatype", "shape", "data"],
        "properties": {
            "name": {"const": spec.name},
            "datatype": {"const": spec.datatype.name},
            "shape": {
                "type": "array",
                "description": f"{list(spec.shape)}, where -1 is any number.",
                "items": {"type": "integer", "minimum": 0},
                "minItems": len(spec.shape),
                "maxItems": len(spec.shape),
            },
            "data": {
                "type": "array",
                "description": "As many elements as the product of the shape, flat or nested.",
                "items": {"anyOf": [_element(spec.datatype), {"type": "array"}]},
            },
            "parameters": _PARAMETERS,
        },
    }


def _element(datatype: Datatype) -> Schema:
    if datatype.is_text:
        return {"type": "string"}
    if datatype.is_float:
        return {"type": ["number", "null"]}
    if datatype.numpy.kind == "b":
        return {"type": "boolean"}
    bounds = np.iinfo(datatype.numpy)
    return {"type": "integer", "minimum": int(bounds.min), "maximum": int(bounds.max)}


def _rows_request(table: Table) -> Schema:
    columns = {name: _value(spec.datatype) for name, spec in table.columns.items()}
    by_name = {
        "type": "object",
        "properties": columns,
        "required": list(columns),
        "additionalProperties": False,
    }
    in_order = {
        "type": "array",
        "description": ", ".join(columns),
        "items": _any_of(columns.values()),
        "minItems": len(columns),
        "maxItems": len(columns),
    }
    items = {"anyOf": [by_name, in_order]}
    return {
        "type": "object",
        "required": ["instances"],
        "properties": {"instances": {"type": "array", "items": items}},
    }


def _value(datatype: Datatype) -> Schema:
    """A column's value; null where it is missing, if the tensor has a word for that."""
    if datatype.is_text or datatype.is_float:
        element = "string" if datatype.is_text else "number"
        return {"type": [element, "null"]}
    return _element(datatype)


def _rows_answer() -> Schema:
    return {
        "type": "object",
        "required": ["predictions"],
        "properties": {"predictions": {"type": "array"}},
    }


def _any_of(schemas: Iterable[Mapping[str, Any]]) -> Schema:
    return {"anyOf": list(schemas)}
