"""An InferenceService until its first answer, against a Deployment and a Service by hand.

By hand means the same server: image, init container that fetches the bundle, probes, resources. It
has no router, no verification and no second version to come; so a router alone is measured as well,
and the goal is the Deployment by hand with a fifth more, and the router's start.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from e2e.bench.place import Place, by_hand, resource
from e2e.bench.poller import Poller, Question
from e2e.bench.report import Sample, Table, rounds, verdict
from e2e.demo import ROW, request
from regnant.api.inference_service import Router, Server
from regnant.api.meta import Kind
from regnant.api.model_version import Artifact
from regnant.manifests import names, router, server
from regnant.manifests.routing import Routing, Variant
from regnant.manifests.server import ServedVersion

GOAL_RATIO = 1.2
_BARE, _ROUTER, _SERVICE = "by-hand", "router-alone", "answering"


def measure(place: Place, repetitions: int, until: float, model: str) -> Table:
    """All three in turns, as often as there is time for, with version 1 of a model line."""
    poller = Poller(place.cluster, place.namespace)
    poller.start()
    runs = _Runs(place, poller, model)
    turns: list[tuple[str, Callable[[], float]]] = [
        (_BARE, runs.by_hand),
        (_ROUTER, runs.router_alone),
        (_SERVICE, runs.service),
    ]
    times: dict[str, list[float]] = {label: [] for label, _ in turns}
    for number in rounds(repetitions, until):
        first = number % len(turns)
        for label, run in turns[first:] + turns[:first]:
            seconds = run()
            times[label].append(seconds)
            print(f"   answer {number}, {label}: {seconds:.2f} s", flush=True)
    return _table(*(Sample.of(times[label]) for label, _ in turns))


class _Runs:
    """The three, each from an apply to an answer, and removed after it."""

    def __init__(self, place: Place, poller: Poller, model: str) -> None:
        self._place, self._poller, self._model = place, poller, model
        found = place.cluster.get("modelversion", f"{model}-1", place.namespace)
        self._artifact = Artifact.model_validate(found["spec"]["artifact"])

    def by_hand(self) -> float:
        """A Deployment of the server, and a Service in front of it."""
        served = self._served(_BARE)
        service, deployment = (by_hand(made) for made in server.build(served)[:2])
        del service["spec"]["clusterIP"]
        seconds = self._poller.time_until_answered(
            [service, deployment], served.name, self._infer(server.PORT)
        )
        self._place.remove(_BARE, *_of(_BARE))
        return seconds

    def router_alone(self) -> float:
        """The router that the InferenceService has, with nothing behind it."""
        place = self._place
        digest = self._artifact.digest
        variant = Variant(self._served(_ROUTER).name, 1, digest, server.PORT)
        routing = Routing(_ROUTER, place.namespace, self._model, (variant,), champion=digest)
        owner = place.owner(Kind.INFERENCE_SERVICE, _ROUTER)
        built = router.build(owner, Router(), routing, place.platform)
        made = [by_hand(one) for one in built if one["kind"] != "PodDisruptionBudget"]
        seconds = self._poller.time_until_answered(made, _ROUTER, Question("/healthz", 80))
        place.remove(_ROUTER, *_of(_ROUTER))
        return seconds

    def service(self) -> float:
        """An InferenceService."""
        made = resource(Kind.INFERENCE_SERVICE, _SERVICE, {"modelName": self._model})
        seconds = self._poller.time_until_answered([made], _SERVICE, self._infer(80))
        self._place.remove(_SERVICE, "inferenceservice", _SERVICE)
        return seconds

    def _infer(self, port: int) -> Question:
        return Question(f"/v2/models/{self._model}/infer", port, "POST", json.dumps(request(ROW)))

    def _served(self, name: str) -> ServedVersion:
        place = self._place
        owner = place.owner(Kind.INFERENCE_SERVICE, name)
        timeout = Router().request_timeout
        return ServedVersion(
            owner, self._model, 1, self._artifact, Server(), place.platform, timeout
        )


def _of(owner: str) -> tuple[str, str]:
    """What was made by hand, in kubectl's words."""
    return "deployments,services,configmaps", f"--selector={names.OWNER}={owner}"


def _table(bare: Sample, routers: Sample, service: Sample) -> Table:
    pairs = zip(service.values, routers.values, bare.values, strict=True)
    ratio = Sample.of((ours - router) / hand for ours, router, hand in pairs)
    rows = [
        ["Deployment and Service by hand", *bare.cells(2, "s"), ""],
        ["a router alone", *routers.cells(2, "s"), ""],
        ["InferenceService, through its router", *service.cells(2, "s"), ""],
        [
            "(InferenceService - router) / by hand",
            *ratio.cells(2),
            f"at most {GOAL_RATIO}: {verdict(ratio.median, GOAL_RATIO)}",
        ],
    ]
    return Table(
        "A first answer",
        ["from apply to the first answer", "median", "spread", "goal"],
        rows,
        f"{bare.count}, in turns; one server, one router, a bundle that is in the store "
        "already and images that are on the node. A pod of the cluster polls every 20 ms. By hand "
        "is the same pod, with the same init container and probes. An answer of the "
        "InferenceService comes after its model was verified through the router.",
    )
