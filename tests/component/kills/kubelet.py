"""What a node and the controllers of Kubernetes do for one service, when anything changes.

Deployments get their pods, pods get an address and are ready, and what nobody asks for goes. A
router takes up its ConfigMap when it starts and when its pod changes, and at no other time: the
minute after which a kubelet looks by itself is longer than any run, so a touch that is lost shows.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection

from regnant.api.meta import Kind
from regnant.cluster.client import Cluster
from regnant.cluster.kinds import Manifest, Ref, collection
from regnant.cluster.watch import ChildWatch
from regnant.manifests import names, router, server
from regnant.manifests.router import CONFIG_SYNC
from tests.component.kills.background import beside
from tests.component.kills.network import Network
from tests.component.kills.traffic import Traffic

_WATCHED = ("Deployment", "Pod")


class Kubelet:
    """Runs the pods of one service."""

    def __init__(
        self,
        cluster: Cluster,
        network: Network,
        traffic: Traffic,
        service: Ref,
        failing: Collection[int],
    ) -> None:
        self._cluster = cluster
        self._network = network
        self._traffic = traffic
        self._service = service
        self._failing = failing
        self._addresses: dict[str, str] = {}
        """The pods that run, by their names."""
        self._synced: dict[str, str] = {}
        """At which annotation each router took up its configuration."""
        self.changed = asyncio.Event()

    async def run(self) -> None:
        """Follow what is asked for until cancelled."""
        while True:
            await self.changed.wait()
            self.changed.clear()
            await self._sync()

    async def end(self) -> None:
        """All pods go, and the users before them."""
        self._traffic.routers.clear()
        for address in self._addresses.values():
            await self._network.stop(address)

    async def children(self, kind: str) -> list[Manifest]:
        """What the service has of a kind."""
        labels = names.owned_by(Kind.INFERENCE_SERVICE, self._service.name)
        return await self._cluster.list(kind, self._service.namespace, labels)

    async def _sync(self) -> None:
        wanted = {
            f"{one['metadata']['name']}-{number}": one["spec"]["template"]
            for one in await self.children("Deployment")
            for number in range(one["spec"]["replicas"])
        }
        pods = {one["metadata"]["name"]: one for one in await self.children("Pod")}
        for name in self._addresses.keys() - wanted.keys():
            await self._network.stop(self._addresses.pop(name))
            await self._cluster.delete(Ref("Pod", self._service.namespace, name))
        for name in wanted.keys() - pods.keys():
            await self._start(name, wanted[name])
        for name, pod in pods.items():
            if name in self._addresses:
                await self._bring_configuration(pod)

    async def _start(self, name: str, template: Manifest) -> None:
        head = {**template["metadata"], "name": name, "namespace": self._service.namespace}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": head, "spec": template["spec"]}
        made = await self._cluster.create(pod)
        component = head["labels"][names.COMPONENT]
        if component == router.COMPONENT:
            address = await self._network.start_router(self._traffic, name)
        else:
            assert component == server.COMPONENT
            (container,) = template["spec"]["containers"]
            told = {one["name"]: one.get("value", "") for one in container["env"]}
            version = int(told["REGNANT_MODEL_VERSION"])
            address = await self._network.start_server(
                self._traffic,
                version,
                told["REGNANT_BUNDLE_DIGEST"],
                fails=version in self._failing,
            )
        self._addresses[name] = address
        await self._bring_configuration(made)
        ready = {"podIP": address, "conditions": [{"type": "Ready", "status": "True"}]}
        named = {"name": name, "namespace": self._service.namespace}
        manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": named, "status": ready}
        await self._cluster.apply(manifest, subresource="status")

    async def _bring_configuration(self, pod: Manifest) -> None:
        head = pod["metadata"]
        if head["labels"][names.COMPONENT] != router.COMPONENT:
            return
        asked = head.get("annotations", {}).get(CONFIG_SYNC, "")
        if self._synced.get(head["name"]) == asked:
            return
        (config,) = await self.children("ConfigMap")
        self._traffic.configure(head["name"], config["data"])
        self._synced[head["name"]] = asked


@contextlib.asynccontextmanager
async def running(kubelet: Kubelet, cluster: Cluster, service: Ref) -> AsyncIterator[None]:
    """The kubelet at work."""

    def wake(_: Kind, __: str, name: str) -> None:
        if name == service.name:
            kubelet.changed.set()

    watches = [
        ChildWatch(cluster.transport, collection(kind), service.namespace, wake)
        for kind in _WATCHED
    ]
    try:
        async with beside(kubelet.run(), *(watch.run() for watch in watches)):
            yield
    finally:
        await kubelet.end()
