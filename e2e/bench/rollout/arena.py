"""The service of one measurement: a champion reigns, and everything is there to challenge it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from e2e.bench.place import place
from e2e.bundles import Model, Shelf, good
from e2e.harness import Manifest
from e2e.installation import Installation
from e2e.rollouts import Contest
from e2e.serving import Asker, Service

SERVER: Manifest = {
    # A server that never comes back from a request must not take the machine along.
    "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}}
}


@contextmanager
def arena(
    installation: Installation, champion: Model | None = None, **spec: object
) -> Iterator[Contest]:
    """Version 1 reigns in a namespace of its own; `spec` as `Service.apply` takes it."""
    with Shelf.open(installation) as shelf, place(installation) as here:
        service = Service(here.cluster, here.namespace)
        service.release(1, shelf.put(champion or good(1.0)))
        service.apply(**spec)  # type: ignore[arg-type]
        service.wait_for_condition("Ready", "Serving")
        yield Contest(service, shelf, Asker(here.cluster, here.namespace))
