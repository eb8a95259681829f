"""Every value is described, and a wrong one is refused by name."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from charts.generate import values
from tests.unit.chart.rendering import CHART, refusal

TEXT = (CHART / "values.yaml").read_text()
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        found: dict[str, Any] = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]]
        return found
    return schema


def test_every_value_is_described() -> None:
    assert [value.path for value in values(TEXT) if not value.description] == []


def test_schema_and_values_have_the_same_fields() -> None:
    def compare(schema: dict[str, Any], given: object, path: str) -> None:
        fields = resolved(schema).get("properties")
        if fields is None or not isinstance(given, dict):
            return
        # Only where the project's own images differ from the rest may a policy be set.
        assert set(fields) - {"global"} == set(given), path
        for name, child in given.items():
            compare(fields[name], child, f"{path}.{name}")

    compare(SCHEMA, yaml.safe_load(TEXT), "values")


def test_the_schema_admits_no_unknown_field_at_any_level() -> None:
    def check(schema: dict[str, Any], path: str) -> None:
        if "properties" in schema:
            is_global = path.endswith(".global")
            assert is_global or schema["additionalProperties"] is False, path
        for name, child in schema.get("properties", {}).items():
            check(resolved(child), f"{path}.{name}")

    check(SCHEMA, "values")


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ("operator.replica=2", "replica"),
        ("operator.replicas=two", "/operator/replicas"),
        ("operator.concurrency=0", "/operator/concurrency"),
        ("operator.logFormat=xml", "/operator/logFormat"),
        ("image.pullPolicy=Sometimes", "/image/pullPolicy"),
        ("operator.image.digest=latest", "/operator/image/digest"),
        ("registry.persistence.size=large", "/registry/persistence/size"),
        ("registry.service.port=0", "/registry/service/port"),
        ("watchNamespaces={Team_A}", "/watchNamespaces/0"),
        ("watchNamespaces={a,a}", "/watchNamespaces"),
        ("metrics.serviceMonitor.interval=often", "/metrics/serviceMonitor/interval"),
    ],
)
def test_a_wrong_value_is_refused_by_name(value: str, field: str) -> None:
    assert field in refusal(f"--set={value}")
