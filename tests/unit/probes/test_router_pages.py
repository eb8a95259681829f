"""Pages of a router that are Envoy's, that are none, and that were read half-way."""

from __future__ import annotations

from typing import Any

import pytest

from regnant.probes import AnswerError, Prober, UnreachableError
from regnant.probes.statistics import Tries
from tests.unit.probes.scripted_pod import Answer, scripted_pod


def host(**changes: Any) -> dict[str, Any]:
    names = ("rq_success", "rq_error", "rq_timeout")
    return {
        "address": {"socket_address": {"address": "10.0.0.1", "port_value": 8080}},
        "stats": [{"name": name} for name in names],
        **changes,
    }


@pytest.mark.parametrize(
    "page",
    [
        {"cluster_statuses": [{}]},
        {"cluster_statuses": {"name": "a"}},
        {"cluster_statuses": [{"name": "a", "host_statuses": [host(stats=[])]}]},
        {"cluster_statuses": [{"name": "a", "host_statuses": [host(address={})]}]},
        {"cluster_statuses": [{"name": "a", "host_statuses": ["10.0.0.1"]}]},
        {
            "cluster_statuses": [
                {
                    "name": "a",
                    "host_statuses": [host(stats=[{"name": "rq_success", "value": "many"}])],
                }
            ]
        },
    ],
)
async def test_a_page_that_is_not_envoys_is_an_error(page: dict[str, Any]) -> None:
    async with scripted_pod() as pod, Prober.open(port=pod.port) as prober:
        pod.answers = {"/envoy/clusters": Answer(page), "/envoy/discovery": Answer(page)}
        with pytest.raises(AnswerError, match="not a page of clusters"):
            await prober.tries("127.0.0.1", ["a"])
        with pytest.raises(AnswerError, match="not a page of statistics"):
            await prober.discovery("127.0.0.1")


async def test_a_timeout_that_is_counted_before_its_failure_waits_for_the_next_look() -> None:
    torn = host(
        stats=[
            {"name": "rq_success"},
            {"name": "rq_error", "value": "1"},
            {"name": "rq_timeout", "value": "2"},
        ]
    )
    async with scripted_pod() as pod, Prober.open(port=pod.port) as prober:
        page = {"cluster_statuses": [{"name": "a", "host_statuses": [torn]}]}
        pod.answers["/envoy/clusters"] = Answer(page)
        found = await prober.tries("127.0.0.1", ["a"])
    assert found == {"a": {"10.0.0.1:8080": Tries(0, 1, 1)}}


async def test_a_router_that_is_gone_is_not_reached(unused_tcp_port: int) -> None:
    async with Prober.open(port=unused_tcp_port) as prober:
        with pytest.raises(UnreachableError):
            await prober.tries("127.0.0.1", ["a"])
        with pytest.raises(UnreachableError):
            await prober.discovery("127.0.0.1")
