"""What the API server makes of our definitions: defaults, explanations, and whole statuses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from regnant.api.meta import GROUP, VERSION
from regnant.api.model import DECIMAL_PATTERN, DIGEST_PATTERN, DURATION_PATTERN
from regnant.api.resources import RESOURCES, ResourceType, parse
from regnant.api.rollout import HEADER_PATTERN
from regnant.api.schema import structural
from regnant.cluster.client import Cluster
from regnant.cluster.errors import NotFoundError
from regnant.cluster.kinds import Ref
from regnant.cluster.transport import Request
from tests.component.resources.documents import (
    DIGEST,
    Manifest,
    pipeline,
    service,
    version,
)

BUILDERS: dict[str, Callable[[str], Manifest]] = {
    "TrainingPipeline": pipeline,
    "ModelVersion": version,
    "InferenceService": service,
}

every_kind = pytest.mark.parametrize("row", RESOURCES, ids=lambda row: row.kind.value)


async def ask(cluster: Cluster, path: str) -> Manifest:
    answer: Manifest = json.loads(await cluster.transport.send(Request("GET", path)))
    return answer


async def published_schemas(cluster: Cluster) -> Manifest:
    """The schemas of all kinds; they are published a moment after their definitions are."""
    names = {f"dev.regnant.{VERSION}.{row.kind.value}" for row in RESOURCES}
    async with asyncio.timeout(30):
        while True:
            try:
                document = await ask(cluster, f"/openapi/v3/apis/{GROUP}/{VERSION}")
            except NotFoundError:
                document = {"components": {"schemas": {}}}
            found: Manifest = document["components"]["schemas"]
            if names <= found.keys():
                return found
            await asyncio.sleep(0.1)


@every_kind
async def test_the_definition_is_established_without_complaint(
    row: ResourceType, cluster: Cluster
) -> None:
    name = f"{row.plural}.{GROUP}"
    found = await ask(cluster, f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}")
    conditions = {one["type"]: one["status"] for one in found["status"]["conditions"]}
    assert conditions["Established"] == conditions["NamesAccepted"] == "True"
    assert "NonStructuralSchema" not in conditions


async def test_all_kinds_are_one_category(cluster: Cluster) -> None:
    found = await ask(cluster, f"/apis/{GROUP}/{VERSION}")
    kinds = {one["name"]: one for one in found["resources"]}
    for row in RESOURCES:
        assert kinds[row.plural]["categories"] == ["regnant"]
        assert kinds[row.plural]["shortNames"] == [row.short_name]
        assert f"{row.plural}/status" in kinds


def fields(schema: Manifest, path: str) -> Iterator[tuple[str, Manifest]]:
    for name, below in schema.get("properties", {}).items():
        yield f"{path}.{name}", below
        yield from fields(below, f"{path}.{name}")
    if "items" in schema:
        yield from fields(schema["items"], f"{path}[*]")


async def test_every_field_can_be_explained(cluster: Cluster) -> None:
    """What `kubectl explain` reads is the published OpenAPI document, not our file."""
    schemas = await published_schemas(cluster)
    for row in RESOURCES:
        published = schemas[f"dev.regnant.{VERSION}.{row.kind.value}"]
        found = [
            (path, schema)
            for part in ("spec", "status")
            for path, schema in fields(published["properties"][part], part)
        ]
        assert len(found) > 15
        assert [path for path, schema in found if not schema.get("description")] == []


@every_kind
async def test_defaults_are_those_of_the_models(
    row: ResourceType, cluster: Cluster, namespace: str
) -> None:
    """What the API server fills in and what the operator would assume must be the same."""
    written = BUILDERS[row.kind.value](namespace)
    made = await cluster.create(written)
    assumed = row.spec.model_validate(written["spec"])
    assert row.spec.model_validate(made["spec"]) == assumed
    assert holds(made["spec"], assumed.to_json())


def holds(stored: Any, assumed: Any) -> bool:
    """Whether everything that is assumed is stored, but for what is empty."""
    if not isinstance(assumed, dict):
        return bool(stored == assumed)
    return all(
        value in ("", [], {}) or (key in stored and holds(stored[key], value))
        for key, value in assumed.items()
        if not (isinstance(value, dict) and not any(value.values()))
    )


async def test_a_service_is_complete_when_it_is_stored(cluster: Cluster, namespace: str) -> None:
    spec = (await cluster.create(service(namespace)))["spec"]
    assert spec["server"]["replicas"] == 1
    assert spec["router"]["requestTimeout"] == "1m"
    assert spec["rollout"]["progressDeadline"] == "10m"
    assert spec["rollout"]["watch"]["duration"] == "10m"


async def test_a_pipeline_is_complete_when_it_is_stored(cluster: Cluster, namespace: str) -> None:
    spec = (await cluster.create(pipeline(namespace)))["spec"]
    assert spec["data"]["split"] == {"method": "Auto", "testFraction": "0.2", "seed": 0}
    assert spec["data"]["format"] == "Auto"
    assert spec["parity"] == {"rows": 1000, "tolerance": "0.0001"}
    assert spec["trainer"]["sklearn"]["preprocessing"] == "Auto"
    assert (spec["backoffLimit"], spec["historyLimit"]) == (2, 5)


async def test_fields_that_nobody_knows_are_pruned_and_parameters_are_not(
    cluster: Cluster, namespace: str
) -> None:
    wanted = pipeline(namespace)
    wanted["spec"]["unknown"] = 1
    wanted["spec"]["trainer"]["sklearn"]["parameters"] = {"anything": {"goes": [1, "x"]}}
    spec = (await cluster.create(wanted))["spec"]
    assert "unknown" not in spec
    assert spec["trainer"]["sklearn"]["parameters"] == {"anything": {"goes": [1, "x"]}}


SAMPLES = {
    DIGEST_PATTERN: DIGEST,
    DECIMAL_PATTERN: "-1.5E+10",
    DURATION_PATTERN: "999999h999999999m999999999s",
    HEADER_PATTERN: "x-user-id",
    r"^[A-Z][A-Za-z0-9]*$": "Reason",
    r"^oci://[a-z0-9.:-]+(/[a-z0-9._-]+)+$": "oci://registry.test:5000/models/churn",
}


def fullest(schema: Manifest) -> Any:
    """A value with every field set and every list, map and text as long as it may be."""
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return {"any": {"depth": [1, "x", True]}}
    match schema["type"]:
        case "object" if "additionalProperties" in schema:
            count = range(schema["maxProperties"])
            return {f"key{at}": fullest(schema["additionalProperties"]) for at in count}
        case "object":
            return {name: fullest(below) for name, below in schema["properties"].items()}
        case "array":
            items = [fullest(schema["items"]) for _ in range(schema["maxItems"])]
            for key in schema.get("x-kubernetes-list-map-keys", ()):
                items = [{**item, key: f"{key}{at}"} for at, item in enumerate(items)]
            return items
        case "integer":
            return schema.get("maximum", 12_345)
        case "boolean":
            return True
        case _:
            return fullest_text(schema)


def fullest_text(schema: Manifest) -> str:
    if "enum" in schema:
        return str(schema["enum"][-1])
    if schema.get("format") == "date-time":
        return "2026-01-01T00:00:00.123456Z"
    if "pattern" in schema:
        return SAMPLES[schema["pattern"]]
    return "ü" * int(schema["maxLength"])


@every_kind
async def test_the_fullest_status_comes_back_as_it_was_written(
    row: ResourceType, cluster: Cluster, namespace: str
) -> None:
    made = await cluster.create(BUILDERS[row.kind.value](namespace))
    status = fullest(structural(row.status))
    name = made["metadata"]["name"]
    head = {"name": name, "namespace": namespace}
    written = {"apiVersion": made["apiVersion"], "kind": made["kind"], "metadata": head}
    await cluster.apply({**written, "status": status}, subresource="status")
    read = await cluster.get(Ref(row.kind.value, namespace, name))
    assert read
    assert read["status"] == status
    parsed = parse(read, row.spec, row.status).status
    assert row.status.model_validate(parsed.to_json()) == parsed
    assert parsed.to_json().keys() == status.keys(), "the models know every field"
