"""A pod that waits for its volumes: what is missing, which field names it, and giving up."""

from __future__ import annotations

from datetime import timedelta

import pytest

from regnant.lifecycle.diagnosis import diagnose, unmounted, waits_for_volumes
from regnant.lifecycle.training_runs import Job
from tests.unit.lifecycle.pods import RUNNING, Manifest, container, pod, waiting
from tests.unit.lifecycle.test_training import PipelineWorld

CREATING = container(state=waiting("ContainerCreating"))


def warning(note: str, reason: str = "FailedMount") -> Manifest:
    return {"type": "Warning", "reason": reason, "note": note}


def missing_secret(volume: str) -> Manifest:
    return warning(f'MountVolume.SetUp failed for volume "{volume}" : secret "keys" not found')


def test_only_a_pod_of_which_nothing_was_created_waits_for_volumes() -> None:
    assert waits_for_volumes(pod(CREATING))
    assert not waits_for_volumes(pod(container(state=RUNNING), CREATING))
    assert not waits_for_volumes({"metadata": {"name": "new"}})


@pytest.mark.parametrize(
    ("volume", "field"),
    [
        ("data-credentials", "data.credentialsSecretRef: "),
        ("data", "data.uri: "),
        ("store-credentials", "the Secret of the store: "),
        ("scratch", "volume scratch: "),
    ],
)
def test_the_field_that_names_what_is_missing_is_named(volume: str, field: str) -> None:
    fault = unmounted([missing_secret(volume)])
    assert fault
    assert fault.reason == "VolumeNotMounted"
    assert fault.message.startswith(field + 'secret "keys" not found; create')
    assert not fault.final, "the Secret may still be created"


def test_what_passes_or_is_no_volume_is_no_fault() -> None:
    assert unmounted([]) is None
    syncing = 'volume "run" : failed to sync configmap cache: timed out'
    assert unmounted([warning(syncing)]) is None
    assert unmounted([warning("Unable to attach or mount volumes: unmounted volumes=[a]")]) is None
    assert unmounted([warning('volume "data" : full', reason="Evicted")]) is None


def test_a_claim_that_does_not_exist_is_not_taken_for_a_lack_of_nodes() -> None:
    words = 'persistentvolumeclaim "lake" not found. preemption: 0/1 nodes are available'
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": words,
    }
    fault = diagnose([{"metadata": {"name": "a"}, "status": {"conditions": [condition]}}])
    assert fault
    assert fault.reason == "VolumeNotMounted"
    assert fault.message.startswith('data.uri: persistentvolumeclaim "lake" not found; create')


def test_a_run_that_waited_until_its_deadline_says_what_it_waited_for() -> None:
    world = PipelineWorld()
    world.step()
    fault = unmounted([missing_secret("data-credentials")])
    world.jobs["churn-1"] = Job("churn-1", "Active", fault=fault)
    world.step()
    assert world.ready()[1] == "VolumeNotMounted"
    world.jobs["churn-1"] = Job("churn-1", "Active")
    assert world.step().announce == (), "its pod is being removed; nothing is new"
    world.fail("DeadlineExceeded")
    world.step()
    status, reason, message = world.ready()
    assert (status, reason) == ("False", "DeadlineExceeded")
    assert "spec.activeDeadlineSeconds passed while it waited: data.credentialsSecretRef" in message


def test_a_wait_that_is_over_is_forgotten() -> None:
    world = PipelineWorld()
    world.step()
    world.jobs["churn-1"] = Job("churn-1", "Active", fault=unmounted([missing_secret("data")]))
    world.step()
    world.finish()
    world.run()
    assert world.status.run
    assert (world.status.run.reason, world.status.run.message) == (None, "")
    world.now += timedelta(seconds=1)
    assert world.ready()[1] == "Registered"


@pytest.mark.parametrize(
    ("stage", "failed", "passed", "unreached"),
    [
        ("", "Trained", [], ["DataValid", "GatesPassed"]),
        ("CheckingSpec", "Trained", [], ["DataValid", "GatesPassed"]),
        ("Training", "Trained", ["DataValid"], ["GatesPassed"]),
        ("Pushing", "Registered", ["DataValid", "ParityPassed"], ["GatesPassed"]),
    ],
)
def test_a_step_has_passed_only_if_the_run_went_through_it(
    stage: str, failed: str, passed: list[str], unreached: list[str]
) -> None:
    world = PipelineWorld()
    world.step()
    world.jobs["churn-1"] = Job("churn-1", "Active", running=True, stage=stage)
    world.step()
    world.fail()
    world.step()
    found = {name: world.status.condition(name) for name in [failed, *passed, *unreached]}
    statuses = {name: condition.status for name, condition in found.items() if condition}
    expected = {failed: "False"} | dict.fromkeys(passed, "True")
    assert statuses == expected | dict.fromkeys(unreached, "Unknown")
