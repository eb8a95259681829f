"""One InferenceService as it was read, parsed once; and who asked what of it by its annotation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from regnant.api.actions import Action, requested
from regnant.api.inference_service import InferenceServiceSpec, InferenceServiceStatus
from regnant.api.resources import parse


@dataclass(frozen=True, slots=True)
class Service:
    """What the command line knows of an InferenceService."""

    namespace: str
    name: str
    uid: str
    generation: int
    resource_version: str
    deleting: bool
    spec: InferenceServiceSpec
    status: InferenceServiceStatus
    asked: Action | None = None
    """What the annotation asks for, answered or not."""

    @property
    def model(self) -> str:
        """The model line."""
        return self.spec.model_name

    @property
    def transition(self) -> str:
        """The id of the open rollout; empty without one."""
        return self.status.rollout.id if self.status.rollout else ""

    @property
    def pending(self) -> Action | None:
        """What was asked for and is not answered yet."""
        answered = self.status.last_action.id if self.status.last_action else ""
        return self.asked if self.asked and self.asked.id != answered else None

    def version(self, number: int) -> str:
        """The name of a version of its model line."""
        return f"{self.model}-{number}"


def parse_service(body: Mapping[str, Any]) -> Service:
    """Read an object as the API server gave it.

    Raises:
        InvalidResourceError: a field is not as the models say.
    """
    found = parse(dict(body), InferenceServiceSpec, InferenceServiceStatus)
    head = found.metadata
    return Service(
        namespace=head.namespace,
        name=head.name,
        uid=head.uid,
        generation=head.generation,
        resource_version=body["metadata"].get("resourceVersion", ""),
        deleting=head.deletion_timestamp is not None,
        spec=found.spec,
        status=found.status,
        asked=requested(head.annotations),
    )
