"""The command line is understood as kubectl users type it, and mistakes end with code 2."""

from __future__ import annotations

from datetime import timedelta

import pytest

from regnant.cli.arguments import COMMANDS, parse


@pytest.mark.parametrize(
    "words",
    [
        ["churn"],
        ["infsvc/churn"],
        ["inferenceservice/churn"],
        ["inferenceservices.regnant.dev/churn"],
        ["inferenceservices.v1alpha1.regnant.dev/churn"],
        ["InferenceService/churn"],
        ["infsvc", "churn"],
        ["inferenceservice", "churn"],
        ["inferenceservices", "churn"],
    ],
)
def test_a_service_is_named_as_in_kubectl(words: list[str]) -> None:
    for command in ("status", "explain", "promote"):
        assert parse("regnant", [command, *words]).name == "churn"
    assert parse("regnant", ["retry", *words, "4"]).version == 4


def test_a_service_may_be_called_like_the_kind() -> None:
    assert parse("regnant", ["explain", "infsvc"]).name == "infsvc"
    assert parse("regnant", ["explain", "infsvc", "infsvc"]).name == "infsvc"


@pytest.mark.parametrize("version", ["4", "churn-4", "mv/churn-4", "modelversion/a-b-4"])
def test_a_version_is_a_number_or_a_name(version: str) -> None:
    assert parse("regnant", ["retry", "churn", version]).version == 4
    assert parse("regnant", ["rollback", "churn", "--to", version]).version == 4


def test_options_stand_before_the_command_after_it_and_between_words() -> None:
    where = ["-n", "shop", "--context", "prod"]
    for words in (
        [*where, "status", "churn"],
        ["status", *where, "churn"],
        ["status", "churn", *where],
        ["status", "infsvc", *where, "churn"],
    ):
        options = parse("regnant", words)
        assert (options.name, options.namespace, options.context) == ("churn", "shop", "prod")


def test_what_is_said_last_counts() -> None:
    assert parse("regnant", ["-n", "a", "status", "-n", "b"]).namespace == "b"


def test_a_rollback_needs_no_version() -> None:
    assert parse("regnant", ["rollback", "churn"]).version is None


def test_a_timeout_is_a_duration() -> None:
    options = parse("regnant", ["abort", "churn", "--timeout", "1h30m"])
    assert options.timeout == timedelta(minutes=90)


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ([], "COMMAND"),
        (["reign"], "reign"),
        (["explain"], "NAME"),
        (["promote"], "NAME"),
        (["explain", "pod/churn"], "pod/churn"),
        (["explain", "infsvc/"], "infsvc/"),
        (["explain", "churn", "other"], "other"),
        (["retry", "churn"], "which version"),
        (["retry", "churn", "latest"], "latest"),
        (["retry", "churn", "0"], "0"),
        (["rollback", "churn", "--to", "yesterday"], "yesterday"),
        (["status", "churn", "-A"], "-A"),
        (["status", "-o", "yaml"], "yaml"),
        (["abort", "churn", "--timeout", "soon"], "soon"),
        (["abort", "churn", "--timeout", ""], "duration"),
        (["status", "--frobnicate"], "--frobnicate"),
        (["explain", "churn", "--full"], "--full"),
    ],
)
def test_a_mistake_is_named_and_ends_with_2(
    words: list[str], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse("regnant", words)
    assert ended.value.code == 2
    assert hint in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_and_its_exit_codes(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse("kubectl regnant", [command, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert f"kubectl regnant {command}" in shown
    assert "exit codes" in shown
