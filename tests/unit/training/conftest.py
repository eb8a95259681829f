"""A real registry, and runs whose data lies in a folder as on a claim."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from regnant.training.progress import Progress
from regnant.training.run_file import RunFile
from regnant.training.sources import DataMounts
from regnant.training.train import Made, make
from tests.unit.artifacts.registry_process import RunningRegistry, running_registry
from tests.unit.programs import program

MakeModel = Callable[..., Made]


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    binary = program("registry")
    with running_registry(binary, tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(scope="session", autouse=True)
def single_threaded() -> Iterator[None]:
    """Small models gain nothing from threads, and lose a lot on a busy machine."""
    with threadpool_limits(1):
        yield


def run_file(
    uri: str = "sklearn://iris",
    *,
    task: str = "Classification",
    target: str = "target",
    estimator: str = "sklearn.linear_model.LogisticRegression",
    parameters: dict[str, Any] | None = None,
    preprocessing: str = "Auto",
    data: dict[str, Any] | None = None,
    evaluation: dict[str, Any] | None = None,
    store: str = "oci://127.0.0.1:1/models",
) -> RunFile:
    """A run file as the operator mounts it."""
    return RunFile.model_validate(
        {
            "modelName": "churn",
            "version": 3,
            "namespace": "team",
            "pipeline": {"name": "churn", "uid": "u"},
            "inputsDigest": "sha256:" + "1" * 64,
            "trainerImage": "trainer",
            "spec": {
                "modelName": "churn",
                "data": {"uri": uri, "task": task, "target": target, **(data or {})},
                "trainer": {
                    "sklearn": {
                        "estimator": estimator,
                        "parameters": parameters or {},
                        "preprocessing": preprocessing,
                    }
                },
                "evaluation": evaluation or {},
            },
            "store": {"uri": store, "plainHTTP": True},
        }
    )


@pytest.fixture
def claim(tmp_path: Path) -> Path:
    """The folder that stands for the mounted claim of pvc:// sources."""
    folder = tmp_path / "claim"
    folder.mkdir()
    return folder


@pytest.fixture
def mounts(claim: Path, tmp_path: Path) -> DataMounts:
    return DataMounts(credentials=tmp_path / "credentials", claim=claim)


@pytest.fixture
def make_model(mounts: DataMounts) -> MakeModel:
    """Train, export and prove, without a store."""

    def run(*arguments: Any, **options: Any) -> Made:
        progress = Progress(output=io.StringIO())
        return make(run_file(*arguments, **options), progress, mounts)

    return run


@pytest.fixture
def make_from_csv(make_model: MakeModel, claim: Path) -> MakeModel:
    """The same for a CSV given as text."""

    def run(text: str, **options: Any) -> Made:
        (claim / "data.csv").write_text(text)
        return make_model("pvc://claim/data.csv", **options)

    return run
