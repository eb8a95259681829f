"""Where figures of memory, CPU and requests are read, on any cluster.

Memory comes from the kubelets, CPU and reconciles from the operator's own metrics. Requests are
counted by the API server: for the time of the benchmark the operator's requests are put into flow
schemas of their own, by what they do, and the API server keeps a counter for each. Reads and writes
are those of the benchmark's namespace, so that nobody else's are counted. The requests are treated
as before, as they stay at the priority level of service accounts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from e2e.bench.place import Place
from e2e.harness import Cluster, Manifest
from e2e.installation import Installation

ELSEWHERE = "all else"
_FLOWS: Mapping[str, tuple[Sequence[str], Sequence[str]]] = {
    # Verbs and resources; the first that matches counts.
    "the lease": (["*"], ["leases"]),
    "watches": (["watch"], ["*"]),
    "reads": (["get", "list"], ["*"]),
    "writes": (["*"], ["*"]),
    ELSEWHERE: (["*"], ["*"]),
}
_OF_THE_NAMESPACE = frozenset({"reads", "writes"})
_PRECEDENCE = 8500
_COUNTER = "apiserver_flowcontrol_dispatched_requests_total"
_MIB = 1024 * 1024


@dataclass(frozen=True)
class Memory:
    """What the kubelet reports of one container, in MiB."""

    component: str
    working_set: float
    anonymous: float
    at: str


@dataclass(frozen=True)
class Activity:
    """What the operator has done since it started."""

    operator: str
    """The pod's name."""
    cpu_seconds: float
    reconciles: float
    requests: Mapping[str, float]

    def since(self, before: Activity) -> Activity:
        """What it did in between."""
        return Activity(
            self.operator,
            self.cpu_seconds - before.cpu_seconds,
            self.reconciles - before.reconciles,
            {flow: count - before.requests[flow] for flow, count in self.requests.items()},
        )


def memory(cluster: Cluster, namespace: str, container: str) -> list[Memory]:
    """Every container of that name in a namespace."""
    found = []
    for node in cluster.find_all("nodes"):
        path = f"/api/v1/nodes/{node['metadata']['name']}/proxy/stats/summary"
        for pod in json.loads(cluster.kubectl("get", "--raw", path))["pods"]:
            if pod["podRef"]["namespace"] == namespace:
                chosen = [one for one in pod["containers"] if one["name"] == container]
                found += [_memory(one) for one in chosen if "workingSetBytes" in one["memory"]]
    return found


def image_sizes(cluster: Cluster, references: Iterable[str]) -> dict[str, float]:
    """The MiB that images take in a node's store, as far as a node names them."""
    stored = [one for node in cluster.find_all("nodes") for one in node["status"]["images"]]
    sizes = {name: one["sizeBytes"] / _MIB for one in stored for name in one["names"] or ()}
    return {each: sizes[each] for each in references if each in sizes}


def operator_pod(installation: Installation) -> Manifest:
    """The one pod of the operator that is not on its way out."""

    def only() -> Manifest | None:
        selector = installation.operator_selector
        pods = installation.cluster.find_all("pods", installation.namespace, selector)
        ready = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        return pods[0] if len(pods) == len(ready) == 1 and _is_ready(pods[0]) else None

    return installation.cluster.wait_for("one operator is ready", only, seconds=120)


class Meter:
    """Reads the operator's activity."""

    def __init__(self, place: Place, prefix: str) -> None:
        self._place, self._prefix = place, prefix

    @classmethod
    @contextmanager
    def attached(cls, place: Place) -> Iterator[Meter]:
        """Count the operator's requests for as long as the context lasts."""
        prefix = f"{place.namespace}-"
        pod = operator_pod(place.installation)
        account = {
            "name": pod["spec"]["serviceAccountName"],
            "namespace": pod["metadata"]["namespace"],
        }
        schemas = [
            _flow_schema(f"{prefix}{_slug(flow)}", account, precedence, _rule(flow, place))
            for precedence, flow in enumerate(_FLOWS, _PRECEDENCE)
        ]
        place.cluster.apply(schemas)
        try:
            yield cls(place, prefix)
        finally:
            for schema in schemas:
                place.cluster.delete("flowschema", schema["metadata"]["name"])

    def read(self) -> Activity:
        """All counters, now."""
        installed = self._place.installation
        pod = operator_pod(installed)["metadata"]["name"]
        where = f"/api/v1/namespaces/{installed.namespace}/pods/{pod}:8000/proxy/metrics"
        own = self._samples(where)
        flows = {_slug(flow): flow for flow in _FLOWS}
        requests = dict.fromkeys(_FLOWS, 0.0)
        for name, labels, value in self._samples("/metrics"):
            schema = labels.get("flow_schema", "")
            if name == _COUNTER and schema.startswith(self._prefix):
                requests[flows[schema.removeprefix(self._prefix)]] += value
        return Activity(
            operator=pod,
            cpu_seconds=sum(v for name, _, v in own if name == "process_cpu_seconds_total"),
            reconciles=sum(v for name, _, v in own if name == "regnant_reconcile_total"),
            requests=requests,
        )

    def _samples(self, path: str) -> list[tuple[str, dict[str, str], float]]:
        text = self._place.cluster.kubectl("get", "--raw", path)
        return [
            (sample.name, sample.labels, sample.value)
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        ]


def _memory(container: Mapping[str, Any]) -> Memory:
    reported = container["memory"]
    return Memory(
        container["name"],
        reported["workingSetBytes"] / _MIB,
        reported["rssBytes"] / _MIB,
        reported["time"],
    )


def _is_ready(pod: Manifest) -> bool:
    conditions = pod["status"].get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _slug(flow: str) -> str:
    return flow.replace(" ", "-")


def _rule(flow: str, place: Place) -> Manifest:
    verbs, resources = _FLOWS[flow]
    narrow = flow in _OF_THE_NAMESPACE
    return {
        "verbs": verbs,
        "apiGroups": ["*"],
        "resources": resources,
        "clusterScope": not narrow,
        "namespaces": [place.namespace] if narrow else ["*"],
    }


def _flow_schema(name: str, account: dict[str, str], precedence: int, rule: Manifest) -> Manifest:
    return {
        "apiVersion": "flowcontrol.apiserver.k8s.io/v1",
        "kind": "FlowSchema",
        "metadata": {"name": name},
        "spec": {
            "priorityLevelConfiguration": {"name": "workload-low"},
            "matchingPrecedence": precedence,
            "distinguisherMethod": {"type": "ByUser"},
            "rules": [
                {
                    "subjects": [{"kind": "ServiceAccount", "serviceAccount": account}],
                    "resourceRules": [rule],
                }
            ],
        },
    }
