"""What a router's files must hold together, checked before they are published.

Envoy keeps its last configuration when a new one is refused, and says so only in its own log and
counters; the operator would wait for a revision that never shows. So whatever the builder wrote is
read here as Envoy would, and every problem is one sentence. The form of single messages is not
repeated here: that is Envoy's own validation mode, which the tests run over every shape.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar

from regnant.manifests.routing import WHOLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

FILES = ("envoy.json", "lds.json", "cds.json", "rds.json")
MAX_BYTES = 900_000
"""A ConfigMap holds 1 MiB, its metadata among it."""
_SHOWN = 3


class RouterFilesError(Exception):
    """The files of a router do not hold together, so routers keep those that they have."""

    reason: ClassVar[str] = "RouterConfigurationInvalid"

    def __init__(self, service: str, problems: list[str]) -> None:
        more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        super().__init__(
            f"the routers of {service} keep their configuration, because the new one is wrong: "
            f"{'; '.join(problems[:_SHOWN])}{more}"
        )
        self.message = str(self)
        self.problems = problems


def check(files: Mapping[str, str]) -> list[str]:
    """Every problem of a router's files; none when they may be published."""
    documents: dict[str, Any] = {}
    for name in FILES:
        try:
            documents[name] = json.loads(files[name])
        except KeyError:
            return [f"{name}: the file is missing"]
        except ValueError as error:
            return [f"{name}: not JSON: {error}"]
    try:
        return list(_problems(documents, sum(len(text.encode()) for text in files.values())))
    except (KeyError, TypeError, AttributeError) as error:
        return [f"the files are not of the form that a router reads: {error!r}"]


def _problems(documents: Mapping[str, Any], size: int) -> Iterator[str]:
    if size > MAX_BYTES:
        yield f"the files have {size} bytes, more than the {MAX_BYTES} of a ConfigMap"
    static = documents["envoy.json"]["static_resources"]["clusters"]
    dynamic = documents["cds.json"]["resources"]
    configurations = documents["rds.json"]["resources"]
    listeners = documents["lds.json"]["resources"]
    yield from _revisions(documents)
    for name, named in (
        ("cds.json", [*static, *dynamic]),
        ("rds.json", configurations),
        ("lds.json", listeners),
    ):
        yield from _unique(name, (one["name"] for one in named))
    known = {cluster["name"] for cluster in (*static, *dynamic)}
    for cluster in dynamic:
        yield from _members(cluster, known)
    for configuration in configurations:
        yield from _routes(configuration, known)
    yield from _listened(listeners, {one["name"] for one in configurations})


def _revisions(documents: Mapping[str, Any]) -> Iterator[str]:
    seen = {name: documents[name]["version_info"] for name in FILES[1:]}
    if len(set(seen.values())) != 1:
        yield f"the files are of different revisions: {seen}"


def _unique(file: str, names: Iterable[str]) -> Iterator[str]:
    for name, count in Counter(names).items():
        if count > 1:
            yield f"{file}: {name} is defined {count} times"


def _members(cluster: Mapping[str, Any], known: set[str]) -> Iterator[str]:
    for member in _aggregated(cluster):
        if member not in known:
            yield f"cds.json: {cluster['name']}: its member {member} is not defined"
        if member == cluster["name"]:
            yield f"cds.json: {cluster['name']}: it is its own member"


def _aggregated(cluster: Mapping[str, Any]) -> list[str]:
    members: list[str] = cluster.get("cluster_type", {}).get("typed_config", {}).get("clusters", [])
    return members


def _routes(configuration: Mapping[str, Any], known: set[str]) -> Iterator[str]:
    for host in configuration["virtual_hosts"]:
        for position, route in enumerate(host["routes"]):
            if "route" in route:
                where = f"rds.json: {host['name']}: route {position}"
                yield from _targets(where, route["route"], known)


def _targets(where: str, action: Mapping[str, Any], known: set[str]) -> Iterator[str]:
    weighted = action.get("weighted_clusters", {}).get("clusters", [])
    names = [one["name"] for one in weighted] or [action["cluster"]]
    for name in [*names, *_copied_to(action, weighted)]:
        if name not in known:
            yield f"{where}: its cluster {name} is not defined"
    yield from _unique(where, names)
    weights = [one["weight"] for one in weighted]
    if weights and (sum(weights) != WHOLE or min(weights) < 0):
        yield f"{where}: the weights {weights} are not parts of {WHOLE}"


def _copied_to(action: Mapping[str, Any], weighted: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The clusters that the route's shares name in the header by which copies are sent."""
    wanted = {policy["cluster_header"] for policy in action.get("request_mirror_policies", [])}
    for share in weighted:
        for added in share.get("request_headers_to_add", []):
            if added["header"]["key"] in wanted:
                yield added["header"]["value"]


def _listened(listeners: Iterable[Mapping[str, Any]], configurations: set[str]) -> Iterator[str]:
    for listener in listeners:
        for chain in listener["filter_chains"]:
            for network_filter in chain["filters"]:
                name = network_filter["typed_config"]["rds"]["route_config_name"]
                if name not in configurations:
                    yield f"lds.json: {listener['name']}: its routes {name} are not in rds.json"
