"""A TrainingPipeline until its ModelVersion exists, against the same run bare in one pod.

The pod is the Job's own pod template with the Job's own run file. Every run pushes to a repository
of its own, so that none finds its bundle in the store already.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import yaml

from e2e.bench.place import EXAMPLES, Place, by_hand, resource
from e2e.bench.report import Sample, Table, rounds, verdict
from e2e.harness import Manifest
from regnant.api.meta import Kind
from regnant.api.training_pipeline import TrainingPipelineSpec
from regnant.manifests import training_job
from regnant.manifests.training_job import TrainingRun

GOAL_RATIO = 1.1
GOAL_SECONDS = 5.0
_EXAMPLE = "pipeline.yaml"
_PATIENCE = "--timeout=240s"


def measure(place: Place, repetitions: int, until: float) -> Table:
    """Both in turns, as often as asked and as there is time for."""
    times: dict[str, list[float]] = {"by hand": [], "pipeline": []}
    for number in rounds(repetitions, until):
        turns: list[tuple[str, Callable[[Place, int], float]]] = [
            ("by hand", _by_hand),
            ("pipeline", _pipeline),
        ]
        for label, run in turns if number % 2 else reversed(turns):
            seconds = run(place, number)
            times[label].append(seconds)
            print(f"   training {number}, {label}: {seconds:.2f} s", flush=True)
    return _table(Sample.of(times["by hand"]), Sample.of(times["pipeline"]))


def line(number: int) -> str:
    """The model line of the n-th pipeline; version 1 of it is there after `measure`."""
    return f"trained-{number}"


def _pipeline(place: Place, number: int) -> float:
    name = line(number)
    spec = {**_spec(), "modelName": name}
    place.cluster.apply(resource(Kind.TRAINING_PIPELINE, name, spec), place.namespace)
    began = time.monotonic()
    _wait(place, "--for=create", f"modelversion/{name}-1")
    return time.monotonic() - began


def _by_hand(place: Place, number: int) -> float:
    name = f"bare-{number}"
    run = TrainingRun(
        place.owner(Kind.TRAINING_PIPELINE, name),
        TrainingPipelineSpec.model_validate({**_spec(), "modelName": name}),
        version=1,
        inputs_digest="sha256:" + "0" * 64,
        platform=place.platform,
    )
    config, job = training_job.build(run)
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": job["spec"]["template"]["spec"],
    }
    made = config | {"metadata": {"name": config["metadata"]["name"]}}
    place.cluster.apply([made, by_hand(pod)], place.namespace)
    began = time.monotonic()
    _wait(place, "--for=jsonpath={.status.phase}=Succeeded", f"pod/{name}")
    return time.monotonic() - began


def _wait(place: Place, *words: str) -> None:
    place.cluster.kubectl("wait", *words, f"--namespace={place.namespace}", _PATIENCE)


def _spec() -> dict[str, Any]:
    found: Manifest = yaml.safe_load((EXAMPLES / _EXAMPLE).read_text(encoding="utf-8"))
    spec: dict[str, Any] = found["spec"]
    return spec


def _table(bare: Sample, pipeline: Sample) -> Table:
    beyond = Sample.of(ours - hand for ours, hand in zip(pipeline.values, bare.values, strict=True))
    limit = bare.median * GOAL_RATIO + GOAL_SECONDS
    rows = [
        ["the run bare in one pod, until it has succeeded", *bare.cells(2, "s"), ""],
        [
            "TrainingPipeline, until its ModelVersion exists",
            *pipeline.cells(2, "s"),
            f"at most {limit:.2f} s: {verdict(pipeline.median, limit)}",
        ],
        ["what the pipeline adds, pair by pair", *beyond.cells(2, "s"), ""],
    ]
    return Table(
        "A training",
        ["", "median", "spread", "goal"],
        rows,
        f"The run of docs/examples/{_EXAMPLE}. {bare.count}, in turns, and pushed to a repository "
        "of its own. The pod is the Job's own, with the Job's own run file. The goal is "
        f"{(GOAL_RATIO - 1) * 100:.0f} % and {GOAL_SECONDS:.0f} s more than the bare run.",
    )
