"""The generated schemas as a flat list of nodes that tests can ask about, each with its path."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from regnant.api.resources import RESOURCES, ResourceType
from regnant.api.schema import definition

ROOT = Path(__file__).resolve().parents[3]
Schema = dict[str, Any]


@dataclass(frozen=True)
class Node:
    """One node of a schema tree."""

    path: str
    schema: Schema

    def __str__(self) -> str:
        return self.path


def resource_type(kind: str) -> ResourceType:
    """The table's row of a kind."""
    return next(row for row in RESOURCES if row.kind.value == kind)


@functools.cache
def root(kind: str) -> Schema:
    """The whole schema of one kind."""
    (version,) = definition(resource_type(kind))["spec"]["versions"]
    schema: Schema = version["schema"]["openAPIV3Schema"]
    return schema


def nodes(schema: Schema, path: str) -> Iterator[Node]:
    """The node itself and everything below it."""
    yield Node(path, schema)
    for name, below in schema.get("properties", {}).items():
        yield from nodes(below, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[*]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from nodes(schema["additionalProperties"], f"{path}{{*}}")


def all_nodes() -> list[Node]:
    """Every node of spec and status of the three kinds."""
    return [
        node
        for row in RESOURCES
        for part in ("spec", "status")
        for node in nodes(root(row.kind.value)["properties"][part], f"{row.kind.value}.{part}")
    ]


def examples() -> dict[str, dict[str, Any]]:
    """The documents of docs/examples, by file name."""
    return {
        f"{path.name}#{number}": document
        for path in sorted((ROOT / "docs" / "examples").glob("**/*.yaml"))
        for number, document in enumerate(yaml.safe_load_all(path.read_text(encoding="utf-8")))
        if document["apiVersion"].startswith("regnant.dev/")
    }
