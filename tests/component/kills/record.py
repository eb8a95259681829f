"""All that became of a service: every status that it ever had, and the state at the end."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from itertools import groupby
from typing import Any

from regnant.api.meta import Kind
from regnant.cluster.client import Cluster
from regnant.cluster.errors import UnavailableError
from regnant.cluster.kinds import Manifest, Ref, collection
from regnant.cluster.transport import Request
from regnant.manifests import names
from tests.component.kills.background import beside

_DATES = re.compile(r"^(since|until|at|.*At|.*Time|transition|resourceVersion)$")
_NUMBER = re.compile(r"\d[\d,.]*( ?%)?")
CHILDREN = (
    "ConfigMap",
    "Deployment",
    "NetworkPolicy",
    "Pod",
    "PodDisruptionBudget",
    "Service",
)


class Record:
    """The statuses of one service as a watch tells them, none left out."""

    def __init__(self) -> None:
        self.statuses: list[Manifest] = []

    @property
    def last(self) -> Manifest:
        """The newest."""
        return self.statuses[-1] if self.statuses else {}

    def phases(self) -> list[str]:
        """One after another, without repetitions."""
        return _in_turn(one.get("phase", "") for one in self.statuses)

    def transitions(self) -> list[str]:
        """The ids of all rollouts."""
        return _in_turn(one["rollout"]["id"] for one in self.statuses if "rollout" in one)

    def stages(self) -> list[int]:
        """The weight of each shadow or step that was decided, one for each decision."""
        rollouts = [one["rollout"] for one in self.statuses if "rollout" in one]
        stages = [one["stage"] for one in rollouts if "stage" in one]
        decisions = _in_turn(
            (one["decidedAt"], one.get("step", {}).get("weight", 0)) for one in stages
        )
        return [weight for _, weight in decisions]


def is_ready(status: Manifest) -> bool:
    """Whether a status says that nothing is left to do."""
    found = {one["type"]: one["status"] for one in status.get("conditions", ())}
    return found.get("Ready") == "True"


def _in_turn(found: Iterable[Any]) -> list[Any]:
    return [one for one, _ in groupby(found)]


@asynccontextmanager
async def recording(cluster: Cluster, made: Manifest) -> AsyncIterator[Record]:
    """The record of a service from its creation on."""
    record = Record()
    async with beside(_follow(cluster, made["metadata"], record)):
        yield record


async def _follow(cluster: Cluster, head: Manifest, record: Record) -> None:
    """Take in every status; a watch that is given up because nothing came goes on where it was."""
    path = collection(Kind.INFERENCE_SERVICE.value).path(head["namespace"])
    version = head["resourceVersion"]
    while True:
        query = [
            ("watch", "true"),
            ("resourceVersion", version),
            ("fieldSelector", f"metadata.name={head['name']}"),
        ]
        with suppress(UnavailableError):
            async with cluster.transport.lines(Request("GET", path, query)) as lines:
                async for line in lines:
                    event = json.loads(line)
                    assert event["type"] == "MODIFIED", event
                    version = event["object"]["metadata"]["resourceVersion"]
                    record.statuses.append(event["object"].get("status", {}))


async def state(cluster: Cluster, service: Ref, subject: str) -> Manifest:
    """What there is of a service and its model line, without names, dates and counts."""
    live = await cluster.get(service)
    assert live
    versions = await cluster.list("ModelVersion", service.namespace)
    labels = names.owned_by(Kind.INFERENCE_SERVICE, service.name)
    found = {
        "service": live["status"],
        "versions": {
            one["metadata"]["name"]: one.get("status", {})
            for one in versions
            if subject in one["metadata"]["name"]
        },
        "children": {
            kind: sorted(
                one["metadata"]["name"]
                for one in await cluster.list(kind, service.namespace, labels)
            )
            for kind in CHILDREN
        },
    }
    text = json.dumps(_timeless(found)).replace(subject, "run")
    plain: Manifest = json.loads(text.replace(f".{service.namespace}.", ".team."))
    return plain


async def events(cluster: Cluster, service: Ref) -> Counter[str]:
    """How often each thing was said of the service."""
    return Counter(
        one["reason"]
        for one in await cluster.list("Event", service.namespace)
        if (one["regarding"]["kind"], one["regarding"]["name"]) == (service.kind, service.name)
    )


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Where two states are not the same."""
    if isinstance(one, dict) and isinstance(other, dict):
        places: Iterable[Any] = sorted(one.keys() | other.keys())
        parts = [(place, one.get(place), other.get(place)) for place in places]
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        parts = [(place, *both) for place, both in enumerate(zip(one, other, strict=True))]
    else:
        return [] if one == other else [f"{path}: {one!r}, not {other!r}"]
    return [
        found
        for place, mine, theirs in parts
        for found in differences(mine, theirs, f"{path}.{place}")
    ]


def _timeless(value: Any) -> Any:
    match value:
        case dict():
            return {key: _timeless(one) for key, one in value.items() if not _DATES.match(key)}
        case list():
            return [_timeless(one) for one in value]
        case str() if " " in value:
            return _NUMBER.sub("#", value)
    return value
