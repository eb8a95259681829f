"""What an open rollout's looks read again, and what they believe until a watch tells otherwise."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import pytest
from prometheus_client import CollectorRegistry

from regnant.api.meta import Kind
from regnant.cluster.client import Cluster
from regnant.cluster.connection import Access, Kubeconfig
from regnant.cluster.errors import UnavailableError
from regnant.cluster.kinds import Manifest
from regnant.cluster.transport import Request
from regnant.controllers import silence
from regnant.controllers.children import KINDS, TRUSTED, Children
from regnant.controllers.metrics import ResourceMetrics
from regnant.controllers.queue import Key, Requeue
from regnant.controllers.registry import build_reconcilers
from regnant.probes.router import Prober
from tests.component.controllers.node import Node
from tests.component.controllers.operators import PLATFORM, Clock, ObservedCluster, Operator
from tests.component.controllers.routers import router_stand_in
from tests.component.controllers.test_serving import SECOND, TWO, serving
from tests.component.objects import child
from tests.component.resources.documents import version

SERVICE = "InferenceService"
A_READING = [*KINDS, "ModelVersion"]


class ToldCluster(Cluster):
    """The operator's own client, which remembers what was listed and can be interrupted."""

    def __init__(self, access: Access) -> None:
        super().__init__(access)
        self.listed: list[str] = []
        self.before_pods: Callable[[], Awaitable[None]] | None = None

    async def list(
        self, kind: str, namespace: str | None, labels: Mapping[str, str] | None = None
    ) -> list[Manifest]:
        self.listed.append(kind)
        if kind == "Pod" and self.before_pods:
            await self.before_pods()
        return await super().list(kind, namespace, labels)


