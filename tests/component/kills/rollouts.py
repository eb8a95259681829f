"""A whole rollout under a real operator, which may die at one of its writes."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from regnant.api.meta import Kind
from regnant.cluster.client import Cluster
from regnant.cluster.connection import Kubeconfig
from regnant.cluster.kinds import Manifest, Ref, ref
from regnant.manifests import names
from tests.component.kills.background import beside
from tests.component.kills.kubelet import Kubelet, running
from tests.component.kills.network import Network
from tests.component.kills.operators import OperatorProcess
from tests.component.kills.proxy import Count, Kill, WriteProxy, write_proxy
from tests.component.kills.record import (
    CHILDREN,
    Record,
    events,
    is_ready,
    recording,
    state,
)
from tests.component.kills.traffic import Published, Traffic
from tests.component.objects import make_namespace
from tests.component.resources.documents import service, version

DIGESTS = {1: "sha256:" + "a" * 64, 2: "sha256:" + "b" * 64}
SPEC: Manifest = {
    "router": {"replicas": 2},
    "rollout": {
        "shadow": {"minRequests": 100},
        "steps": [
            {"weight": 20, "minRequests": 100, "minDuration": "0s"},
            {"weight": 50, "minRequests": 100, "minDuration": "0s"},
        ],
        "limits": {"errorRateMargin": "0.05"},
        "watch": {"duration": "1s"},
    },
}
_SERVICE = Kind.INFERENCE_SERVICE.value
_LONGEST = 300
"""Seconds that a run may take on a busy machine before it is called stuck."""
_DELETED_LAST, _IN_THE_END = "PodDisruptionBudget", 2
"""Of the loser's children; the routers and the winner keep theirs."""
_QUIET = 2.0
"""Seconds without a write after which an undisturbed run is over."""
_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Scenario:
    """What becomes of the challenger, and why."""

    name: str
    failing: frozenset[int]
    """The versions that fail at users' requests, and at nothing else."""


PROMOTED = Scenario("promoted", frozenset())
REJECTED = Scenario("rejected in the split", frozenset({2}))


@dataclass(frozen=True)
class Run:
    """What was seen of one rollout."""

    writes: list[str]
    died: bool
    state: Manifest
    record: Record
    told: dict[str, list[Published]]
    """What each router was told, beginning with what it had before."""
    events: Counter[str]
    errors: list[str]
    """What users met that they must not meet."""


class Stand:
    """One operator after another in a namespace of their own, and a rollout after another."""

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        network: Network,
        proxy: WriteProxy,
        operator: OperatorProcess,
    ) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._network = network
        self._proxy = proxy
        self._operator = operator

    async def run(self, scenario: Scenario, kill: Kill | None, expected: Manifest | None) -> Run:
        """One rollout, from its challenger's arrival until the state is the one that is expected.

        Without an expectation it is over when nothing more is written.
        """
        subject = f"run{next(_NUMBERS):04d}"
        traffic = Traffic(asyncio.get_running_loop().time)
        await self._create_version(subject, 1)
        made = await self._cluster.create(
            service(self._namespace, f"shop-{subject}", **SPEC, modelName=f"churn-{subject}")
        )
        target = ref(made)
        kubelet = Kubelet(self._cluster, self._network, traffic, target, scenario.failing)
        count = Count(subject, kill, self._operator.kill)
        async with (
            running(kubelet, self._cluster, target),
            recording(self._cluster, made) as record,
        ):
            assert await _until(lambda: self._is_serving(subject, record)), record.last
            record.statuses.clear()
            traffic.begin()
            self._proxy.count = count
            await self._create_version(subject, 2)
            await _until(lambda: self._is_over(count, target, record, expected))
            self._proxy.count = None
            traffic.change()
            # A copy: in the end all pods go, and some before the others.
            run = Run(
                writes=count.writes,
                died=count.struck,
                state=await state(self._cluster, target, subject),
                record=record,
                told={name: one.published for name, one in traffic.routers.items()},
                events=await events(self._cluster, target),
                errors=list(traffic.errors),
            )
        await self._remove(target, subject)
        return run

    async def _create_version(self, subject: str, number: int) -> None:
        manifest = version(self._namespace, number, digest=DIGESTS[number])
        manifest["metadata"]["name"] = f"churn-{subject}-{number}"
        manifest["spec"]["modelName"] = f"churn-{subject}"
        await self._cluster.create(manifest)

    async def _is_serving(self, subject: str, record: Record) -> bool:
        """Whether the first version answers, and everything was said of it."""
        if record.last.get("phase") != "Serving" or not is_ready(record.last):
            return False
        first = Ref("ModelVersion", self._namespace, f"churn-{subject}-1")
        found = await self._cluster.get(first)
        told = await events(self._cluster, Ref(_SERVICE, self._namespace, f"shop-{subject}"))
        return bool(found and found["status"]["phase"] == "Serving" and told["Serving"])

    async def _is_over(
        self, count: Count, target: Ref, record: Record, expected: Manifest | None
    ) -> bool:
        last = record.last
        if not record.transitions() or last["phase"] != "Serving" or last["retiring"]:
            return False
        found = await state(self._cluster, target, count.subject)
        if expected is not None:
            return found == expected
        done = len(count.writes)
        # That nothing more comes can only be waited for.
        await asyncio.sleep(_QUIET)
        return len(count.writes) == done and len(found["children"][_DELETED_LAST]) == _IN_THE_END

    async def _remove(self, target: Ref, subject: str) -> None:
        """What the garbage collector would do, so that lists stay short."""
        await self._cluster.delete(target)
        labels = names.owned_by(Kind.INFERENCE_SERVICE, target.name)
        for kind in CHILDREN:
            for one in await self._cluster.list(kind, self._namespace, labels):
                await self._cluster.delete(ref(one))
        for number in DIGESTS:
            name = f"churn-{subject}-{number}"
            await self._cluster.delete(Ref("ModelVersion", self._namespace, name))


async def _until(condition: Callable[[], Awaitable[bool]]) -> bool:
    """Whether it came to be so."""
    try:
        async with asyncio.timeout(_LONGEST):
            # What the API server holds can only be asked.
            while not await condition():  # noqa: ASYNC110
                await asyncio.sleep(0.5)
    except TimeoutError:
        return False
    return True


@asynccontextmanager
async def stand(
    access: Kubeconfig, namespace: str, network: Network, directory: Path
) -> AsyncIterator[Stand]:
    """An operator behind its proxy in a namespace."""
    log = directory / f"operator-{namespace}.log"
    async with (
        Cluster(access) as cluster,
        write_proxy(access, directory) as (proxy, through),
    ):
        await make_namespace(cluster, namespace)
        operator = OperatorProcess(through, namespace, log)
        async with beside(operator.keep_alive(proxy.reopen)):
            yield Stand(cluster, namespace, network, proxy, operator)
