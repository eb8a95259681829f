"""What the API server refuses of a rollout, and that it names the field and the remedy."""

from __future__ import annotations

from typing import Any

import pytest

from regnant.cluster.client import Cluster
from regnant.cluster.errors import InvalidError
from tests.component.resources.documents import changed, service


def steps(*weights: int, **fields: Any) -> dict[str, Any]:
    return {"steps": [{"weight": weight} | fields for weight in weights]}


REFUSED: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "steps that go down": (
        steps(50, 10),
        ("spec.rollout", "rollout.steps: weights must go up from step to step"),
    ),
    "two steps of one weight": (
        steps(10, 10),
        ("rollout.steps: two steps have the same weight; leave one out",),
    ),
    "a step without traffic": (steps(0), ("spec.rollout.steps[0].weight", "1")),
    "a step of more than everything": (steps(101), ("spec.rollout.steps[0].weight", "100")),
    "a step without a weight": ({"steps": [{}]}, ("spec.rollout.steps[0].weight", "Required")),
    "more steps than anybody needs": (steps(*range(1, 12)), ("spec.rollout.steps", "10")),
    "a step that can never end": (
        steps(10, minDuration="2h", maxDuration="1h"),
        ("steps.maxDuration: choose more than the step's minDuration",),
    ),
    "a step by nobody's approval": (
        steps(10, approval="Maybe"),
        ("spec.rollout.steps[0].approval", "Automatic", "Manual"),
    ),
    "a shadow that can never end": (
        {"shadow": {"minDuration": "1h", "maxDuration": "1h"}},
        ("shadow.maxDuration: choose more than shadow.minDuration",),
    ),
    "a shadow of nothing": ({"shadow": {"percent": 0}}, ("spec.rollout.shadow.percent", "1")),
    "agreement beyond all pairs": (
        {"shadow": {"minAgreement": "1.5"}},
        ("shadow.minAgreement: choose a number from 0 to 1",),
    ),
    "an alpha that accepts every error": (
        {"limits": {"alpha": "1"}},
        ("limits.alpha: choose a number from 0.0001 to 0.2", "chance of a wrong decision"),
    ),
    "an alpha that accepts none": (
        {"limits": {"alpha": "0"}},
        ("limits.alpha: choose a number from 0.0001 to 0.2",),
    ),
    "an alpha that is no number": (
        {"limits": {"alpha": "five percent"}},
        ("spec.rollout.limits.alpha",),
    ),
    "a margin below zero": (
        {"limits": {"errorRateMargin": "-0.01"}},
        ("limits.errorRateMargin: choose a number from 0.0001 to 0.5",),
    ),
    "the slowest of all": (
        {"limits": {"latencyQuantile": "1"}},
        ("limits.latencyQuantile: choose a number from 0.5 to 0.999",),
    ),
    "a candidate that must be faster": (
        {"limits": {"maxLatencyRatio": "0.5"}},
        ("limits.maxLatencyRatio: choose a number from 1.01 to 100, or 0",),
    ),
    "a header with a blank": (
        {"sticky": {"header": "x user"}},
        ("spec.rollout.sticky.header",),
    ),
    "a header that ends the line": (
        {"sticky": {"header": "x-user\r\nx-other"}},
        ("spec.rollout.sticky.header",),
    ),
    "a header that routers take off": (
        {"sticky": {"header": "X-Regnant-User"}},
        ("sticky.header", "choose another header"),
    ),
    "a header and a cookie": (
        {"sticky": {"header": "x-user-id", "cookie": {"name": "seat"}}},
        ("sticky: set exactly one of header and cookie",),
    ),
    "neither a header nor a cookie": (
        {"sticky": {}},
        ("sticky: set exactly one of header and cookie",),
    ),
    "a cookie that is gone at once": (
        {"sticky": {"cookie": {"name": "seat", "ttl": "0s"}}},
        ("sticky.cookie.ttl: choose at least 1s",),
    ),
    "a cookie with a semicolon": (
        {"sticky": {"cookie": {"name": "seat;"}}},
        ("spec.rollout.sticky.cookie.name",),
    ),
    "a try without time": (
        {"attemptTimeoutMilliseconds": 0},
        ("spec.rollout.attemptTimeoutMilliseconds", "10"),
    ),
    "a load of nothing": (
        {"verify": {"load": {"requests": 0}}},
        ("spec.rollout.verify.load.requests", "10"),
    ),
    "an end that nobody knows": (
        {"onInconclusive": "Guess"},
        ("spec.rollout.onInconclusive", "Hold", "Promote", "Reject"),
    ),
}


@pytest.mark.parametrize(("rollout", "words"), REFUSED.values(), ids=REFUSED.keys())
async def test_a_rollout_that_cannot_be_meant_is_refused_by_name(
    rollout: dict[str, Any], words: tuple[str, ...], *, cluster: Cluster, namespace: str
) -> None:
    with pytest.raises(InvalidError) as refused:
        await cluster.create(changed(service(namespace), "spec.rollout", rollout))
    for word in words:
        assert word in refused.value.message


async def test_a_challenger_that_is_the_champion_is_refused(
    cluster: Cluster, namespace: str
) -> None:
    both = service(namespace, champion={"version": 3}, challenger={"version": 3})
    with pytest.raises(InvalidError, match=r"challenger\.version: is the champion's own version"):
        await cluster.create(both)


ACCEPTED: dict[str, dict[str, Any]] = {
    "nothing but shadow": {"shadow": {}},
    "nothing but steps": steps(10, 25, 50),
    "a last step of everything": steps(10, 100),
    "the outermost limits": {
        "limits": {
            "alpha": "0.2",
            "errorRateMargin": "5e-1",
            "latencyQuantile": "0.999",
            "maxLatencyRatio": "0",
        }
    },
    "a header": {"sticky": {"header": "x-user-id"}},
    "a cookie": {"sticky": {"cookie": {"name": "seat"}}},
}


@pytest.mark.parametrize("rollout", ACCEPTED.values(), ids=ACCEPTED.keys())
async def test_what_can_be_meant_is_accepted(
    rollout: dict[str, Any], cluster: Cluster, namespace: str
) -> None:
    made = await cluster.create(changed(service(namespace), "spec.rollout", rollout))
    assert made["metadata"]["generation"] == 1