@dataclass
class Reader:
    """Children that are read, a clock and what wakes them."""

    cluster: ToldCluster
    key: Key
    now: float = 0.0
    listeners: list[Callable[[Key], None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.children = Children(self.cluster, self.listeners.append, lambda: self.now)

    def wake(self) -> None:
        for listener in self.listeners:
            listener(self.key)

    async def configurations(self, *, watched: bool = True) -> list[str]:
        found = await self.children.of(self.key, watched=watched)
        return [one["metadata"]["name"] for one in found.by_kind["ConfigMap"]]


@pytest.fixture
async def reader(access: Kubeconfig, namespace: str) -> AsyncIterator[Reader]:
    async with ToldCluster(access) as cluster:
        yield Reader(cluster, Key(Kind.INFERENCE_SERVICE, namespace, "churn"))


async def test_what_was_read_is_believed_until_something_wakes_its_key(
    reader: Reader, cluster: Cluster
) -> None:
    assert await reader.configurations() == []
    await cluster.create(child(reader.key.namespace, "routes", owner="churn"))
    assert await reader.configurations() == []
    assert reader.cluster.listed == A_READING
    reader.wake()
    assert await reader.configurations() == ["routes"]


async def test_what_was_read_while_its_key_was_woken_is_not_believed_again(
    reader: Reader, cluster: Cluster
) -> None:
    """The lists before the wake-up may be from before the change, those after it are not."""

    async def changed() -> None:
        reader.cluster.before_pods = None
        await cluster.create(child(reader.key.namespace, "routes", owner="churn"))
        reader.wake()

    reader.cluster.before_pods = changed
    assert await reader.configurations() == []
    assert await reader.configurations() == ["routes"]


async def test_nothing_is_believed_for_long_without_a_word_of_the_watches(
    reader: Reader, cluster: Cluster
) -> None:
    assert await reader.configurations() == []
    await cluster.create(child(reader.key.namespace, "routes", owner="churn"))
    reader.now = TRUSTED - 1
    assert await reader.configurations() == []
    reader.now = TRUSTED
    assert await reader.configurations() == ["routes"]


async def test_whoever_is_not_watched_is_read_each_time_and_nothing_of_it_is_kept(
    reader: Reader, cluster: Cluster
) -> None:
    assert await reader.configurations() == []
    await cluster.create(child(reader.key.namespace, "routes", owner="churn"))
    assert await reader.configurations(watched=False) == ["routes"]
    await cluster.create(child(reader.key.namespace, "more", owner="churn"))
    assert await reader.configurations() == ["more", "routes"]


async def test_without_wake_ups_everything_is_read_each_time(reader: Reader) -> None:
    deaf = Children(reader.cluster)
    for _ in range(2):
        await deaf.of(reader.key, watched=True)
    assert reader.cluster.listed == 2 * A_READING


async def test_a_reading_that_failed_is_made_again(reader: Reader) -> None:
    async def broken() -> None:
        reader.cluster.before_pods = None
        raise ConnectionError

    reader.cluster.before_pods = broken
    with pytest.raises(ConnectionError):
        await reader.configurations()
    assert await reader.configurations() == []


class CountedCluster(ObservedCluster):
    """The operator's own client, which remembers all that it asked."""

    def __init__(self, access: Access) -> None:
        super().__init__(access)
        self.requests: list[str] = []
        self.refuse = ""
        """Writes whose path has this word are cut off."""

    async def _send(self, request: Request) -> Manifest:
        self.requests.append(str(request))
        if request.method != "GET" and self.refuse and self.refuse in request.path:
            raise UnavailableError(f"{request}: cut off")
        return await super()._send(request)


@dataclass
class Listening(Operator):
    """An operator whose looks are told apart: those that something woke, and the others."""

    listeners: list[Callable[[Key], None]] = field(default_factory=list)

    async def reconcile(self, kind: str, name: str) -> Requeue:
        """A round that something woke."""
        for listener in self.listeners:
            listener(self.key(kind, name))
        return await super().reconcile(kind, name)

    async def look(self) -> list[str]:
        """A round that nothing woke; gives what was asked of the API server."""
        assert isinstance(self.cluster, CountedCluster)
        self.cluster.requests.clear()
        await super().reconcile(SERVICE, "shop")
        return self.cluster.requests


@pytest.fixture
async def listening(
    access: Kubeconfig, cluster: Cluster, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Listening]:
    # No server answers here; when that is said, and so written, would hang on the machine's speed.
    monkeypatch.setattr(silence, "PATIENCE", math.inf)
    clock, listeners, woken = Clock(), list[Callable[[Key], None]](), list[Key]()
    async with (
        CountedCluster(access) as own,
        router_stand_in() as router,
        Prober.open(port=router.port) as prober,
    ):
        reconcilers = build_reconcilers(
            own,
            prober,
            PLATFORM,
            clock=clock,
            wake=woken.append,
            metrics=ResourceMetrics(CollectorRegistry()),
            listen=listeners.append,
        )
        node = Node(cluster, namespace, router)
        yield Listening(own, namespace, reconcilers, clock, node, woken, listeners)


async def splitting(operator: Operator) -> None:
    """A second version gets a tenth of the traffic, and is counted."""
    step = {"weight": 10, "minRequests": 1_000_000, "maxDuration": "24h"}
    await serving(operator, rollout={"steps": [step]})
    await operator.create(version(operator.namespace, 2, digest=TWO))
    await operator.until(SERVICE, "shop", "Splitting")
    for _ in range(3):
        await operator.node.run()
        await operator.reconcile(SERVICE, "shop")
    assert "evidence" in (await operator.status(SERVICE, "shop"))["rollout"]["stage"]


async def test_pods_that_do_not_answer_are_named_where_a_rollout_waits_for_requests(
    listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    await splitting(listening)
    monkeypatch.setattr(silence, "PATIENCE", 0.0)
    await listening.reconcile(SERVICE, "shop")
    waits_for = (await listening.status(SERVICE, "shop"))["rollout"]["waitingFor"]
    assert waits_for.startswith("a pod that does not answer the operator (127.0.0.1: ")
    assert "); the first requests to be counted; " in waits_for


async def test_a_look_at_an_open_rollout_that_nothing_woke_is_one_request(
    listening: Listening,
) -> None:
    await splitting(listening)
    [asked] = await listening.look()
    assert asked.startswith("GET ")
    assert asked.endswith("/inferenceservices/shop")


async def test_what_somebody_spoils_in_an_open_rollout_is_mended_when_a_watch_tells(
    listening: Listening,
) -> None:
    await splitting(listening)
    await listening.look()
    await listening.edit("Deployment", SECOND, lambda live: live["spec"].update(replicas=7))
    await listening.reconcile(SERVICE, "shop")
    assert (await listening.get("Deployment", SECOND))["spec"]["replicas"] == 1


async def test_what_could_not_be_made_is_tried_again_although_nothing_else_happened(
    listening: Listening,
) -> None:
    """It was decided, and may have been done or not: only a look that ended well is believed."""
    await splitting(listening)
    await listening.edit("Deployment", SECOND, lambda live: live["spec"].update(replicas=7))
    assert isinstance(listening.cluster, CountedCluster)
    listening.cluster.refuse = "deployments"
    with pytest.raises(UnavailableError):
        await listening.reconcile(SERVICE, "shop")
    listening.cluster.refuse = ""
    await listening.look()
    assert (await listening.get("Deployment", SECOND))["spec"]["replicas"] == 1
