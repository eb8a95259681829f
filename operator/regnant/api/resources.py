"""The table of the three resources: their names, models, printed columns and rules on the whole.

Whoever needs "all kinds" (the CRDs, the reference, the parser) goes through this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from regnant.api.inference_service import InferenceServiceSpec, InferenceServiceStatus
from regnant.api.meta import MAX_NAME, Kind, Metadata, ObjectRef, Status
from regnant.api.model import Model, Rule
from regnant.api.model_version import ModelVersionSpec, ModelVersionStatus
from regnant.api.training_pipeline import TrainingPipelineSpec, TrainingPipelineStatus


@dataclass(frozen=True, slots=True)
class Column:
    """One column of `kubectl get`; priority 1 shows with `-o wide` only."""

    name: str
    path: str
    description: str
    type: str = "string"
    priority: int = 0


@dataclass(frozen=True, slots=True)
class ResourceType:
    """One kind as the cluster knows it."""

    kind: Kind
    plural: str
    short_name: str
    description: str
    spec: type[Model]
    status: type[Status]
    columns: tuple[Column, ...]
    rules: tuple[Rule, ...]

    @property
    def singular(self) -> str:
        """The lower-case kind."""
        return self.kind.value.lower()


SpecT = TypeVar("SpecT", bound=Model)
StatusT = TypeVar("StatusT", bound=Status)


@dataclass(frozen=True, slots=True)
class Resource(Generic[SpecT, StatusT]):
    """One object of a kind, parsed."""

    metadata: Metadata
    spec: SpecT
    status: StatusT


class InvalidResourceError(Exception):
    """An object that the models cannot read; the message names the field."""


_SHORT_NAME = Rule(
    f"size(self.metadata.name) <= {MAX_NAME}",
    f"metadata.name: use at most {MAX_NAME} characters, as children are named after it",
)
_DNS_NAME = Rule(
    "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
    "metadata.name: start with a letter and use only lower-case letters, digits and '-', "
    "as Services are named after it",
)
_NO_SERVER_NAME = Rule(
    "!self.metadata.name.matches('-[1-9][0-9]{0,5}-[0-9a-f]{8}$')",
    "metadata.name: do not end in a number and 8 hexadecimal digits, as another service's servers "
    "may have that name",
)
_READY = ".status.conditions[?(@.type=='Ready')]"
_REASON = Column("Reason", f"{_READY}.reason", "Why it is ready, or not.")
_MESSAGE = Column("Message", f"{_READY}.message", "The same in words.", priority=1)
_AGE = Column("Age", ".metadata.creationTimestamp", "Since when it exists.", type="date")

TRAINING_PIPELINE = ResourceType(
    kind=Kind.TRAINING_PIPELINE,
    plural="trainingpipelines",
    short_name="tp",
    description="TrainingPipeline trains a model from data, proves it and registers it as a "
    "ModelVersion.",
    spec=TrainingPipelineSpec,
    status=TrainingPipelineStatus,
    columns=(
        Column("Model", ".spec.modelName", "The model line."),
        Column("Phase", ".status.phase", "Where the pipeline is."),
        Column("Stage", ".status.run.stage", "What the run is doing.", priority=1),
        Column("Version", ".status.latestModelVersion", "The version registered last."),
        _REASON,
        _MESSAGE,
        _AGE,
    ),
    rules=(_SHORT_NAME,),
)

MODEL_VERSION = ResourceType(
    kind=Kind.MODEL_VERSION,
    plural="modelversions",
    short_name="mv",
    description="ModelVersion is the immutable registry entry of one trained model.",
    spec=ModelVersionSpec,
    status=ModelVersionStatus,
    columns=(
        Column("Model", ".spec.modelName", "The model line."),
        Column("Version", ".spec.version", "The number.", type="integer"),
        Column("Phase", ".status.phase", "What became of it."),
        Column("Used-By", ".status.usedBy[*].inferenceService", "The services that use it."),
        Column("Metric", ".spec.metrics[0].name", "The first metric.", priority=1),
        Column("Value", ".spec.metrics[0].value", "Its value.", priority=1),
        Column("Digest", ".spec.artifact.digest", "The bundle's digest.", priority=1),
        _AGE,
    ),
    rules=(
        Rule(
            # `string(version)` would do, but its cost has no bound that the API server accepts.
            "self.metadata.name.startsWith(self.spec.modelName + '-')"
            " && self.metadata.name.substring(size(self.spec.modelName) + 1)"
            ".matches('^[1-9][0-9]{0,5}$')"
            " && int(self.metadata.name.substring(size(self.spec.modelName) + 1))"
            " == self.spec.version",
            "metadata.name: must be spec.modelName, a dash and spec.version, such as churn-3",
        ),
    ),
)

INFERENCE_SERVICE = ResourceType(
    kind=Kind.INFERENCE_SERVICE,
    plural="inferenceservices",
    short_name="infsvc",
    description="InferenceService answers requests with the best proven version of a model line.",
    spec=InferenceServiceSpec,
    status=InferenceServiceStatus,
    columns=(
        Column("Model", ".spec.modelName", "The model line."),
        Column("Phase", ".status.phase", "Where the service is."),
        Column("Champion", ".status.champion.version", "The version that answers.", type="integer"),
        Column(
            "Candidate", ".status.rollout.to.version", "The version taking over.", type="integer"
        ),
        Column(
            "Available",
            ".status.conditions[?(@.type=='Available')].status",
            "Whether users get answers.",
        ),
        _REASON,
        Column("URL", ".status.url", "Where it answers.", priority=1),
        _MESSAGE,
        _AGE,
    ),
    rules=(_SHORT_NAME, _DNS_NAME, _NO_SERVER_NAME),
)

RESOURCES = (TRAINING_PIPELINE, MODEL_VERSION, INFERENCE_SERVICE)


def parse(
    body: dict[str, Any], spec: type[SpecT], status: type[StatusT]
) -> Resource[SpecT, StatusT]:
    """Read an object as the API server gave it.

    Raises:
        InvalidResourceError: a field is not as the models say, as when an older CRD accepted it.
    """
    try:
        return Resource(
            Metadata.model_validate(body["metadata"]),
            spec.model_validate(body.get("spec") or {}),
            status.model_validate(body.get("status") or {}),
        )
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InvalidResourceError(f"spec or status field {field}: {first['msg']}") from error


def reference(kind: Kind, metadata: Metadata) -> ObjectRef:
    """What owner references and events need to name the object."""
    return ObjectRef(kind=kind, name=metadata.name, namespace=metadata.namespace, uid=metadata.uid)
