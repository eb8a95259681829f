"""What a registered version says of its origin beyond what the training's message held."""

from __future__ import annotations

import json
from typing import Any

from regnant.lifecycle import training_pipeline as lifecycle
from tests.unit.lifecycle.test_training import PipelineWorld, output, spec


def lineage(trainer: dict[str, Any]) -> dict[str, Any]:
    """The lineage of the ModelVersion that a run with this trainer becomes."""
    world = PipelineWorld(spec=spec(trainer=trainer))
    world.step()
    world.finish()
    (manifest,) = lifecycle.decide(world.observe(), world.now).apply
    found: dict[str, Any] = manifest["spec"]["lineage"]
    return found


def test_the_parameters_are_those_of_the_spec() -> None:
    parameters = {"steps": [["scale", {"estimator": "sklearn.preprocessing.StandardScaler"}]]}
    trainer = {"sklearn": {"estimator": "sklearn.pipeline.Pipeline", "parameters": parameters}}
    assert lineage(trainer)["parameters"] == parameters


def test_a_trainer_of_the_users_own_has_no_parameters_but_an_image() -> None:
    found = lineage({"container": {"image": "example.com/trainer:1"}})
    assert "parameters" not in found
    assert found["trainerImage"] == "example.com/trainer:1"


def test_what_the_training_left_out_of_an_address_is_not_brought_back() -> None:
    signed = {"uri": "https://lake/x.csv?signature=s", "task": "Regression", "target": "y"}
    world = PipelineWorld(spec=spec(data=signed))
    world.step()
    told = json.loads(output())
    told["lineage"]["dataUri"] = "https://lake/x.csv"
    world.finish(json.dumps(told))
    (manifest,) = lifecycle.decide(world.observe(), world.now).apply
    assert manifest["spec"]["lineage"]["dataUri"] == "https://lake/x.csv"
