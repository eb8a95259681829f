"""Which routes a router has; not knowing is an answer too."""

from __future__ import annotations

import pytest

from regnant.probes import Prober
from tests.unit.probes.scripted_pod import Answer, scripted_pod

ROUTE = "/regnant/v1/route"


async def test_a_router_tells_its_revision() -> None:
    async with scripted_pod() as pod, Prober.open(port=pod.port) as prober:
        pod.answers[ROUTE] = Answer({"revision": "r-7"})
        assert await prober.router_revision("127.0.0.1") == "r-7"
        assert "x-regnant-verify-version" not in pod.asked[0].headers


@pytest.mark.parametrize(
    "answer",
    [
        Answer({"revision": 7}),
        Answer({}),
        Answer([]),
        Answer(b"<html>"),
        Answer({"revision": "r-7"}, status=503),
        Answer({"revision": "r-7"}, status=404),
    ],
)
async def test_anything_else_is_not_known(answer: Answer) -> None:
    async with scripted_pod() as pod, Prober.open(port=pod.port) as prober:
        pod.answers[ROUTE] = answer
        assert await prober.router_revision("127.0.0.1") is None


async def test_a_router_that_is_not_there_has_no_known_revision(unused_tcp_port: int) -> None:
    async with Prober.open(port=unused_tcp_port) as prober:
        assert await prober.router_revision("127.0.0.1") is None
        assert await prober.router_revision("::1") is None
