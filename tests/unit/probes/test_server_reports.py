"""What a server tells of itself is read whole, or is an error and no count."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from regnant.probes import AnswerError, Prober, UnreachableError
from regnant.probes.pods import MAX_ANSWER_BYTES
from regnant.probes.server import OUTCOMES, STATISTICS, Outcome, Servers
from tests.unit.probes.reports import BUCKETS, outcome, page, statistics, traffic
from tests.unit.probes.scripted_pod import DIGEST, Answer, ScriptedPod, scripted_pod

POD = "127.0.0.1"
OTHER = "sha256:" + "b" * 64


@pytest.fixture
async def pod() -> AsyncIterator[ScriptedPod]:
    async with scripted_pod() as pod:
        pod.answers = {
            STATISTICS: Answer(statistics()),
            OUTCOMES: Answer(page(outcome(18), outcome(19, shadow=True, label=None, score=7))),
        }
        yield pod


@pytest.fixture
async def servers(pod: ScriptedPod) -> AsyncIterator[Servers]:
    async with Prober.open(server_port=pod.port) as prober:
        yield prober.servers


async def test_users_and_copies_are_read_apart(servers: Servers) -> None:
    told = await servers.statistics(POD, DIGEST)
    assert (told.boot, told.last_outcome) == ("e03e3b9aa244cf6d", 4)
    users, shadow = told.users, told.shadow
    assert (users.ok, users.client_errors, users.server_errors) == (3, 1, 2)
    assert users.latency == tuple(BUCKETS)
    assert (users.non_finite, shadow.non_finite, shadow.ok) == (0, 1, 1)


async def test_outcomes_behind_a_number_are_read(pod: ScriptedPod, servers: Servers) -> None:
    told = await servers.outcomes(POD, DIGEST, 17)
    assert pod.asked[0].target == f"{OUTCOMES}?after=17&limit=1000"
    assert told.outcomes == (
        Outcome(18, "request-18", shadow=False, row=0, rows=1, label="yes", score=0.25),
        Outcome(19, "request-19", shadow=True, row=0, rows=1, label=None, score=7.0),
    )
    assert told.last == 19


async def test_another_bundles_counts_are_no_counts(pod: ScriptedPod, servers: Servers) -> None:
    pod.answers[STATISTICS] = Answer(statistics(OTHER))
    pod.answers[OUTCOMES].digest = OTHER
    with pytest.raises(AnswerError, match=f"{DIGEST} was asked, but {OTHER} answered"):
        await servers.statistics(POD, DIGEST)
    with pytest.raises(AnswerError, match=f"{DIGEST} was asked, but {OTHER} answered"):
        await servers.outcomes(POD, DIGEST, 0)


def latency(**changes: Any) -> dict[str, Any]:
    return {"latency": traffic()["latency"] | changes}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"boot": 7}, "7 is not a text"),
        ({"requests": {}}, "KeyError"),
        ({"shadow": None}, "TypeError"),
        ({"nonFinite": -1}, "-1 is not a count"),
        ({"nonFinite": True}, "True is not a count"),
        ({"nonFinite": 1.5}, "1.5 is not a count"),
        ({"outcomes": {}}, "lastSequence"),
        (latency(growth=1.5), "buckets of other times"),
        (latency(unit="ms"), "buckets of other times"),
        (latency(counts=[0] * 97), "97 buckets"),
        (latency(counts=["1"]), "'1' is not a count"),
    ],
)
async def test_counts_that_are_spelled_wrongly_are_no_counts(
    pod: ScriptedPod, servers: Servers, changes: dict[str, Any], says: str
) -> None:
    pod.answers[STATISTICS] = Answer(statistics() | changes)
    with pytest.raises(AnswerError, match=f"not a server's counts: .*{re.escape(says)}"):
        await servers.statistics(POD, DIGEST)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        page() | {"outcomes": [{}]},
        page(outcome(1, rows="1")),
        page(outcome(1, score="high")),
        page(outcome(1, label=7)),
        page(outcome(1), last=-1),
    ],
)
async def test_outcomes_that_are_spelled_wrongly_are_none(
    pod: ScriptedPod, servers: Servers, wrong: dict[str, Any]
) -> None:
    pod.answers[OUTCOMES] = Answer(wrong)
    with pytest.raises(AnswerError, match="not a page of outcomes"):
        await servers.outcomes(POD, DIGEST, 0)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"x" * (MAX_ANSWER_BYTES + 1)])
async def test_what_is_no_document_is_no_count(
    pod: ScriptedPod, servers: Servers, body: bytes
) -> None:
    pod.answers[STATISTICS] = Answer(body)
    with pytest.raises(AnswerError, match="the answer is"):
        await servers.statistics(POD, DIGEST)


async def test_a_server_that_is_too_old_to_tell_is_an_error(
    pod: ScriptedPod, servers: Servers
) -> None:
    del pod.answers[STATISTICS]
    with pytest.raises(AnswerError, match="HTTP 404"):
        await servers.statistics(POD, DIGEST)


async def test_a_server_that_is_gone_is_not_reached(unused_tcp_port: int) -> None:
    async with Prober.open(server_port=unused_tcp_port) as prober:
        with pytest.raises(UnreachableError, match=STATISTICS):
            await prober.servers.statistics(POD, DIGEST)
