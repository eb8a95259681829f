"""What the API server asks of a CustomResourceDefinition, and what we ask of ours."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from regnant.api.model import DIGEST_PATTERN, Model, Rule
from regnant.api.resources import RESOURCES, ResourceType
from regnant.api.schema import definition, structural
from tests.unit.api.crd_schemas import ROOT, Node, all_nodes, root

NODES = all_nodes()
_JSON_SCHEMA_ONLY = {"$ref", "$defs", "title", "const", "prefixItems", "oneOf", "allOf", "not"}


def opaque(node: Node) -> bool:
    return node.schema.get("x-kubernetes-preserve-unknown-fields", False) is True


def test_schemas_are_structural() -> None:
    for node in NODES:
        assert not _JSON_SCHEMA_ONLY & node.schema.keys(), node
        if node.schema.get("x-kubernetes-int-or-string"):
            assert node.schema["anyOf"] == [{"type": "integer"}, {"type": "string"}], node
            assert "type" not in node.schema, node
        else:
            assert "anyOf" not in node.schema, node
            assert node.schema["type"] in {"object", "array", "string", "integer", "boolean"}, node
        assert not {"properties", "additionalProperties"} <= node.schema.keys(), node


def test_every_property_is_described() -> None:
    silent = [
        node.path
        for node in NODES
        if not node.path.endswith(("[*]", "{*}")) and len(node.schema.get("description", "")) < 4
    ]
    assert silent == []


def test_descriptions_are_sentences_on_one_line() -> None:
    for node in NODES:
        if text := node.schema.get("description"):
            assert "\n" not in text, node
            assert text.endswith((".", "`.")), (node, text)


def test_everything_that_can_grow_is_bounded() -> None:
    assert [node.path for node in NODES if not bounded(node)] == []


def bounded(node: Node) -> bool:
    schema = node.schema
    match schema.get("type"):
        case _ if opaque(node):
            return True
        case "array":
            return "maxItems" in schema
        case "string":
            return (
                "maxLength" in schema
                or "enum" in schema
                or schema.get("format") == "date-time"
                or schema.get("pattern") == DIGEST_PATTERN
            )
        case "object":
            return "maxProperties" in schema or "additionalProperties" not in schema
        case None:
            return "maxLength" in schema
        case _:
            return True


def test_numbers_that_users_set_have_a_range() -> None:
    for node in NODES:
        single = not node.path.endswith("[*]")
        if ".spec." in node.path and node.schema.get("type") == "integer" and single:
            assert "minimum" in node.schema, node


def test_defaults_satisfy_their_own_schema() -> None:
    defaults = [node for node in NODES if "default" in node.schema]
    assert len(defaults) > 20
    for node in defaults:
        jsonschema.validate(node.schema["default"], node.schema)


def test_no_default_names_a_field_that_does_not_exist() -> None:
    for node in NODES:
        default = node.schema.get("default")
        if isinstance(default, dict) and "properties" in node.schema:
            assert default.keys() <= node.schema["properties"].keys(), node


def test_patterns_are_read_alike_by_python_and_go() -> None:
    """RE2 has no look-around and no back-references; both ends must be anchored."""
    for node in NODES:
        if pattern := node.schema.get("pattern"):
            re.compile(pattern)
            assert pattern.startswith("^"), node
            assert pattern.endswith("$"), node
            assert not re.search(r"\(\?|\\[1-9]", pattern), node


def test_every_refusal_by_rule_names_a_field() -> None:
    rules = [
        (node.path, rule)
        for node in [*NODES, *(Node(row.kind, root(row.kind)) for row in RESOURCES)]
        for rule in node.schema.get("x-kubernetes-validations", ())
    ]
    assert len(rules) > 8
    for path, rule in rules:
        field, _, remedy = rule["message"].partition(":")
        spec_rule = "a ModelVersion's spec is immutable"
        assert field == spec_rule or re.match(r"^[a-z][A-Za-z.]+( is immutable)?$", field), path
        assert len(remedy.split()) >= 3, path


@pytest.mark.parametrize("row", RESOURCES, ids=lambda row: row.kind.value)
def test_printed_columns_show_fields_that_exist(row: ResourceType) -> None:
    for column in row.columns:
        schema: dict[str, Any] = root(row.kind.value)
        for part in re.findall(r"\.([a-zA-Z]+)", re.sub(r"\[\?.*?\]", "", column.path)):
            if part in {"metadata", "creationTimestamp"}:
                break
            schema = schema.get("items", schema)["properties"][part]


@pytest.mark.parametrize("row", RESOURCES, ids=lambda row: row.kind.value)
def test_a_kind_is_found_by_its_names_and_category(row: ResourceType) -> None:
    names = definition(row)["spec"]["names"]
    assert names["plural"] == names["singular"] + "s" == row.plural
    assert names["shortNames"] == [row.short_name]
    assert names["categories"] == ["regnant"]


def test_status_is_a_subresource_and_names_are_unique() -> None:
    for row in RESOURCES:
        (version,) = definition(row)["spec"]["versions"]
        assert version["subresources"] == {"status": {}}
    assert len({row.short_name for row in RESOURCES}) == len(RESOURCES)


def test_generated_files_are_current() -> None:
    command = [sys.executable, str(ROOT / "crds" / "generate.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"run: python crds/generate.py\n{done.stdout}"


def test_generated_definitions_say_that_they_are() -> None:
    written = sorted((ROOT / "crds").glob("*.yaml"))
    assert len(written) == len(RESOURCES)
    for path in written:
        assert path.read_text(encoding="utf-8").startswith("# Generated by crds/generate.py")


class Inner(Model):
    """An inner model."""

    size: int = 3
    """How much."""


class Undocumented(Model):
    inner: Inner | None = None
    """Optional."""


class Pair(Model):
    """A model that Kubernetes cannot express."""

    both: tuple[int, int] = (1, 2)
    """Two numbers."""


def test_an_optional_model_is_written_without_null_and_without_a_default() -> None:
    schema = structural(Undocumented)["properties"]["inner"]
    assert schema["type"] == "object"
    size = {"type": "integer", "description": "How much.", "default": 3}
    assert schema["properties"]["size"] == size
    assert "default" not in schema


def test_a_tuple_of_fixed_length_is_refused_when_the_schema_is_made() -> None:
    with pytest.raises(TypeError, match=r"tuple\[X, ...\]"):
        structural(Pair)


def test_rules_of_a_model_reach_the_schema() -> None:
    class Ruled(Inner):
        """With a rule."""

        rules = (Rule("self.size > 2", "size: choose more than 2"),)

    assert structural(Ruled)["x-kubernetes-validations"] == [
        {"rule": "self.size > 2", "message": "size: choose more than 2"}
    ]
