"""The trainer as the pod runs it: one command, one run file, one termination message."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from regnant.api.training_pipeline import RunResult
from regnant.artifacts.bundle import describe
from regnant.artifacts.layout import open_bundle
from regnant.artifacts.reference import parse_repository
from regnant.artifacts.retry import Retry
from regnant.artifacts.signature import Signature, Tensor
from regnant.artifacts.store import fetch, push
from regnant.artifacts.termination import LIMIT_BYTES, encode
from regnant.training import publish
from regnant.training import result as result_module
from regnant.training.__main__ import main
from tests.unit.artifacts.registry_process import RunningRegistry
from tests.unit.ports import free_port
from tests.unit.training.conftest import run_file

EndHere = Callable[[dict[str, Any]], tuple[int, dict[str, Any]]]
FOREST = {"estimator": "sklearn.ensemble.RandomForestClassifier", "parameters": {"n_estimators": 9}}


@dataclass(frozen=True)
class Ended:
    """How a run of the command ended."""

    code: int
    message: dict[str, Any]
    stages: list[str]
    output: str


def run_command(directory: Path, run: dict[str, Any], *arguments: str, **variables: str) -> Ended:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "run.json").write_text(json.dumps(run))
    environment = {
        **os.environ,
        "REGNANT_RUN_FILE": str(directory / "run.json"),
        "REGNANT_TERMINATION_LOG": str(directory / "termination"),
        "OMP_NUM_THREADS": "1",
        **variables,
    }
    command = [sys.executable, "-m", "regnant.training", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, check=False, text=True)
    log = directory / "termination"
    assert log.exists(), done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    stages = list(dict.fromkeys(line["stage"] for line in lines))
    return Ended(done.returncode, json.loads(log.read_bytes()), stages, done.stdout + done.stderr)


def document(**options: Any) -> dict[str, Any]:
    run = run_file(**options)
    return run.model_dump(mode="json", by_alias=True, exclude_none=True)


@pytest.fixture(scope="module")
def store(registry: RunningRegistry) -> str:
    return f"oci://{registry.host}/models"


@pytest.fixture(scope="module")
def ended(store: str, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """One whole run, in a process of its own whose hash seed is random at first."""
    run = document(store=store, **FOREST)
    return run_command(tmp_path_factory.mktemp("run"), run, PYTHONHASHSEED="random")


def test_a_run_ends_with_a_result_that_the_operator_reads(ended: Ended, store: str) -> None:
    assert ended.code == 0, ended.output
    result = RunResult.model_validate(ended.message)
    assert result.bundle.uri == f"{store}/team/churn"
    assert {metric.name for metric in result.metrics} >= {"accuracy", "roc_auc", "log_loss"}
    assert all(metric.low is not None and metric.high is not None for metric in result.metrics)
    assert result.parity is not None
    assert (result.parity.rows, result.parity.label_flips) == (1000, 0)
    assert result.lineage.rows == 150
    assert set(result.lineage.split_digests) == {"train", "test"}


def test_a_run_says_what_it_is_doing(ended: Ended) -> None:
    assert ended.stages == [
        "FetchingData",
        "ValidatingData",
        "Splitting",
        "Training",
        "Exporting",
        "Evaluating",
        "CheckingParity",
        "Packing",
        "Pushing",
    ]


def test_a_run_ends_with_a_bundle_that_can_be_fetched(ended: Ended, tmp_path: Path) -> None:
    result = RunResult.model_validate(ended.message)
    repository = parse_repository(result.bundle.uri)
    opened = fetch(repository, result.bundle.digest, tmp_path / "bundle", plain_http=True)
    assert open_bundle(tmp_path / "bundle", result.bundle.digest).signature == opened.signature
    assert opened.signature.interface_digest() == result.interface.digest
    assert result.bundle.size_bytes == sum(
        path.stat().st_size for path in (tmp_path / "bundle").iterdir()
    )


def test_the_same_inputs_give_the_same_digest_in_another_process(
    ended: Ended, store: str, tmp_path: Path
) -> None:
    run = document(store=store, **FOREST) | {"version": 4}
    again = run_command(tmp_path, run, PYTHONHASHSEED="1")
    assert again.message["bundle"]["digest"] == ended.message["bundle"]["digest"]


@pytest.fixture
def end_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EndHere:
    """Run the same command in this process."""

    def run(content: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if content:
            (tmp_path / "run.json").write_text(json.dumps(content))
        monkeypatch.setenv("REGNANT_RUN_FILE", str(tmp_path / "run.json"))
        monkeypatch.setenv("REGNANT_TERMINATION_LOG", str(tmp_path / "log"))
        return main([]), json.loads((tmp_path / "log").read_bytes())

    return run


def test_bad_input_leaves_by_the_termination_message_and_64(
    end_here: EndHere, capsys: pytest.CaptureFixture[str]
) -> None:
    code, message = end_here(document(target="none"))
    assert (code, message["reason"], message["stage"]) == (64, "TargetMissing", "ValidatingData")
    assert message["message"].startswith("data.target: ")
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["level"], last["stage"]) == ("ERROR", "ValidatingData")


def test_a_run_file_that_is_not_there_is_named(end_here: EndHere) -> None:
    code, message = end_here({})
    assert (code, message["reason"]) == (64, "SpecInvalid")
    assert "run.json" in message["message"]


def test_a_spec_that_cannot_be_read_names_its_field(end_here: EndHere) -> None:
    run = document()
    run["spec"]["data"]["task"] = "Clustering"
    code, message = end_here(run)
    assert (code, message["reason"]) == (64, "SpecInvalid")
    assert message["message"].startswith("spec.data.task: ")


def test_a_container_pipeline_is_not_for_the_built_in_trainer(end_here: EndHere) -> None:
    run = document()
    run["spec"]["trainer"] = {"container": {"image": "mine"}}
    code, message = end_here(run)
    assert (code, message["reason"]) == (64, "SpecInvalid")
    assert message["message"].startswith("trainer.sklearn: ")


def test_a_store_that_is_down_is_transient(
    end_here: EndHere, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_waiting(*arguments: Any, **options: Any) -> Any:
        return push(*arguments, **options, retry=Retry(attempts=2, sleep=lambda _: None))

    monkeypatch.setattr(publish, "push", without_waiting)
    code, message = end_here(document(store=f"oci://127.0.0.1:{free_port()}/models"))
    assert code == 75
    assert (message["reason"], message["stage"]) == ("StoreUnavailable", "Pushing")


def test_a_result_of_many_columns_still_fits() -> None:
    tensors = tuple(
        Tensor(name=f"{index:03}" * 80, datatype="FP64", shape=(-1, 1)) for index in range(200)
    )
    signature = Signature(task="Regression", model_name="m", inputs=tensors, outputs=tensors[:1])
    result = result_module.RunResult(
        parse_repository("oci://h/m"),
        describe(b"", "x"),
        1,
        signature,
        [],
        {"packages": {"p": "1"}},
    )
    fitted = result.to_document()
    assert len(encode(fitted)) <= LIMIT_BYTES
    interface = fitted["interface"]
    assert isinstance(interface, dict)
    assert interface["digest"] == signature.interface_digest()
    assert 0 < len(interface["inputs"]) < 16
