"""Memory, and what settled services cost.

The operator is started anew first, so that its memory is that of an operator which has done
nothing. Later some dozens of resources exist and are settled: each InferenceService with a model
line of its own, a server and a router that run. Then nothing changes for a while, and whatever the
operator does in that time is the price of watching.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from e2e.bench.place import Place, resource
from e2e.bench.readings import ELSEWHERE, Activity, Memory, Meter, image_sizes, memory, operator_pod
from e2e.bench.report import Sample, Table
from e2e.cluster.settings import Settings
from e2e.harness import Cluster, NotInTimeError, condition_of
from e2e.installation import Installation
from regnant.api.meta import Kind

RESYNC_MINUTES = 10
_SMALL = {"requests": {"cpu": "1m", "memory": "16Mi"}, "limits": {"memory": "512Mi"}}
_KUBELET_SECONDS = 20
"""How long a kubelet may take to report what is so."""
_QUIET_SECONDS = 12
_ATTEMPTS = 3
_PATIENCE_SECONDS = 120


@dataclass(frozen=True)
class Idle:
    """The operator before there was anything to do."""

    memory: Memory
    resources: int


@dataclass(frozen=True)
class Settled:
    """What was read while nothing changed."""

    services: int
    resources: int
    minutes: float
    activity: Activity
    operator: Memory
    servers: Sequence[Memory]
    routers: Sequence[Memory]


def measure_idle(installation: Installation) -> Idle:
    """Start the operator anew and let it come to rest."""
    cluster, where = installation.cluster, installation.namespace
    cluster.delete("pod", operator_pod(installation)["metadata"]["name"], where)
    operator_pod(installation)
    time.sleep(_KUBELET_SECONDS)
    return Idle(_operator(installation), _resources(cluster))


def measure_settled(place: Place, model: str, services: int, seconds: float) -> Settled:
    """Make services of copies of a version, wait until they rest, and watch for so long."""
    cluster = place.cluster
    with Meter.attached(place) as meter:
        _make(place, model, services)
        _wait_until_quiet(meter)
        spent, took = _watch(meter, max(seconds, _KUBELET_SECONDS))
    return Settled(
        services=services,
        resources=_resources(cluster),
        minutes=took / 60,
        activity=spent,
        operator=_operator(place.installation),
        servers=memory(cluster, place.namespace, "server"),
        routers=memory(cluster, place.namespace, "router"),
    )


def memory_table(idle: Idle, settled: Settled) -> Table:
    """What each container needs."""
    rows = [
        _row(f"operator, started anew, {idle.resources} resources", [idle.memory]),
        _row(f"operator, with {settled.resources} resources", [settled.operator]),
        _row("a server, idle", settled.servers),
        _row("a router, idle", settled.routers),
    ]
    return Table(
        "Memory",
        ["container", "how many", "working set", "spread", "of it anonymous"],
        rows,
        "As the kubelet reports it, in MiB. The working set is what a memory limit is held "
        "against; it holds the files that the container was the first on its node to read. "
        "Anonymous memory is the container's alone. The server holds the model of the first "
        "table and has replayed its golden rows.",
    )


def settled_table(settled: Settled) -> Table:
    """What a minute costs in which nothing happens."""
    per_minute = 1 / settled.minutes
    spent = settled.activity
    due = settled.resources / RESYNC_MINUTES
    rows = [
        ["CPU of the operator", f"{spent.cpu_seconds * per_minute:.2f} s", ""],
        ["reconciles", f"{spent.reconciles * per_minute:.1f}", f"{due:.1f}, the resync's"],
    ]
    expected = {
        "writes": "none",
        "reads": "those of the resync",
        "watches": "renewed every 10 minutes",
        "the lease": "renewed while leading",
        ELSEWHERE: "lists of the resync",
    }
    for flow, words in expected.items():
        count = settled.activity.requests[flow] * per_minute
        rows.append([f"API requests: {flow}", f"{count:.1f}", words])
    return Table(
        "Settled services",
        ["per minute", "measured", "expected"],
        rows,
        f"{settled.services} InferenceServices with a server and a router each, "
        f"{settled.resources} resources in the cluster in all, watched for "
        f"{settled.minutes * 60:.0f} s. Requests are counted by the API server, by a flow schema "
        "for each row, reads and writes in the namespace of these services; CPU and reconciles "
        "come from the operator's own metrics and are those of the whole cluster.",
    )


def image_table(cluster: Cluster) -> Table:
    """How large the images are."""
    names = ("operator", "trainer", "server", "router")
    references = {Settings.from_environment().image(name): name for name in names}
    sizes = image_sizes(cluster, references)
    return Table(
        "Images",
        ["image", "size"],
        [[references[reference], f"{size:.0f} MiB"] for reference, size in sizes.items()],
        "What a node stores of each image, as its kubelet reports it: compressed where the image "
        "came from a registry, not compressed on the local cluster. Layers that images share are "
        "counted for each.",
    )


def _make(place: Place, model: str, services: int) -> None:
    """Every service has its own model line, whose one version is the same bundle."""
    found = place.cluster.get("modelversion", f"{model}-1", place.namespace)
    artifact = found["spec"]["artifact"]
    names = [f"settled-{number}" for number in range(1, services + 1)]
    small = {"server": {"resources": _SMALL}, "router": {"resources": _SMALL}}
    manifests = []
    for name in names:
        version = {"modelName": name, "version": 1, "artifact": artifact}
        manifests.append(resource(Kind.MODEL_VERSION, f"{name}-1", version))
        manifests.append(resource(Kind.INFERENCE_SERVICE, name, {"modelName": name, **small}))
    began = time.monotonic()
    place.cluster.apply(manifests, place.namespace)
    place.cluster.wait_for(
        f"{services} InferenceServices are Ready",
        lambda: _ready(place) == services,
        seconds=_PATIENCE_SECONDS,
        on_timeout=lambda: f"{_ready(place)} are Ready",
    )
    took = time.monotonic() - began
    print(f"   {services} InferenceServices are Ready after {took:.0f} s", flush=True)


def _ready(place: Place) -> int:
    found = place.cluster.find_all("inferenceservices", place.namespace)
    conditions = [condition_of(one, "Ready") for one in found]
    return sum(one is not None and one["status"] == "True" for one in conditions)


def _wait_until_quiet(meter: Meter) -> None:
    """Return when the operator wrote nothing for a while; only the resync goes on then."""
    deadline = time.monotonic() + _PATIENCE_SECONDS / 2
    before = meter.read()
    while time.monotonic() < deadline:
        time.sleep(_QUIET_SECONDS)
        now = meter.read()
        if now.since(before).requests["writes"] == 0:
            return
        before = now


def _watch(meter: Meter, seconds: float) -> tuple[Activity, float]:
    """What the operator did, and in how many seconds; again if it was started anew meanwhile."""
    for _ in range(_ATTEMPTS):
        before, began = meter.read(), time.monotonic()
        time.sleep(seconds)
        after, ended = meter.read(), time.monotonic()
        if after.operator == before.operator:
            return after.since(before), ended - began
        print("   the operator was started anew meanwhile; once more", flush=True)
    raise NotInTimeError("somebody keeps starting the operator anew: wait until nobody does")


def _operator(installation: Installation) -> Memory:
    return memory(installation.cluster, installation.namespace, "operator")[0]


def _resources(cluster: Cluster) -> int:
    """How many of the three resources there are, everywhere."""
    return len(cluster.find_all("trainingpipelines,modelversions,inferenceservices"))


def _row(what: str, containers: Sequence[Memory]) -> list[str]:
    working = Sample.of(one.working_set for one in containers)
    anonymous = Sample.of(one.anonymous for one in containers)
    return [what, str(len(containers)), *working.cells(0), f"{anonymous.median:.0f}"]
