"""Routers and servers in place of Envoy and the model server, under the load of many users.

Users come at a fixed rate, whatever becomes of them: as many as the time that passed gives, each
sent where the configuration says that the router has taken up. They are counted when somebody
looks, and before anything changes.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from regnant.api.latency import BUCKETS, FIRST_MICROSECONDS, GROWTH
from regnant.manifests.router_config.routes import USERS
from regnant.manifests.routing import WHOLE
from regnant.probes.server import PAGE

RATE = 2000
"""Requests a second at each router."""
_SAMPLE = 40
"""Of so many requests one leaves its outcome."""
_BUCKET = 20
"""The bucket of every answering time: less than a millisecond."""
_SHADOW = "-shadow"

Published = tuple[dict[int, int], int]
"""What a configuration means to users: percents by version, and the percent that is copied."""


@dataclass
class Tried:
    """The tries at one host."""

    succeeded: int = 0
    failed: int = 0


@dataclass
class ServerPod:
    """One server: what it counted, and the outcomes that it keeps."""

    address: str
    version: int
    digest: str
    fails: bool
    """Whether it answers 500 to users; copies and golden rows it answers well."""
    users: Tried = field(default_factory=Tried)
    copies: Tried = field(default_factory=Tried)
    outcomes: list[dict[str, Any]] = field(default_factory=list)

    def keep(self, request: str, *, shadow: bool) -> None:
        """Keep the outcome of one request."""
        said = {"row": 0, "rows": 1, "label": "1", "score": 0.5}
        sequence = len(self.outcomes) + 1
        self.outcomes.append({"sequence": sequence, "id": request, "shadow": shadow, **said})

    def statistics(self) -> web.Response:
        """Its counts, as the model server tells them."""
        document = {
            "boot": self.address,
            "digest": self.digest,
            **_answers(self.users),
            "shadow": _answers(self.copies),
            "outcomes": {"lastSequence": len(self.outcomes)},
        }
        return web.json_response(document)

    def page(self, after: int) -> web.Response:
        """The outcomes behind a number."""
        document = {
            "boot": self.address,
            "outcomes": self.outcomes[after : after + PAGE],
            "lastSequence": len(self.outcomes),
        }
        return web.json_response(document, headers={"x-regnant-digest": self.digest})


def _answers(tried: Tried) -> dict[str, Any]:
    counts = [tried.succeeded if bucket == _BUCKET else 0 for bucket in range(BUCKETS)]
    return {
        "requests": {"ok": tried.succeeded, "client_error": 0, "server_error": tried.failed},
        "nonFinite": 0,
        "latency": {"unit": "us", "first": FIRST_MICROSECONDS, "growth": GROWTH, "counts": counts},
    }


@dataclass(frozen=True)
class Configuration:
    """What a router knows: where users are sent, and who is tried there."""

    revision: str = ""
    shares: Mapping[str, int] = field(default_factory=dict)
    """Percents of the users by the clusters that they are sent to, as listed."""
    members: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The clusters of versions that each of those tries, one after another."""
    mirrored: int = 0
    clusters: frozenset[str] = frozenset()

    @classmethod
    def read(cls, files: Mapping[str, str]) -> Configuration:
        """The meaning of a ConfigMap."""
        routes, found = (json.loads(files[name]) for name in ("rds.json", "cds.json"))
        hosts = {one["name"]: one for one in routes["resources"][0]["virtual_hosts"]}
        actions = [one["route"] for one in hosts[USERS]["routes"] if "route" in one]
        (action,) = actions or [{"weighted_clusters": {"clusters": []}}]
        policies = action.get("request_mirror_policies", ())
        clusters = {one["name"]: one for one in found["resources"]}
        return cls(
            revision=routes["version_info"],
            shares={one["name"]: one["weight"] for one in action["weighted_clusters"]["clusters"]},
            members={
                name: one["cluster_type"]["typed_config"]["clusters"]
                for name, one in clusters.items()
                if one.get("cluster_type", {}).get("name") == "envoy.clusters.aggregate"
            },
            mirrored=sum(one["runtime_fraction"]["default_value"]["numerator"] for one in policies),
            clusters=frozenset(clusters),
        )

    def published(self) -> Published:
        """The same in versions and percents."""
        return {_version(name): part for name, part in self.shares.items()}, self.mirrored


@dataclass
class RouterPod:
    """One router and its users."""

    configuration: Configuration = Configuration()
    tries: dict[str, Tried] = field(default_factory=lambda: defaultdict(Tried))
    """By cluster."""
    users: int = 0
    published: list[Published] = field(default_factory=list)
    """What it was told one after another, where it made a difference to users."""


class Traffic:
    """The routers and servers of one service, and the users that meet them."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began = clock()
        self.routers: dict[str, RouterPod] = {}
        self.servers: dict[str, ServerPod] = {}
        """By the cluster of their version, of which each has one."""
        self.errors: list[str] = []
        """What users met that they must not meet."""

    def change(self) -> None:
        """Let all come who should have come by now; called before anything changes."""
        came = int((self._clock() - self._began) * RATE)
        for name, router in self.routers.items():
            low = 0
            for cluster, percent in router.configuration.shares.items():
                sent = _in_places(came, low, percent) - _in_places(router.users, low, percent)
                self._try(router, router.configuration.members[cluster], sent)
                low += percent
            if router.configuration.mirrored:
                self._copy(name, router, range(router.users, came))
            router.users = came

    def configure(self, name: str, files: Mapping[str, str]) -> None:
        """A router takes up the files of its ConfigMap."""
        self.change()
        router = self.routers[name]
        router.configuration = Configuration.read(files)
        published = router.configuration.published()
        if not router.published or router.published[-1] != published:
            router.published.append(published)
        self.check()

    def begin(self) -> None:
        """Forget what the routers were told before the one that they have now."""
        for router in self.routers.values():
            del router.published[:-1]

    def check(self) -> None:
        """Nobody may be sent to a version that does not run."""
        for name, router in self.routers.items():
            for cluster in router.configuration.shares:
                first = router.configuration.members[cluster][0]
                if first not in self.servers:
                    self.errors.append(f"{name} sends users to {first}, which does not run")

    def _try(self, router: RouterPod, members: Sequence[str], requests: int) -> None:
        """Requests go to the first of the versions, and where that fails to the next."""
        for member in members:
            server = self.servers.get(member)
            if server is not None and not server.fails:
                router.tries[member].succeeded += requests
                server.users.succeeded += requests
                return
            router.tries[member].failed += requests
            if server is not None:
                server.users.failed += requests
        if requests:
            self.errors.append(f"{requests} requests failed at {members}")

    def _copy(self, name: str, router: RouterPod, requests: range) -> None:
        """Every request of the champion's is copied; nobody waits for the answers."""
        ((cluster, _),) = router.configuration.shares.items()
        (shadow,) = (one for one in router.configuration.clusters if one.endswith(_SHADOW))
        champion = self.servers[router.configuration.members[cluster][0]]
        challenger = self.servers[shadow.removesuffix(_SHADOW)]
        router.tries[shadow].succeeded += len(requests)
        challenger.copies.succeeded += len(requests)
        for number in requests:
            if number % _SAMPLE == 0:
                champion.keep(f"{name}-{number}", shadow=False)
                challenger.keep(f"{name}-{number}", shadow=True)


def _in_places(requests: int, low: int, width: int) -> int:
    """How many of the first requests are among so many of each hundred."""
    hundreds, rest = divmod(requests, WHOLE)
    return hundreds * width + min(max(rest - low, 0), width)


def _version(cluster: str) -> int:
    return int(cluster.split("-")[1])
