"""Objects are parsed once, as the API server gave them, and what cannot be read names its field."""

from __future__ import annotations

from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from regnant.api.inference_service import InferenceServiceSpec, InferenceServiceStatus
from regnant.api.meta import API_VERSION, Kind, Metadata
from regnant.api.resources import (
    RESOURCES,
    InvalidResourceError,
    parse,
    reference,
)
from tests.unit.api.crd_schemas import examples, resource_type, root


@pytest.mark.parametrize("name", examples())
def test_an_example_is_valid_and_means_what_it_says(name: str) -> None:
    document = examples()[name]
    row = resource_type(document["kind"])
    jsonschema.validate(document, root(document["kind"]))
    body = {**document, "metadata": {"namespace": "ns", **document["metadata"]}}
    parsed = parse(body, row.spec, row.status)
    written = parsed.spec.to_json()
    assert holds(written, document["spec"]), "a field of the example is not known to the models"


def holds(whole: Any, part: Any) -> bool:
    if isinstance(part, dict):
        return all(key in whole and holds(whole[key], value) for key, value in part.items())
    if isinstance(part, list):
        return len(whole) == len(part) and all(map(holds, whole, part))
    return bool(whole == part)


def test_there_are_examples_of_both_kinds_that_users_write() -> None:
    kinds = {document["kind"] for document in examples().values()}
    assert {"TrainingPipeline", "InferenceService"} <= kinds


def test_the_models_and_the_schema_agree_on_what_is_required() -> None:
    for row in RESOURCES:
        with pytest.raises(InvalidResourceError, match=r"field modelName: "):
            parse({"metadata": {"name": "a", "namespace": "ns"}, "spec": {}}, row.spec, row.status)


def test_a_field_that_cannot_be_read_is_named_in_full() -> None:
    body = {
        "metadata": {"name": "a", "namespace": "ns"},
        "spec": {"modelName": "m", "rollout": {"watch": {"duration": "soon"}}},
    }
    with pytest.raises(InvalidResourceError, match=r"field rollout\.watch\.duration: .*as 90s"):
        parse(body, InferenceServiceSpec, InferenceServiceStatus)


def test_a_duration_beyond_all_measure_is_an_invalid_field_and_not_a_crash() -> None:
    body = {
        "metadata": {"name": "a", "namespace": "ns"},
        "spec": {"modelName": "m", "rollout": {"progressDeadline": "9" * 30 + "h"}},
    }
    with pytest.raises(InvalidResourceError, match=r"rollout\.progressDeadline"):
        parse(body, InferenceServiceSpec, InferenceServiceStatus)


def test_fields_of_a_newer_version_are_ignored() -> None:
    body = {
        "metadata": {"name": "a", "namespace": "ns", "labels": {"x": "y"}},
        "spec": {"modelName": "m", "notYetKnown": 1},
    }
    assert parse(body, InferenceServiceSpec, InferenceServiceStatus).spec.model_name == "m"


def test_an_owner_reference_names_the_object_and_lets_it_be_deleted() -> None:
    metadata = Metadata(name="shop", namespace="ns", uid="u-1")
    owner = reference(Kind.INFERENCE_SERVICE, metadata).owner_reference()
    assert owner == {
        "apiVersion": API_VERSION,
        "kind": "InferenceService",
        "name": "shop",
        "uid": "u-1",
        "controller": True,
        "blockOwnerDeletion": False,
    }


def test_numbers_and_texts_are_both_quantities() -> None:
    spec = {"modelName": "m", "server": {"resources": {"limits": {"cpu": 2, "memory": "1Gi"}}}}
    read = InferenceServiceSpec.model_validate(spec)
    assert read.server.resources.to_json() == {
        "requests": {},
        "limits": {"cpu": "2", "memory": "1Gi"},
    }
