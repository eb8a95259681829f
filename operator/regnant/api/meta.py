"""What every resource of the group shares: its identity, its metadata and its conditions.

Conditions follow kstatus: `Ready` says whether the resource is what its spec asks for;
`Reconciling` and `Stalled` are True only while work goes on or is stuck, and False once settled.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field

from regnant.api.model import Model, Reason, Time

GROUP = "regnant.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
MAX_NAME = 40


class Kind(StrEnum):
    """The kinds that the operator reconciles."""

    TRAINING_PIPELINE = "TrainingPipeline"
    MODEL_VERSION = "ModelVersion"
    INFERENCE_SERVICE = "InferenceService"


class Metadata(Model):
    """The part of ObjectMeta that decisions read."""

    name: str
    namespace: str
    uid: str = ""
    generation: int = 1
    deletion_timestamp: Time | None = None
    annotations: dict[str, str] = Field(default_factory=dict)


class Condition(Model):
    """A `metav1.Condition`."""

    type: Annotated[str, Field(max_length=64)]
    """What is said to be so, such as Ready."""
    status: Literal["True", "False", "Unknown"]
    """True, False or Unknown."""
    reason: Reason
    """One CamelCase word for programs; docs/troubleshooting.md lists them with their remedies."""
    message: Annotated[str, Field(max_length=2048)] = ""
    """One sentence for people: what is so, and what to do about it."""
    observed_generation: int = Field(default=0, json_schema_extra={"format": "int64"})
    """The generation of the spec that this speaks of."""
    last_transition_time: Time
    """When the status last changed."""


class Finding(Model):
    """A condition before it is dated: what a decision says of one type."""

    type: str
    status: bool | None
    reason: str
    message: str = ""


def settle(
    before: Iterable[Condition], findings: Iterable[Finding], *, generation: int, now: datetime
) -> tuple[Condition, ...]:
    """The conditions after `findings`, in their order; the date moves only when the status does."""
    known = {condition.type: condition for condition in before}
    settled = []
    for finding in findings:
        status: Literal["True", "False", "Unknown"]
        status = "Unknown" if finding.status is None else "True" if finding.status else "False"
        old = known.get(finding.type)
        unchanged = old is not None and old.status == status
        settled.append(
            Condition(
                type=finding.type,
                status=status,
                reason=finding.reason,
                message=finding.message[:2048],
                observed_generation=generation,
                last_transition_time=old.last_transition_time if old and unchanged else now,
            )
        )
    return tuple(settled)


class Secret(Model):
    """A Secret of the same namespace."""

    name: Annotated[str, Field(min_length=1, max_length=253)]
    """The Secret's name."""


class Status(Model):
    """What every status has."""

    observed_generation: int = Field(default=0, json_schema_extra={"format": "int64"})
    """The generation of the spec that this status was decided on."""
    conditions: Annotated[tuple[Condition, ...], Field(max_length=16)] = Field(
        default=(),
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
    """What is so, by type; Ready, Reconciling and Stalled are read as kstatus reads them."""

    def condition(self, kind: str) -> Condition | None:
        """The condition of that type, or None."""
        return next((found for found in self.conditions if found.type == kind), None)


class ObjectRef(Model):
    """What an owner reference or an event needs to name an object."""

    kind: Kind
    name: str
    namespace: str
    uid: str

    def owner_reference(self) -> dict[str, Any]:
        """The `metadata.ownerReferences` entry that lets the cluster collect a child."""
        return {
            "apiVersion": API_VERSION,
            "kind": self.kind.value,
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": False,
        }
