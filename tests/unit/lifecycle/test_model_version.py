"""What a ModelVersion says of itself is gathered from the services that have a use for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from regnant.api.inference_service import InferenceServiceSpec, InferenceServiceStatus
from regnant.api.meta import Metadata
from regnant.api.model_version import ModelVersionSpec, ModelVersionStatus
from regnant.api.resources import Resource
from regnant.api.rollout_status import Rejection, Serving, Transition
from regnant.lifecycle import model_version as lifecycle
from regnant.lifecycle.decision import Decision
from regnant.lifecycle.model_version import Observed, Version
from regnant.lifecycle.serving_plan import Service
from tests.unit.lifecycle.worlds import START, artifact, digest


def version(number: int = 1, letter: str = "a", **metadata: Any) -> Version:
    return Resource(
        Metadata(name=f"churn-{number}", namespace="ns", uid="v", generation=4, **metadata),
        ModelVersionSpec(model_name="churn", version=number, artifact=artifact(letter)),
        ModelVersionStatus(),
    )


def serving(number: int = 1, letter: str = "a") -> Serving:
    return Serving(version=number, artifact=artifact(letter), since=START)


def service(name: str = "shop", **status: Any) -> Service:
    return Resource(
        Metadata(name=name, namespace="ns"),
        InferenceServiceSpec(model_name="churn"),
        InferenceServiceStatus(**status),
    )


def rejection(letter: str = "a") -> Rejection:
    return Rejection(
        version=1, digest=digest(letter), reason="GoldenMismatch", message="row 3 differs", at=START
    )


def decide(*services: Service, one: Version | None = None) -> ModelVersionStatus:
    return lifecycle.decide(Observed(one or version(), services), START).status


def said(status: ModelVersionStatus, kind: str) -> tuple[str, str]:
    condition = status.condition(kind)
    assert condition
    return condition.status, condition.reason


def test_a_version_that_nobody_tried_is_registered_and_unproven() -> None:
    status = decide()
    assert (status.phase, status.used_by, status.observed_generation) == ("Registered", (), 4)
    assert said(status, "Verified") == ("Unknown", "NotServedYet")
    assert said(status, "Ready") == ("True", "Registered")


@pytest.mark.parametrize(
    ("roles", "role"),
    [
        ({"champion": serving()}, "Champion"),
        ({"previous": serving()}, "Previous"),
        ({"rollout": Transition(id="1", to=serving(), started_at=START)}, "Candidate"),
        ({"champion": serving(), "previous": serving()}, "Champion"),
    ],
)
def test_each_service_shows_by_its_weightiest_role(roles: dict[str, Any], role: str) -> None:
    (use,) = decide(service(**roles)).used_by
    assert (use.inference_service, use.role) == ("shop", role)


@pytest.mark.parametrize("other", [serving(2, "a"), serving(1, "b")])
def test_another_version_or_another_bundle_is_no_use_of_it(other: Serving) -> None:
    assert decide(service(champion=other)).used_by == ()


def test_a_champion_has_proven_itself() -> None:
    status = decide(service(champion=serving()))
    assert status.phase == "Serving"
    assert said(status, "Verified") == ("True", "GoldenRowsAnswered")


def test_what_was_proven_once_stays_so_when_nobody_serves_it_any_more() -> None:
    before = decide(service(champion=serving()))
    later = replace(version(), status=before)
    status = decide(service(champion=serving(2, "b")), one=later)
    assert status.phase == "Verified"
    assert said(status, "Verified") == ("True", "GoldenRowsAnswered")


def test_a_rejection_shows_with_its_reason_and_by_whom() -> None:
    status = decide(service("calm", champion=serving()), service("shop", rejected=(rejection(),)))
    assert said(status, "Verified") == ("False", "GoldenMismatch")
    condition = status.condition("Verified")
    assert condition
    assert condition.message == "rejected by InferenceService shop: row 3 differs"
    assert status.phase == "Serving", "another service still answers with it"


def test_a_rejected_version_that_nobody_serves_is_rejected() -> None:
    assert decide(service(rejected=(rejection(),))).phase == "Rejected"
    assert decide(service(rejected=(rejection("b"),))).phase == "Registered"


def test_uses_are_bounded() -> None:
    many = [service(f"shop-{number}", champion=serving()) for number in range(70)]
    assert len(decide(*many).used_by) == 64


def test_deciding_again_changes_nothing() -> None:
    one = version()
    services = (service(champion=serving()),)
    first = lifecycle.decide(Observed(one, services), START)
    again = Observed(replace(one, status=first.status), services)
    second = lifecycle.decide(again, START + timedelta(hours=1))
    assert second == Decision(first.status)


def test_a_version_being_deleted_is_left_alone() -> None:
    going = version(deletion_timestamp=START)
    observed = Observed(going, (service(champion=serving()),))
    assert lifecycle.decide(observed, START) == Decision(ModelVersionStatus())
