"""A contest of two versions, as the tests of rollouts set it up and watch it.

Steps last seconds here, and the limits that are not a test's subject are wide, so that a rollout is
over as soon as its few requests came.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count

import pytest

from e2e.bundles import Model, Shelf, good
from e2e.harness import Cluster, Manifest
from e2e.installation import Installation
from e2e.serving import Asker, Service, shared_namespace

NEVER = 1_000_000
"""More requests than any test sends."""
WIDE_LIMITS: Manifest = {"errorRateMargin": "0.2", "maxLatencyRatio": "0"}
"""Passed by some thirty requests."""


def step(weight: int, *, requests: int = 10, seconds: int = 1, **fields: object) -> Manifest:
    """One step of a rollout; `fields` as the API names them."""
    least = {"minRequests": requests, "minDuration": f"{seconds}s"}
    return {"weight": weight} | least | fields


def shadow(*, requests: int = 10, seconds: int = 1, **fields: object) -> Manifest:
    """The shadow of a rollout; `fields` as the API names them."""
    return {"minRequests": requests, "minDuration": f"{seconds}s"} | fields


@dataclass(frozen=True)
class Contest:
    """A service whose champion reigns, and all that is needed to challenge it."""

    service: Service
    shelf: Shelf
    asker: Asker
    numbers: Iterator[int] = field(default_factory=lambda: count(2))
    stock: dict[int, Manifest] = field(default_factory=dict)
    """Healthy bundles that are in the store already, by the number that they are for."""

    @property
    def cluster(self) -> Cluster:
        """Where it runs."""
        return self.service.cluster

    def fill_stock(self, count: int) -> None:
        """Push what the next healthy versions need, for when the store cannot be reached."""
        self.stock.update({n: self.shelf.put(good(float(n))) for n in range(2, 2 + count)})

    def challenge(self, model: Model | None = None) -> int:
        """Register the next version, a healthy one unless another is given; gives its number."""
        number = next(self.numbers)
        in_stock = self.stock.get(number) if model is None else None
        artifact = in_stock or self.shelf.put(model or good(float(number)))
        self.service.release(number, artifact)
        return number

    def reasons(self, about: str) -> list[str]:
        """The reasons of the service's Events whose notes speak of a version, oldest first."""
        found = self.cluster.events(self.service.namespace, about=self.service.name)
        return [event["reason"] for event in found if about in event["note"]]


@contextmanager
def contest(
    regnant: Installation, cluster: Cluster, request: pytest.FixtureRequest, **spec: object
) -> Iterator[Contest]:
    """Version 1 reigns in a namespace of the module; `spec` as `Service.apply` takes it."""
    with Shelf.open(regnant) as shelf, shared_namespace(cluster, request) as namespace:
        service = Service(cluster, namespace)
        service.release(1, shelf.put(good(1.0)))
        service.apply(**spec)  # type: ignore[arg-type]
        asker = Asker(cluster, namespace).start()
        service.wait_for_condition("Ready", "Serving")
        yield Contest(service, shelf, asker)


def seconds_since_1970(moment: str) -> float:
    """A time of a status, as the load counts."""
    return datetime.fromisoformat(moment).timestamp()
