"""Whoever waits for a long step is told that it begins, goes on, and is over."""

from __future__ import annotations

import threading

import pytest

from e2e.cluster import progress


def test_a_long_step_is_announced_and_its_end_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.long_step("compiling etcd", "compiled etcd"):
        assert capsys.readouterr().err == "        ... compiling etcd\n"
    assert capsys.readouterr().err.endswith(" s    compiled etcd\n")


def test_a_long_step_says_that_it_goes_on_for_as_long_as_it_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    twice = threading.Event()

    def say(message: str) -> None:
        said.append(message)
        if sum("still compiling etcd" in line for line in said) == 2:
            twice.set()

    monkeypatch.setattr(progress, "say", say)
    with progress.long_step("compiling etcd", "compiled etcd", reassure_every=0.01):
        assert twice.wait(60)
    assert said[-1].endswith("compiled etcd")


def test_a_step_that_fails_is_not_told_as_done(capsys: pytest.CaptureFixture[str]) -> None:
    before = threading.active_count()
    with pytest.raises(OSError, match="disk"), progress.long_step("compiling", "compiled"):
        raise OSError("disk")
    assert "compiled" not in capsys.readouterr().err
    assert threading.active_count() == before
