"""The shape of `-o json`: what a script reads today it can read tomorrow."""

from __future__ import annotations

from typing import Any

import pytest

from regnant.api.actions import Action
from regnant.cli import documents
from regnant.cli.asking import Asked
from regnant.cli.explanation import explain
from regnant.cli.record import answered_at
from regnant.cli.standing import standing
from tests.unit.cli.situations import NOW, SITUATIONS, situation

HEAD = {"apiVersion", "kind"}
ABOUT = HEAD | {"namespace", "name", "modelName"}


def seen(name: str) -> Any:
    return standing(situation(name), NOW)


def test_a_status_keeps_its_fields() -> None:
    shown = documents.service_status(seen("splitting")).to_json()
    assert set(shown) == ABOUT | {"generation", "status", "derived"}
    assert shown["derived"] == {
        "at": "2026-11-21T15:40:00.000000Z",
        "champion": "churn-3",
        "candidate": "churn-4",
        "available": True,
        "open": True,
        "paused": False,
        "outdated": False,
        "waitsFor": "Requests",
        "waitingMessage": "388 more requests and 20s more",
        "progress": {
            "stage": "Step",
            "weight": 25,
            "requests": 612,
            "minRequests": 1000,
            "elapsed": "1m40s",
            "minDuration": "2m",
            "overdue": False,
            "last": False,
        },
    }


def test_the_status_in_it_is_the_objects_own() -> None:
    service = situation("splitting")
    shown = documents.service_status(standing(service, NOW)).to_json()
    assert shown["status"] == service.status.to_json()


WAITS = {
    "never seen": "Operator",
    "no version yet": "Version",
    "preparing": "Servers",
    "verifying": "Verification",
    "splitting": "Requests",
    "routers told": "Routers",
    "manual step": "Approval",
    "paused": "Resume",
    "paused in the spec": "Resume",
    "inconclusive": "Decision",
    "last step without proof": "Evidence",
    "promoting": "Routers",
    "watching": "Watch",
    "rolling back": "Routers",
    "serving": "Nothing",
    "both pinned": "Pin",
}


@pytest.mark.parametrize("name", WAITS)
def test_a_script_can_tell_what_is_waited_for(name: str) -> None:
    assert documents.service_status(seen(name)).to_json()["derived"]["waitsFor"] == WAITS[name]


@pytest.mark.parametrize("name", SITUATIONS)
def test_an_explanation_has_all_its_answers(name: str) -> None:
    found = seen(name)
    shown = documents.explanation(found, explain(found, "regnant")).to_json()
    answers = {"reign", "candidate", "comparison", "turnedDown", "coming", "choices"}
    assert set(shown) == ABOUT | answers | {"phase", "waitsFor"}


def test_an_answer_about_a_time_names_version_and_bundle() -> None:
    found = seen("splitting")
    shown = documents.answered_at(found, answered_at(found.service, NOW)).to_json()
    assert set(shown) == ABOUT | {"at", "version", "digest", "reign", "beside"}
    assert shown["beside"] == {"version": 4, "percent": 25}


def test_an_action_tells_what_was_asked_even_before_it_is_answered() -> None:
    action = Action(id="a", action="pause", transition="4-x-1")
    asked = Asked(situation("splitting"), action, "Asked", "not waited for")
    shown = documents.action_outcome(asked).to_json()
    assert set(shown) == ABOUT | {"outcome", "message", "action"}
    assert shown["action"] == {"id": "a", "action": "pause", "transition": "4-x-1", "by": ""}


def test_a_failure_repeats_the_exit_code() -> None:
    shown = documents.Failure(code=3, message="there is none").to_json()
    assert set(shown) == HEAD | {"code", "message"}
