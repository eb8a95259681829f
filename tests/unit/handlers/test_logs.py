"""Lines for machines and lines for people."""

from __future__ import annotations

import json
import logging

import pytest

from regnant.api.meta import Kind
from regnant.controllers.queue import Key
from regnant.handlers import logs


@pytest.fixture(autouse=True)
def restored() -> object:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    kopf = logging.getLogger("kopf")
    of_kopf = kopf.level
    yield
    root.handlers[:], root.level = handlers, level
    kopf.setLevel(of_kopf)


def test_a_line_for_machines_names_the_object_apart(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("json")
    fields = Key(Kind.MODEL_VERSION, "team", "churn-1").log_fields() | {"reason": "Registered"}
    logging.getLogger("regnant.test").info("%s is %s", "it", "so", extra=fields)
    line = json.loads(capsys.readouterr().err)
    assert line["message"] == "it is so"
    assert line["level"] == "INFO"
    assert (line["kind"], line["namespace"], line["object"], line["reason"]) == (
        "ModelVersion",
        "team",
        "churn-1",
        "Registered",
    )
    assert "error" not in line


def test_a_traceback_is_one_field(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("json")
    logging.getLogger("regnant.test").error("failed", exc_info=ValueError("wrong"))
    assert "ValueError: wrong" in json.loads(capsys.readouterr().err)["error"]


def test_a_line_for_people_is_short(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("text")
    logging.getLogger("regnant.test").warning("it is so")
    logging.getLogger("kopf.reactor").info("chatter")
    line = capsys.readouterr().err
    assert line.endswith("WARNING it is so\n")
    assert line.count("\n") == 1
