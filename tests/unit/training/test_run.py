"""The trainer as the pod runs it: one command, one run file, one termination message."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from regnant.api.training_pipeline import RunResult
from regnant.artifacts.layout import open_bundle
from regnant.artifacts.reference import parse_repository
from regnant.artifacts.store import fetch
from tests.unit.artifacts.registry_process import RunningRegistry, free_port
from tests.unit.training.conftest import run_file

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


@pytest.fixture
def store(registry: RunningRegistry) -> str:
    return f"oci://{registry.host}/models"


def test_a_run_ends_with_a_bundle_that_can_be_fetched_and_a_result_that_the_operator_reads(
    store: str, tmp_path: Path
) -> None:
    ended = run_command(tmp_path, document(store=store, **FOREST))
    assert ended.code == 0, ended.output
    result = RunResult.model_validate(ended.message)
    assert result.bundle.uri == f"{store}/team/churn"
    assert {metric.name for metric in result.metrics} >= {"accuracy", "roc_auc", "log_loss"}
    assert all(metric.low is not None and metric.high is not None for metric in result.metrics)
    assert result.parity is not None
    assert (result.parity.rows, result.parity.label_flips) == (1000, 0)
    assert result.lineage.rows == 150
    assert set(result.lineage.split_digests) == {"train", "test"}
    repository = parse_repository(result.bundle.uri)
    opened = fetch(repository, result.bundle.digest, tmp_path / "bundle", plain_http=True)
    assert open_bundle(tmp_path / "bundle", result.bundle.digest).signature == opened.signature
    assert opened.signature.interface_digest() == result.interface.digest
    assert result.bundle.size_bytes == sum(
        path.stat().st_size for path in (tmp_path / "bundle").iterdir()
    )
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


def test_the_same_inputs_give_the_same_digest_in_another_process(
    store: str, tmp_path: Path
) -> None:
    run = document(store=store, **FOREST)
    digests = set()
    for seed in ("random", "1"):
        ended = run_command(tmp_path / seed, run, PYTHONHASHSEED=seed)
        digests.add(ended.message["bundle"]["digest"])
    run["version"] = 4
    ended = run_command(tmp_path / "version", run)
    digests.add(ended.message["bundle"]["digest"])
    assert len(digests) == 1


def test_bad_input_leaves_by_the_termination_message_and_64(tmp_path: Path) -> None:
    ended = run_command(tmp_path, document(target="none"))
    assert ended.code == 64
    assert ended.message["reason"] == "TargetMissing"
    assert ended.message["stage"] == "ValidatingData"
    assert ended.message["message"].startswith("data.target: ")
    assert "Traceback" not in ended.output


def test_a_run_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    ended = run_command(tmp_path, {}, REGNANT_RUN_FILE=str(tmp_path / "missing.json"))
    assert (ended.code, ended.message["reason"]) == (64, "SpecInvalid")
    assert "missing.json" in ended.message["message"]


def test_a_spec_that_cannot_be_read_names_its_field(tmp_path: Path) -> None:
    run = document()
    run["spec"]["data"]["task"] = "Clustering"
    ended = run_command(tmp_path, run)
    assert (ended.code, ended.message["reason"]) == (64, "SpecInvalid")
    assert ended.message["message"].startswith("spec.data.task: ")


def test_a_result_of_many_columns_still_fits(tmp_path: Path) -> None:
    from regnant.artifacts.bundle import describe
    from regnant.artifacts.signature import Signature, Tensor
    from regnant.artifacts.termination import LIMIT_BYTES, encode
    from regnant.training.result import RunResult as Result

    tensors = tuple(
        Tensor(name=f"{index:03}" * 80, datatype="FP64", shape=(-1, 1)) for index in range(200)
    )
    signature = Signature(task="Regression", model_name="m", inputs=tensors, outputs=tensors[:1])
    result = Result(
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


def test_a_store_that_is_down_is_transient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from regnant.training import publish
    from regnant.training.__main__ import main

    def without_waiting(*arguments: Any, **options: Any) -> Any:
        from regnant.artifacts.retry import Retry
        from regnant.artifacts.store import push

        return push(*arguments, **options, retry=Retry(attempts=2, sleep=lambda _: None))

    monkeypatch.setattr(publish, "push", without_waiting)
    (tmp_path / "run.json").write_text(
        json.dumps(document(store=f"oci://127.0.0.1:{free_port()}/models"))
    )
    monkeypatch.setenv("REGNANT_RUN_FILE", str(tmp_path / "run.json"))
    monkeypatch.setenv("REGNANT_TERMINATION_LOG", str(tmp_path / "log"))
    assert main([]) == 75
    message = json.loads((tmp_path / "log").read_bytes())
    assert (message["reason"], message["stage"]) == ("StoreUnavailable", "Pushing")
