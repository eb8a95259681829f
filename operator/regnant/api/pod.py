"""The pieces of a pod that users may set, wherever a resource makes pods."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema

from regnant.api.model import JsonObject, Model

Quantity = Annotated[
    str,
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "x-kubernetes-int-or-string": True,
            "pattern": r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$",
            "maxLength": 32,
        }
    ),
    Field(coerce_numbers_to_str=True),
]
"""A Kubernetes quantity: `500m`, `1`, `2Gi`."""

ResourceName = Annotated[str, Field(max_length=253)]
LabelValue = Annotated[str, Field(max_length=63)]


class Resources(Model):
    """What a container asks for and may use, as in `core/v1 ResourceRequirements`."""

    requests: Annotated[dict[ResourceName, Quantity], Field(max_length=16)] = Field(
        default_factory=dict
    )
    """What the scheduler sets aside: cpu, memory, or an extended resource."""
    limits: Annotated[dict[ResourceName, Quantity], Field(max_length=16)] = Field(
        default_factory=dict
    )
    """What the container may not exceed. More memory than this ends it (OOMKilled)."""


class Toleration(Model):
    """As in `core/v1 Toleration`."""

    key: Annotated[str, Field(max_length=253)] | None = None
    """The taint's key; empty matches all keys with the operator Exists."""
    operator: Literal["Exists", "Equal"] = "Equal"
    """Exists or Equal."""
    value: Annotated[str, Field(max_length=63)] | None = None
    """The taint's value, with Equal."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """The taint's effect; empty matches all."""
    toleration_seconds: Annotated[int, Field(ge=0)] | None = None
    """How long a NoExecute taint is tolerated, in seconds."""


class Placement(Model):
    """Where pods may run."""

    node_selector: Annotated[dict[str, LabelValue], Field(max_length=16)] = Field(
        default_factory=dict
    )
    """Labels that a node must have."""
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=16)] = ()
    """Taints that the pods accept."""
    affinity: JsonObject | None = None
    """As in `core/v1 Affinity`."""
    priority_class_name: Annotated[str, Field(max_length=253)] | None = None
    """The pods' PriorityClass."""

    def to_pod(self) -> dict[str, Any]:
        """The fields of a PodSpec that this asks for."""
        return {key: value for key, value in self.to_json().items() if value}
