"""CustomResourceDefinitions out of the models: what `crds/` and the chart contain is made here.

pydantic writes JSON Schema with references, titles and null unions; Kubernetes wants structural
schemas. The way from one to the other is a walk over the tree, and the walk knows nothing of any
single resource.
"""

from __future__ import annotations

from typing import Any, get_args

from regnant.api.meta import GROUP, VERSION
from regnant.api.model import Model, Rule
from regnant.api.resources import ResourceType

Schema = dict[str, Any]

_KEPT = (
    "type",
    "format",
    "enum",
    "pattern",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "maxProperties",
    "required",
)


def definition(resource: ResourceType) -> Schema:
    """The CustomResourceDefinition of one kind."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{resource.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": resource.kind.value,
                "listKind": f"{resource.kind.value}List",
                "plural": resource.plural,
                "singular": resource.singular,
                "shortNames": [resource.short_name],
                "categories": ["regnant"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": _columns(resource),
                    "schema": {"openAPIV3Schema": _root(resource)},
                }
            ],
        },
    }


def structural(model: type[Model]) -> Schema:
    """The structural schema of one model, with its descriptions, defaults and CEL rules."""
    return _of_model(model)


def _root(resource: ResourceType) -> Schema:
    return {
        "type": "object",
        "description": resource.description,
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": "regnant.dev/v1alpha1"},
            "kind": {"type": "string", "description": resource.kind.value},
            # A bound on the name lets the API server estimate the cost of rules that read it.
            "metadata": {
                "type": "object",
                "properties": {"name": {"type": "string", "maxLength": 253}},
            },
            "spec": structural(resource.spec),
            "status": _without_rules(structural(resource.status)),
        },
        "x-kubernetes-validations": _rules(resource.rules),
    }


def _without_rules(schema: Any) -> Any:
    """The schema without its CEL rules, for what users do not write.

    What the operator copies into a status from a spec was judged there.
    """
    if isinstance(schema, dict):
        return {
            key: _without_rules(value)
            for key, value in schema.items()
            if key != "x-kubernetes-validations"
        }
    return [_without_rules(one) for one in schema] if isinstance(schema, list) else schema


def _columns(resource: ResourceType) -> list[Schema]:
    return [
        {
            "name": column.name,
            "type": column.type,
            "jsonPath": column.path,
            "description": column.description,
        }
        | ({"priority": column.priority} if column.priority else {})
        for column in resource.columns
    ]


def _rules(rules: tuple[Rule, ...]) -> list[Schema]:
    return [{"rule": rule.expression, "message": rule.message} for rule in rules]


def _of_model(model: type[Model]) -> Schema:
    """A model's own object: pydantic's schema for the leaves, our walk for what is nested."""
    raw = model.model_json_schema(by_alias=True, mode="validation")
    definitions = raw.get("$defs", {})
    nested = {
        info.alias or name: _nested_models(info.annotation)
        for name, info in model.model_fields.items()
    }
    properties = {
        name: _walk(schema, definitions, nested[name])
        for name, schema in raw.get("properties", {}).items()
    }
    for name, info in model.model_fields.items():
        if not info.is_required():
            _set_default(properties[info.alias or name], model, name)
    schema: Schema = {"type": "object"}
    if model.__doc__:
        schema["description"] = " ".join(model.__doc__.split())
    schema["properties"] = properties
    if raw.get("required"):
        schema["required"] = raw["required"]
    if model.rules:
        schema["x-kubernetes-validations"] = _rules(model.rules)
    return schema


def _set_default(schema: Schema, model: type[Model], name: str) -> None:
    """The default as Kubernetes spells it; a nested object's in full, as rules read it whole."""
    info = model.model_fields[name]
    default = info.get_default(call_default_factory=True, validated_data={})
    alone = model.model_construct(_fields_set={name}, **{name: default})
    dumped = alone.model_dump(mode="json", by_alias=True, exclude_none=True, include={name})
    value = dumped.get(info.alias or name)
    if value not in (None, [], {}, ""):
        schema["default"] = value


def _nested_models(annotation: Any) -> dict[str, type[Model]]:
    """The models that an annotation mentions, by their names in pydantic's definitions."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return {annotation.__name__: annotation}
    found: dict[str, type[Model]] = {}
    for argument in get_args(annotation):
        found |= _nested_models(argument)
    return found


def _walk(schema: Schema, definitions: Schema, models: dict[str, type[Model]]) -> Schema:
    """One property: references inlined, null unions opened, titles dropped."""
    result: Schema = {}
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        inlined = models.get(name)
        result = _of_model(inlined) if inlined else _walk(definitions[name], definitions, models)
    elif "anyOf" in schema and "x-kubernetes-int-or-string" not in schema:
        (branch,) = (option for option in schema["anyOf"] if option.get("type") != "null")
        result = _walk(branch, definitions, models)
    result |= {key: schema[key] for key in _KEPT if key in schema}
    result |= {key: value for key, value in schema.items() if key.startswith("x-kubernetes-")}
    if "x-kubernetes-int-or-string" in schema:
        result["anyOf"] = schema["anyOf"]
    if "description" in schema:
        result["description"] = " ".join(schema["description"].split())
    if "items" in schema:
        result["items"] = _walk(schema["items"], definitions, models)
    if "prefixItems" in schema:
        raise TypeError("a tuple of fixed length has no structural schema; use tuple[X, ...]")
    if isinstance(schema.get("additionalProperties"), dict):
        result["additionalProperties"] = _walk(schema["additionalProperties"], definitions, models)
    return result
