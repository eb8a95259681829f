"""Pods that do not answer the operator are named once, when they have been silent for a while."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from regnant.api.meta import Kind
from regnant.api.model_version import Artifact
from regnant.api.rollout_status import Serving
from regnant.controllers import silence
from regnant.controllers.counting import Contest, Counter
from regnant.controllers.ledger import Sample
from regnant.controllers.queue import Key
from regnant.controllers.scrape import Variant
from regnant.controllers.silence import PATIENCE, Silence
from regnant.probes import Prober
from tests.unit.ledger.samples import KEY
from tests.unit.ports import free_port
from tests.unit.router.running_router import LOOPBACK

REFUSED = "refused"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Log:
    """What is said of looks, one a second."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        self._caplog = caplog
        self._silence = Silence()
        self._second = 0
        self.silent: Mapping[str, str] = {}

    def looks(
        self, count: int, *missing: str, key: Key = KEY, why: str = REFUSED
    ) -> list[logging.LogRecord]:
        """The lines that so many looks make, all of which miss these pods."""
        self._caplog.clear()
        for _ in range(count):
            self._second += 1
            sample = Sample(self._second, self._second + 0.5)
            missed = replace(sample, missing=dict.fromkeys(missing, why))
            self.silent = self._silence.notice(key, missed)
        return self._caplog.records

    def forget(self) -> None:
        self._silence.forget(KEY)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Log:
    return Log(caplog)


LONG = int(PATIENCE) + 1


def test_a_pod_that_misses_some_looks_is_not_named(log: Log) -> None:
    assert log.looks(LONG - 2, "10.0.1.1") == []
    assert log.looks(1) == []
    assert log.looks(LONG - 2, "10.0.1.1") == []


def test_a_pod_that_misses_all_looks_is_named_once_with_the_remedy(log: Log) -> None:
    (line,) = log.looks(5 * LONG, "10.0.1.1")
    assert line.levelname == "WARNING"
    assert "10.0.1.1 (refused)" in line.getMessage()
    assert "port 8081 of routers" in line.getMessage()
    assert (line.object, line.reason) == (KEY.name, "PodsSilent")  # type: ignore[attr-defined]


def test_it_is_said_again_when_others_are_silent(log: Log) -> None:
    log.looks(LONG, "10.0.1.1")
    (line,) = log.looks(LONG, "10.0.1.1", "10.0.2.1")
    assert "10.0.1.1 (refused), 10.0.2.1 (refused)" in line.getMessage()
    (line,) = log.looks(LONG, "10.0.2.1")
    assert "10.0.1.1" not in line.getMessage()


def test_it_is_said_when_all_answer_again(log: Log) -> None:
    log.looks(LONG, "10.0.1.1")
    (line,) = log.looks(3)
    assert (line.levelname, line.reason) == ("INFO", "PodsAnswer")  # type: ignore[attr-defined]


def test_of_many_some_are_named_and_the_rest_counted(log: Log) -> None:
    (line,) = log.looks(LONG, *(f"10.0.1.{number}" for number in range(1, 9)))
    assert "10.0.1.5 (refused) and 3 more" in line.getMessage()


def test_a_rollout_that_is_over_says_nothing(log: Log) -> None:
    log.looks(LONG, "10.0.1.1")
    log.forget()
    assert log.looks(LONG - 2) == []
    assert len(log.looks(LONG, "10.0.1.1")) == 1


def test_each_rollout_has_a_silence_of_its_own(log: Log) -> None:
    other = Key(Kind.INFERENCE_SERVICE, "default", "fraud")
    log.looks(LONG, "10.0.1.1")
    (line,) = log.looks(LONG, "10.0.9.1", key=other)
    assert "10.0.1.1" not in line.getMessage()


def test_what_is_told_of_silent_pods_stays_the_same_until_others_are_silent(log: Log) -> None:
    log.looks(LONG - 2, "10.0.1.1")
    assert log.silent == {}
    log.looks(2, "10.0.1.1")
    assert log.silent == {"10.0.1.1": REFUSED}
    log.looks(3, "10.0.1.1", why="no answer within 0.9 s")
    assert log.silent == {"10.0.1.1": REFUSED}
    log.looks(1)
    assert log.silent == {}


async def test_who_counts_for_a_rollout_tells_of_silent_pods(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(silence, "PATIENCE", 0.0)
    digest = "sha256:" + "2" * 64
    candidate = Serving(
        version=2, artifact=Artifact(uri="oci://registry/churn", digest=digest), since=NOW
    )
    async with Prober.open(port=free_port()) as prober:
        seen = await Counter(prober).count(
            KEY, Contest("step", None, candidate), [LOOPBACK], None, Variant(2, digest, ())
        )
    assert seen.silent.keys() == {LOOPBACK}
    assert seen.heard == frozenset()
