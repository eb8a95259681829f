"""A real registry, and a small bundle to push there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from regnant.artifacts.bundle import Bundle
from regnant.artifacts.reference import Repository
from regnant.artifacts.retry import Retry
from regnant.artifacts.signature import Signature, Tensor
from tests.unit.artifacts.registry_process import RunningRegistry, running_registry
from tests.unit.programs import program


@pytest.fixture(scope="session")
def registry_binary() -> Path:
    return program("registry")


@pytest.fixture
def registry(registry_binary: Path, tmp_path: Path) -> Iterator[RunningRegistry]:
    with running_registry(registry_binary, tmp_path / "registry") as running:
        yield running


@pytest.fixture
def repository(registry: RunningRegistry) -> Repository:
    return Repository(registry.host, "models/team/churn")


@pytest.fixture
def signature() -> Signature:
    return Signature(
        task="Regression",
        model_name="churn",
        inputs=(Tensor(name="features", datatype="FP64", shape=(-1, 3)),),
        outputs=(Tensor(name="prediction", datatype="FP64", shape=(-1,)),),
    )


@pytest.fixture
def bundle(signature: Signature) -> Bundle:
    return Bundle(
        model_name="churn",
        model=bytes(range(256)) * 4000,
        signature=signature.to_json(),
        golden=b'{"inputs":[],"outputs":[]}',
        profile=b'{"rows":1}',
        card=b"# churn\n",
    )


@pytest.fixture
def impatient() -> Retry:
    return Retry(attempts=3, base_seconds=0.0, sleep=lambda _: None)
