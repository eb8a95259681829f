"""What is seen of a ModelVersion: the InferenceServices of its model line."""

from __future__ import annotations

from regnant.api.inference_service import InferenceServiceSpec, InferenceServiceStatus
from regnant.api.model_version import ModelVersionStatus
from regnant.api.resources import parse
from regnant.cluster.client import Cluster
from regnant.controllers.reconciler import Sighting
from regnant.lifecycle import model_version as lifecycle
from regnant.lifecycle.diagnosis import Fault
from regnant.lifecycle.model_version import Observed, Version


class ModelVersionObserver:
    """Sees what a decision on a ModelVersion rests on."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def observe(
        self,
        resource: Version,
        obstacle: Fault | None,  # noqa: ARG002 - a ModelVersion has no children to be refused
    ) -> Sighting[ModelVersionStatus]:
        """What is so now."""
        found = await self._cluster.list("InferenceService", resource.metadata.namespace)
        services = tuple(
            parse(body, InferenceServiceSpec, InferenceServiceStatus)
            for body in found
            if body["spec"]["modelName"] == resource.spec.model_name
        )
        observed = Observed(resource, services)
        return Sighting(lambda now: lifecycle.decide(observed, now))
