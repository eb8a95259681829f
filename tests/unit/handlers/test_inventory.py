"""Whom a change concerns."""

from __future__ import annotations

from typing import Any

from regnant.api.meta import Kind
from regnant.controllers.queue import Key
from regnant.handlers.inventory import Inventory

SERVICE = Key(Kind.INFERENCE_SERVICE, "team", "churn")
PIPELINE = Key(Kind.TRAINING_PIPELINE, "team", "train")
VERSION = Key(Kind.MODEL_VERSION, "team", "churn-1")


def body(key: Key, *, model: str = "churn", **metadata: Any) -> dict[str, Any]:
    head = {"name": key.name, "namespace": key.namespace, "uid": f"uid-{key}", "generation": 1}
    return {"metadata": head | metadata, "spec": {"modelName": model}}


def stocked() -> Inventory:
    inventory = Inventory()
    for key in (SERVICE, PIPELINE, VERSION):
        inventory.notice(key.kind, body(key))
    return inventory


def test_what_is_seen_again_unchanged_wakes_nobody() -> None:
    assert stocked().notice(SERVICE.kind, body(SERVICE)) == set()


def test_a_status_that_is_written_wakes_nobody() -> None:
    written = body(SERVICE, resourceVersion="99", managedFields=[{"manager": "regnant"}])
    assert stocked().notice(SERVICE.kind, written | {"status": {"phase": "Serving"}}) == set()


def test_a_changed_spec_label_or_annotation_wakes_the_object_alone() -> None:
    inventory = stocked()
    assert inventory.notice(VERSION.kind, body(VERSION, generation=2)) == {VERSION}
    assert inventory.notice(VERSION.kind, body(VERSION, annotations={"a": "b"})) == {VERSION}
    assert inventory.notice(VERSION.kind, body(VERSION, labels={"a": "b"})) == {VERSION}


def test_a_version_that_appears_or_goes_wakes_its_line() -> None:
    inventory = stocked()
    newer = Key(Kind.MODEL_VERSION, "team", "churn-2")
    assert inventory.notice(newer.kind, body(newer)) == {newer, SERVICE, PIPELINE}
    deleting = body(newer, deletionTimestamp="2026-01-01T00:00:00Z")
    assert inventory.notice(newer.kind, deleting) == {newer, SERVICE, PIPELINE}
    assert inventory.lose(newer) == {newer, SERVICE, PIPELINE}


def test_a_service_that_goes_wakes_the_versions_it_used() -> None:
    assert stocked().lose(SERVICE) == {SERVICE, VERSION}


def test_a_pipeline_that_goes_wakes_those_that_wait_for_its_line() -> None:
    inventory = stocked()
    younger = Key(Kind.TRAINING_PIPELINE, "team", "train-too")
    inventory.notice(younger.kind, body(younger))
    assert inventory.lose(PIPELINE) == {PIPELINE, younger}


def test_a_service_that_changes_its_model_wakes_both_lines() -> None:
    inventory = stocked()
    fraud = Key(Kind.MODEL_VERSION, "team", "fraud-1")
    inventory.notice(fraud.kind, body(fraud, model="fraud"))
    moved = body(SERVICE, model="fraud", generation=2)
    assert inventory.notice(SERVICE.kind, moved) == {SERVICE, VERSION, fraud}


def test_a_namesake_in_another_namespace_is_no_concern() -> None:
    inventory = stocked()
    elsewhere = Key(Kind.MODEL_VERSION, "other", "churn-1")
    assert inventory.notice(elsewhere.kind, body(elsewhere)) == {elsewhere}


def test_an_object_that_was_replaced_under_its_name_is_a_new_one() -> None:
    replaced = body(VERSION, uid="another")
    assert stocked().notice(VERSION.kind, replaced) == {VERSION, SERVICE, PIPELINE}


def test_losing_what_was_never_seen_still_wakes_it() -> None:
    assert Inventory().lose(SERVICE) == {SERVICE}


def test_keys_are_found_by_kind_and_namespace() -> None:
    inventory = stocked()
    assert inventory.keys() == {SERVICE, PIPELINE, VERSION}
    assert inventory.keys(Kind.MODEL_VERSION) == {VERSION}
    assert inventory.keys(Kind.MODEL_VERSION, "other") == set()
