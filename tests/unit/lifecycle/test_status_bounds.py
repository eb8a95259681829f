"""Whatever happens, the status that follows is one that the API server takes.

A status that it refuses would be written again and again, and users would never learn why.
"""

from __future__ import annotations

import json
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from regnant.lifecycle.diagnosis import Fault
from tests.unit.api.crd_schemas import root
from tests.unit.lifecycle.test_training import PipelineWorld, output, trained_world
from tests.unit.lifecycle.worlds import ServiceWorld, serving_world

LONG = "m" * 4000


def accepted(kind: str, status: dict[str, Any]) -> None:
    schema = root(kind)["properties"]["status"]
    assert [
        error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(status)
    ] == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not JSON",
        json.dumps({**json.loads(output()), "lineage": {"packages": {LONG: 5}}}),
        output().replace("0.91", "NaN"),
    ],
)
def test_a_result_that_cannot_be_read(text: str) -> None:
    world = PipelineWorld()
    world.step()
    world.finish(text)
    world.run()
    assert world.ready()[1] == "OutputInvalid"
    accepted("TrainingPipeline", world.status.to_json())


def test_a_training_that_fails_at_length() -> None:
    world = PipelineWorld()
    world.step()
    world.fail(fault=Fault("Crashed", LONG))
    world.run()
    accepted("TrainingPipeline", world.status.to_json())


def test_a_pipeline_that_trained_for_years() -> None:
    world = PipelineWorld()
    for number in range(30):
        world.edit(runToken=str(number))
        world.step()
        world.finish()
        world.run(3)
    assert len(world.status.history) == 20
    accepted("TrainingPipeline", world.status.to_json())


def test_a_registered_run() -> None:
    accepted("TrainingPipeline", trained_world().status.to_json())


def test_a_service_that_turned_many_versions_down() -> None:
    world = serving_world()
    for number in range(2, 28):
        added = world.add(number, f"{number:x}"[-1])
        world.down(added, Fault("GoldenMismatch", LONG, final=True))
        world.step(seconds=1)
        world.step(seconds=1)
    accepted("InferenceService", world.status.to_json())
    assert len(world.status.rejected) > 10
    assert world.status.champion
    assert world.status.champion.version == 1


def test_a_service_that_came_back() -> None:
    world = serving_world(rollout={"watch": {"duration": "10m"}})
    new = world.add(2)
    world.run()
    world.down(new, Fault("Crashed", LONG))
    world.run()
    accepted("InferenceService", world.status.to_json())
    assert world.status.rejected


def test_an_obstacle_at_length() -> None:
    world = PipelineWorld(obstacle=Fault("Forbidden", LONG))
    world.run()
    accepted("TrainingPipeline", world.status.to_json())


def test_a_service_without_anything() -> None:
    world = ServiceWorld()
    world.run()
    accepted("InferenceService", world.status.to_json())


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ({"minimum": "0.95"}, "roc_auc is 0.91, and at least 0.95 is asked for"),
        ({"maximum": "0.5"}, "roc_auc is 0.91, and at most 0.5 is allowed"),
    ],
)
def test_inputs_that_missed_a_gate_before_are_told_with_the_gate(
    limit: dict[str, str], words: str
) -> None:
    world = PipelineWorld()
    world.edit(evaluation={"gates": [{"metric": "roc_auc", **limit}]})
    world.step()
    world.finish()
    world.run()
    world.edit(runToken="b")
    world.step()
    world.finish()
    world.run()
    world.edit(runToken="")
    world.run()
    status, reason, message = world.ready()
    assert (status, reason) == ("False", "GateNotMet")
    assert words in message
    assert "spec.runToken" in message
