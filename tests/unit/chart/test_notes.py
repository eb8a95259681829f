"""What a user reads after an installation: where things are, and what to do next."""

from __future__ import annotations

from textwrap import dedent

import yaml

from regnant.api.resources import parse
from tests.unit.api.crd_schemas import resource_type
from tests.unit.chart.rendering import notes


def test_the_first_model_of_the_notes_is_one_that_the_operator_understands() -> None:
    text = notes().partition("<<EOF\n")[2].partition("  EOF\n")[0]
    documents = list(yaml.safe_load_all(dedent(text)))
    assert [document["kind"] for document in documents] == ["TrainingPipeline", "InferenceService"]
    for document in documents:
        row = resource_type(document["kind"])
        document["metadata"] |= {"namespace": "default", "uid": "1"}
        resource = parse(document, row.spec, row.status)
        assert resource.spec.to_json()["modelName"] == "cancer"


def test_the_notes_say_where_the_operator_works_and_where_bundles_go() -> None:
    assert "Works in   all namespaces" in notes("all-namespaces")
    assert "Works in   team-a, team-b" in notes("two-namespaces")
    assert "oci://registry.example.com/models" in notes("external-store")
    assert "Secret model-store must exist in every namespace" in notes("external-store")


def test_the_notes_warn_of_images_that_no_node_can_pull() -> None:
    assert "image.registry" in notes()
    assert "image.registry" not in notes("all-namespaces")


def test_the_notes_warn_of_bundles_that_are_lost_with_a_pod() -> None:
    assert "registry.persistence.enabled=true" in notes("smallest")
    assert "registry.persistence.enabled" not in notes("all-namespaces")
