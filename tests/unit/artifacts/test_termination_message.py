"""How a container says why it ended, in the 4,096 bytes that are kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regnant.api.exits import INPUT_AT_FAULT
from regnant.artifacts.termination import (
    EXIT_TRANSIENT,
    LIMIT_BYTES,
    Failure,
    encode_failure,
    log_path,
    write_failure,
    write_result,
)


class Away(Failure):
    reason: ClassVar[str] = "StoreUnavailable"
    transient: ClassVar[bool] = True


class Wrong(Failure):
    reason: ClassVar[str] = "InvalidParameter"


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "log"
    monkeypatch.setenv("REGNANT_TERMINATION_LOG", str(path))
    return path


def test_a_fault_of_the_input_exits_with_64(log: Path) -> None:
    assert write_failure(Wrong("x: wrong; use y"), stage="Training") == INPUT_AT_FAULT == 64
    assert json.loads(log.read_bytes()) == {
        "reason": "InvalidParameter",
        "message": "x: wrong; use y",
        "stage": "Training",
    }


def test_a_transient_fault_exits_with_75(log: Path) -> None:
    assert write_failure(Away("the store is down"), stage="Pushing") == EXIT_TRANSIENT == 75


@given(st.text(max_size=12_000))
def test_a_message_of_any_length_fits_and_stays_json(text: str) -> None:
    content = encode_failure(Wrong(text), "Training")
    message = json.loads(content)
    assert len(content) <= LIMIT_BYTES
    assert message["reason"] == "InvalidParameter"


def test_a_long_message_keeps_as_much_as_fits() -> None:
    content = encode_failure(Wrong("ü" * 10_000), "Training")
    assert LIMIT_BYTES - 4 <= len(content) <= LIMIT_BYTES
    assert json.loads(content)["message"].endswith(" ...")


def test_a_later_message_replaces_a_longer_one(log: Path) -> None:
    write_failure(Wrong("x" * 1000), stage="a")
    write_result({"short": 1})
    assert json.loads(log.read_bytes()) == {"short": 1}


def test_a_result_that_does_not_fit_is_refused(log: Path) -> None:
    with pytest.raises(ValueError, match="exceeds"):
        write_result({"text": "x" * 5000})
    assert not log.exists()


def test_a_number_that_is_not_finite_is_refused(log: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_result({"value": float("nan")})


def test_outside_a_pod_the_message_goes_to_stderr(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REGNANT_TERMINATION_LOG", str(tmp_path / "no" / "such" / "log"))
    assert write_failure(Wrong("wrong"), stage="s") == 64
    assert '"reason":"InvalidParameter"' in capsys.readouterr().err


def test_the_kubelets_file_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REGNANT_TERMINATION_LOG", raising=False)
    assert str(log_path()) == "/dev/termination-log"
