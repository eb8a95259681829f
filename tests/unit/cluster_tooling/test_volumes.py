"""Which claims get a folder, and which volumes are taken back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from e2e.cluster.volumes import STORAGE_CLASS, is_released, is_waiting, volume_for, volume_name


def claim(**spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "data", "namespace": "ml", "uid": "1234"},
        "spec": {
            "storageClassName": STORAGE_CLASS,
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
            **spec,
        },
    }


def volume(storage_class: str, phase: str) -> dict[str, Any]:
    return {
        "metadata": {"name": "pvc-1"},
        "spec": {"storageClassName": storage_class},
        "status": {"phase": phase},
    }


def test_a_claim_of_the_class_without_a_volume_waits() -> None:
    assert is_waiting(claim())


@pytest.mark.parametrize("spec", [{"storageClassName": "other"}, {"volumeName": "pvc-1"}])
def test_a_claim_of_another_class_or_with_a_volume_does_not_wait(spec: dict[str, str]) -> None:
    assert not is_waiting(claim(**spec))


def test_a_claim_that_is_being_deleted_gets_nothing() -> None:
    leaving = claim()
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert not is_waiting(leaving)


def test_the_same_claim_always_gets_the_same_volume() -> None:
    assert volume_name(claim()) == volume_name(claim()) == "pvc-1234"


def test_a_volume_can_be_bound_by_its_claim_alone() -> None:
    made = volume_for(claim(), Path("/volumes/pvc-1234"))
    assert made["spec"]["claimRef"]["uid"] == "1234"
    assert made["spec"]["capacity"] == {"storage": "1Gi"}
    assert made["spec"]["local"]["path"] == "/volumes/pvc-1234"


@pytest.mark.parametrize(
    ("storage_class", "phase", "released"),
    [(STORAGE_CLASS, "Released", True), (STORAGE_CLASS, "Bound", False), ("x", "Released", False)],
)
def test_only_our_released_volumes_are_taken_back(
    storage_class: str, phase: str, released: bool
) -> None:
    assert is_released(volume(storage_class, phase)) is released
