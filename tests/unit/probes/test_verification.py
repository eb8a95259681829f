"""A version proves itself through a router, or shows what is wrong with it."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from regnant.probes import NoAnswerError, Prober, Target, UnreachableError
from tests.unit.probes.scripted_pod import DIGEST, Answer, ScriptedPod, scripted_pod

GOLDEN = "/regnant/v1/golden"
INFER = "/v2/models/churn/infer"
TARGET = Target("churn", 3, DIGEST)


def outputs(*probabilities: float | None, labels: tuple[str, ...] = ("yes", "no")) -> list[Any]:
    return [
        {"name": "label", "datatype": "BYTES", "shape": [2], "data": list(labels)},
        {
            "name": "probabilities",
            "datatype": "FP64",
            "shape": [2, 2],
            "data": list(probabilities or (0.25, 0.75, 0.5, 0.5)),
        },
    ]


def sample() -> dict[str, Any]:
    question = [{"name": "features", "datatype": "FP64", "shape": [2, 1], "data": [1.0, None]}]
    return {
        "request": {"inputs": question},
        "response": {"outputs": outputs()},
        "tolerance": {"absolute": 1e-5, "relative": 1e-4},
        "digest": DIGEST,
    }


@pytest.fixture
async def pod() -> AsyncIterator[ScriptedPod]:
    async with scripted_pod() as pod:
        pod.answers = {GOLDEN: Answer(sample()), INFER: Answer({"outputs": outputs()})}
        yield pod


@pytest.fixture
async def prober(pod: ScriptedPod) -> AsyncIterator[Prober]:
    async with Prober.open(port=pod.port) as prober:
        yield prober


async def test_the_right_answers_pass(pod: ScriptedPod, prober: Prober) -> None:
    assert (await prober.verify("127.0.0.1", TARGET)).passed
    first, second = pod.asked
    assert (first.method, first.target) == ("GET", "/regnant/v1/golden?rows=16")
    assert (second.method, second.target) == ("POST", INFER)
    assert json.loads(second.body) == sample()["request"]
    assert {one.headers["x-regnant-verify-version"] for one in pod.asked} == {"3"}


async def test_nested_data_and_answers_within_the_tolerance_pass(
    pod: ScriptedPod, prober: Prober
) -> None:
    close = outputs(0.25001, 0.75, 0.5, 0.5)
    close[1]["data"] = [[0.25001, 0.75], [0.5, 0.5]]
    pod.answers[INFER] = Answer({"outputs": close})
    assert (await prober.verify("127.0.0.1", TARGET)).passed


@pytest.mark.parametrize(
    ("got", "says"),
    [
        (
            outputs(0.25, 0.75, 0.6, 0.4),
            r'"probabilities": at \[1, 0\] expected 0.5, got 0.6; 2 of',
        ),
        (outputs(0.25, None, 0.5, 0.5), r'"probabilities": at \[0, 1\] expected 0.75, got None'),
        (outputs(labels=("yes", "yes")), r'"label": at \[1\] expected \'no\', got \'yes\''),
        (outputs()[:1], '"probabilities": expected, but not answered'),
        ([{**outputs()[0], "shape": [1], "data": ["yes"]}], r"expected shape \[2\], got \[1\]"),
        ([{"name": "label"}], "the field outputs is not a list of V2 tensors"),
    ],
)
async def test_a_wrong_answer_fails_and_says_where(
    pod: ScriptedPod, prober: Prober, got: list[Any], says: str
) -> None:
    pod.answers[INFER] = Answer({"outputs": got})
    result = await prober.verify("127.0.0.1", TARGET)
    assert not result.passed
    assert re.search(says, result.message)


async def test_a_missing_value_is_expected_where_it_was_golden(
    pod: ScriptedPod, prober: Prober
) -> None:
    golden = sample()
    golden["response"]["outputs"] = outputs(None, 0.75, 0.5, 0.5)
    pod.answers[GOLDEN] = Answer(golden)
    pod.answers[INFER] = Answer({"outputs": outputs(None, 0.75, 0.5, 0.5)})
    assert (await prober.verify("127.0.0.1", TARGET)).passed


@pytest.mark.parametrize("path", [GOLDEN, INFER])
@pytest.mark.parametrize(("version", "digest"), [("2", DIGEST), ("3", "sha256:b")])
async def test_an_answer_of_another_version_proves_nothing_good(
    pod: ScriptedPod, prober: Prober, path: str, version: str, digest: str
) -> None:
    pod.answers[path] = Answer(pod.answers[path].body, version=version, digest=digest)
    result = await prober.verify("127.0.0.1", TARGET)
    assert not result.passed
    assert "was asked, but version" in result.message


@pytest.mark.parametrize("status", [400, 404, 500])
async def test_a_refused_question_fails_the_version(
    pod: ScriptedPod, prober: Prober, status: int
) -> None:
    pod.answers[INFER] = Answer({"error": "shape"}, status=status)
    result = await prober.verify("127.0.0.1", TARGET)
    assert not result.passed
    assert f"HTTP {status}" in result.message
    assert "shape" in result.message


@pytest.mark.parametrize("broken", [b"not json", b"[]", b"{}", b'{"tolerance": {}}'])
async def test_a_broken_sample_fails_the_version(
    pod: ScriptedPod, prober: Prober, broken: bytes
) -> None:
    pod.answers[GOLDEN] = Answer(broken)
    assert not (await prober.verify("127.0.0.1", TARGET)).passed


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_a_router_with_nobody_behind_it_proves_nothing(
    pod: ScriptedPod, prober: Prober, status: int
) -> None:
    pod.answers[GOLDEN] = Answer(b"no healthy upstream", status=status)
    with pytest.raises(UnreachableError, match="no healthy upstream"):
        await prober.verify("127.0.0.1", TARGET)


async def test_a_pod_that_is_not_there_proves_nothing(unused_tcp_port: int) -> None:
    async with Prober.open(port=unused_tcp_port) as prober:
        with pytest.raises(UnreachableError, match=r"127\.0\.0\.1"):
            await prober.verify("127.0.0.1", TARGET)


async def test_a_pod_that_hangs_is_not_waited_for(pod: ScriptedPod) -> None:
    pod.answers[GOLDEN].hangs = True
    async with Prober.open(port=pod.port, patience=0.05) as prober:
        with pytest.raises(NoAnswerError, match="Timeout"):
            await prober.verify("127.0.0.1", TARGET)
