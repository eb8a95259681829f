"""What is wrong with a pod, from what the kubelet says of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regnant.api.meta import Finding, settle
from regnant.lifecycle.diagnosis import Fault, diagnose, diagnose_deployments, is_ready, job_outcome
from tests.unit.lifecycle.pods import (
    CRASH_LOOP,
    RUNNING,
    UNSCHEDULABLE,
    Manifest,
    container,
    pod,
    terminated,
    waiting,
)
from tests.unit.lifecycle.worlds import START


def words(**fields: Any) -> str:
    return json.dumps(
        {"reason": "TargetMissing", "message": "data.target: no such column"} | fields
    )


def the_fault(*pods: Manifest) -> Fault:
    fault = diagnose(pods)
    assert fault
    return fault


def test_nothing_is_wrong_with_a_pod_that_works_or_has_not_begun() -> None:
    assert diagnose([]) is None
    assert diagnose([{"metadata": {"name": "new"}}]) is None
    assert diagnose([pod(container(state=RUNNING, ready=True))]) is None
    assert diagnose([pod(container(state=waiting("ContainerCreating")))]) is None
    assert diagnose([pod(container(state=waiting("PodInitializing")))]) is None
    assert diagnose([pod(container(state=terminated(0, reason="Completed")))]) is None
    assert diagnose([pod(container(state=RUNNING, ready=False))]) is None, "it is starting"
    scheduled = {"type": "PodScheduled", "status": "True"}
    assert diagnose([pod(conditions=[scheduled])]) is None


@pytest.mark.parametrize(
    "reason", ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"]
)
@pytest.mark.parametrize("message", ['Back-off pulling image "registry/server:1"', None])
def test_an_image_that_cannot_be_pulled(reason: str, message: str | None) -> None:
    fault = the_fault(pod(container(state=waiting(reason, message))))
    assert fault.reason == "ImagePullFailed"
    assert "registry/server:1" in fault.message
    assert (message or reason) in fault.message
    assert "pull secret" in fault.message
    assert not fault.final, "the image may appear"


@pytest.mark.parametrize(
    "reason", ["CreateContainerConfigError", "CreateContainerError", "RunContainerError"]
)
def test_a_container_that_cannot_be_created(reason: str) -> None:
    said = 'secret "lake" not found'
    fault = the_fault(pod(container("trainer", state=waiting(reason, said))))
    assert (fault.reason, fault.final) == ("ContainerNotCreated", False)
    assert "trainer" in fault.message
    assert said in fault.message
    assert reason in the_fault(pod(container(state=waiting(reason)))).message


def test_a_container_that_used_too_much_memory() -> None:
    ended = terminated(137, reason="OOMKilled")
    fault = the_fault(pod(container(state=CRASH_LOOP, lastState=ended, restarts=3)))
    assert (fault.reason, fault.restarts) == ("OutOfMemory", 3)
    assert "resources.limits.memory" in fault.message


def test_our_container_blames_the_input() -> None:
    ended = terminated(64, message=words(stage="ValidatingData"))
    fault = the_fault(pod(container("trainer", state=ended)))
    assert fault == Fault(
        "TargetMissing", "data.target: no such column", final=True, stage="ValidatingData"
    )


def test_our_container_asks_to_be_tried_again() -> None:
    ended = terminated(75, message=words(reason="StoreUnavailable", message="no answer"))
    fault = the_fault(pod(container(state=CRASH_LOOP, lastState=ended, restarts=4)))
    assert fault == Fault("StoreUnavailable", "no answer", final=False, restarts=4)


def test_an_init_container_that_fails_is_the_pods_fault() -> None:
    ended = terminated(64, message=words(reason="DigestMismatch", message="model.onnx differs"))
    fault = the_fault(
        pod(
            container(state=waiting("PodInitializing")),
            init=(container("fetch", state=CRASH_LOOP, lastState=ended, restarts=1),),
        )
    )
    assert (fault.reason, fault.final) == ("DigestMismatch", True)


def test_a_crash_shows_the_last_line_of_its_log() -> None:
    log = "Traceback (most recent call last):\n  File ...\nMemoryError: no\n"
    fault = the_fault(pod(container(state=terminated(1, message=log))))
    assert fault == Fault("Crashed", "container server ended with exit code 1: MemoryError: no")


def test_a_crash_without_words_shows_its_exit_code() -> None:
    fault = the_fault(pod(container(state=terminated(139))))
    assert fault.message == "container server ended with exit code 139"


def test_a_container_that_was_restarted_and_is_not_ready_again_shows_why() -> None:
    again = container(state=RUNNING, lastState=terminated(1, message="boom"), restarts=1)
    assert the_fault(pod(again)).message.endswith("exit code 1: boom")
    recovered = {**again, "ready": True}
    assert diagnose([pod(recovered)]) is None


def test_a_pod_that_no_node_takes() -> None:
    fault = the_fault(pod(conditions=[UNSCHEDULABLE]))
    assert fault.reason == "Unschedulable"
    assert "Insufficient memory" in fault.message
    assert "resources" in fault.message
    assert not fault.final


def test_pods_that_the_cluster_refuses_to_make() -> None:
    refusal = {
        "type": "ReplicaFailure",
        "status": "True",
        "reason": "FailedCreate",
        "message": 'pods "a-1" is forbidden: exceeded quota: full, requested: pods=1',
    }
    fault = diagnose_deployments([{"status": {"conditions": [refusal]}}])
    assert fault
    assert fault.reason == "PodsForbidden"
    assert "exceeded quota: full" in fault.message
    assert not fault.final
    over = {**refusal, "status": "False"}
    assert diagnose_deployments([{}, {"status": {"conditions": [over]}}]) is None


def test_a_pod_that_goes_is_not_held_against_anyone() -> None:
    going = pod(container(state=terminated(1)), conditions=[UNSCHEDULABLE])
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert diagnose([going]) is None


def test_the_gravest_fault_is_told() -> None:
    pull = pod(container(state=waiting("ErrImagePull")))
    often = pod(container(state=CRASH_LOOP, lastState=terminated(1), restarts=9))
    seldom = pod(container(state=CRASH_LOOP, lastState=terminated(2), restarts=1))
    final = pod(container(state=terminated(64, message=words())))
    assert the_fault(pull, seldom, often).message.endswith("exit code 1")
    assert the_fault(often, final, pull).reason == "TargetMissing"


@pytest.mark.parametrize(
    "said",
    [
        "[]",
        '"text"',
        "{}",
        '{"reason": "Half"}',
        '{"reason": 5, "message": "m"}',
        '{"reason": "", "message": "m"}',
        '{"reason": "out of data", "message": "m"}',
        '{"reason": "lowerCase", "message": "m"}',
        json.dumps({"reason": "A" * 65, "message": "m"}),
        json.dumps({"reason": "Newline\n", "message": "m"}),
    ],
)
def test_json_that_is_not_ours_is_a_crash_like_any_other(said: str) -> None:
    fault = the_fault(pod(container(state=terminated(64, message=said))))
    assert (fault.reason, fault.final) == ("Crashed", False)


@given(
    st.integers(1, 255),
    st.text(max_size=200)
    | st.dictionaries(st.sampled_from(["reason", "message", "stage"]), st.text(max_size=80)).map(
        json.dumps
    ),
)
def test_whatever_a_container_says_can_be_told_in_a_condition(code: int, said: str) -> None:
    fault = the_fault(pod(container(state=terminated(code, message=said))))
    finding = Finding(type="Ready", status=False, reason=fault.reason, message=fault.message)
    (condition,) = settle((), [finding], generation=1, now=START)
    assert condition.reason == fault.reason


def test_long_words_are_cut_to_what_a_status_holds() -> None:
    said = words(message="m" * 3000, stage="s" * 500)
    fault = the_fault(pod(container(state=terminated(64, message=said))))
    assert len(fault.message) == 1024
    assert len(fault.stage) == 64


@pytest.mark.parametrize(
    ("conditions", "going", "ready"),
    [
        ([{"type": "Ready", "status": "True"}], False, True),
        ([{"type": "Ready", "status": "True"}], True, False),
        ([{"type": "Ready", "status": "False"}], False, False),
        ([{"type": "Initialized", "status": "True"}], False, False),
        # The node was not heard of for a while; the containers are well.
        (
            [
                {"type": "Ready", "status": "False"},
                {"type": "ContainersReady", "status": "True"},
            ],
            False,
            True,
        ),
        ([], False, False),
    ],
)
def test_a_pod_is_ready_when_it_says_so_and_stays(
    conditions: list[Manifest], going: bool, ready: bool
) -> None:
    one = pod(conditions=conditions)
    if going:
        one["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert is_ready(one) is ready


@pytest.mark.parametrize(
    ("conditions", "outcome"),
    [
        ([], ("Active", "")),
        ([{"type": "SuccessCriteriaMet", "status": "True"}], ("Active", "")),
        (
            [{"type": "FailureTarget", "status": "True", "reason": "PodFailurePolicy"}],
            ("Active", ""),
        ),
        ([{"type": "Failed", "status": "False"}], ("Active", "")),
        ([{"type": "Complete", "status": "True"}], ("Complete", "")),
        (
            [{"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}],
            ("Failed", "DeadlineExceeded"),
        ),
    ],
)
def test_a_job_is_over_when_its_pods_are(
    conditions: list[Manifest], outcome: tuple[str, str]
) -> None:
    assert job_outcome({"status": {"conditions": conditions}}) == outcome


def test_a_job_that_has_no_status_yet_is_active() -> None:
    assert job_outcome({}) == ("Active", "")
