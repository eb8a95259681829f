"""A short load that a version must carry: it ends by itself, and says what was missed."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from regnant.api.rollout import LoadProbe
from regnant.probes import AnswerError, LoadResult, Prober, Target, UnreachableError, carry, judge
from tests.unit.probes.scripted_pod import DIGEST, Answer, ScriptedPod, scripted_pod

ROUTER = "127.0.0.1"
GOLDEN, INFER = "/regnant/v1/golden", "/v2/models/churn/infer"
TARGET = Target("churn", 3, DIGEST)
PROBE = LoadProbe(requests=20, concurrency=3)
QUESTION = {"inputs": [{"name": "x", "datatype": "FP64", "shape": [1, 1], "data": [1.0]}]}


@pytest.fixture
async def pod() -> AsyncIterator[ScriptedPod]:
    async with scripted_pod() as pod:
        golden = {
            "request": QUESTION,
            "response": {"outputs": []},
            "tolerance": {"absolute": 0, "relative": 0},
        }
        pod.answers = {GOLDEN: Answer(golden), INFER: Answer({"outputs": []})}
        yield pod


@pytest.fixture
async def prober(pod: ScriptedPod) -> AsyncIterator[Prober]:
    async with Prober.open(port=pod.port) as prober:
        yield prober


async def test_as_many_golden_rows_as_asked_for_go_to_exactly_this_version(
    pod: ScriptedPod, prober: Prober
) -> None:
    result = await carry(prober, ROUTER, TARGET, PROBE)
    assert (result.requests, result.failed) == (20, 0)
    assert result.p99_seconds > 0
    assert result.requests_per_second > 0
    assert judge(PROBE, result) == ""
    golden, *asked = pod.asked
    assert golden.target == f"{GOLDEN}?rows=1"
    assert len(asked) == 20
    assert {(one.target, one.headers["x-regnant-verify-version"]) for one in asked} == {
        (INFER, "3")
    }
    assert all(json.loads(one.body) == QUESTION for one in asked)


@pytest.mark.parametrize("status", [400, 500, 503, 504])
async def test_an_answer_that_is_not_200_failed(
    pod: ScriptedPod, prober: Prober, status: int
) -> None:
    pod.answers[INFER] = Answer({"error": "no"}, status=status)
    result = await carry(prober, ROUTER, TARGET, PROBE)
    assert (result.requests, result.failed, result.p99_seconds) == (20, 20, 0)
    assert f"20 of 20 requests of the load probe failed, the first with: POST {INFER}" in judge(
        PROBE, result
    )
    assert f"HTTP {status}" in result.first_failure


async def test_an_answer_of_another_version_failed(pod: ScriptedPod, prober: Prober) -> None:
    pod.answers[INFER].version = "2"
    result = await carry(prober, ROUTER, TARGET, PROBE)
    assert result.failed == 20
    assert "but version 2" in result.first_failure


async def test_a_version_that_hangs_is_not_waited_for(pod: ScriptedPod, prober: Prober) -> None:
    pod.answers[INFER].hangs = True
    result = await carry(prober, ROUTER, TARGET, PROBE, longest=0.3)
    assert (result.requests, result.failed) == (3, 3)
    assert "no answer before the end, after 0.3 s" in judge(PROBE, result)


async def test_a_router_that_is_gone_proves_nothing(unused_tcp_port: int) -> None:
    async with Prober.open(port=unused_tcp_port) as prober:
        with pytest.raises(UnreachableError):
            await carry(prober, ROUTER, TARGET, PROBE)


async def test_a_router_that_goes_away_on_the_way_proves_nothing(
    pod: ScriptedPod, prober: Prober
) -> None:
    # Whatever goes wrong behind a router reaches us as a status, and not by a closed connection.
    pod.answers[INFER].closes = True
    with pytest.raises(UnreachableError):
        await carry(prober, ROUTER, TARGET, PROBE)


async def test_a_version_without_golden_rows_is_an_error(pod: ScriptedPod, prober: Prober) -> None:
    del pod.answers[GOLDEN]
    with pytest.raises(AnswerError):
        await carry(prober, ROUTER, TARGET, PROBE)


LIMITED = LoadProbe(requests=200, max_p99_milliseconds=100, min_requests_per_second=50)
FINE = LoadResult(200, 0, 0.1, 50.0)


@pytest.mark.parametrize(
    ("result", "missed"),
    [
        (FINE, ""),
        (replace(FINE, failed=1, first_failure="reset"), "1 of 200 .* the first with: reset"),
        (replace(FINE, requests=150), "over after 150 of 200 requests"),
        (replace(FINE, p99_seconds=0.1005), "took up to 100 ms, more than the 100 ms of"),
        (replace(FINE, p99_seconds=0.1011), "took up to 101 ms, .* verify.load.maxP99Millis"),
        (replace(FINE, requests_per_second=49.9), "49.9 .* less than the 50 of verify.load.minReq"),
    ],
)
def test_what_was_missed_is_named(result: LoadResult, missed: str) -> None:
    said = judge(LIMITED, result)
    if missed:
        assert re.search(missed, said), said
    else:
        assert said == ""


def test_a_probe_without_limits_asks_only_for_answers() -> None:
    assert judge(PROBE, LoadResult(20, 0, 60.0, 0.1)) == ""
