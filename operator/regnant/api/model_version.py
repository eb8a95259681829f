"""ModelVersion: one immutable entry of the registry.

The operator writes one for every run that reached its gates; anyone may apply one for a model that
was made elsewhere. The spec never changes; the status says who serves the version.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from regnant.api.meta import Secret, Status
from regnant.api.model import (
    DecimalString,
    Digest,
    JsonObject,
    Model,
    ModelName,
    Rule,
    VersionNumber,
)


class Artifact(Model):
    """The bundle: an OCI artifact, named by its digest."""

    uri: Annotated[
        str,
        StringConstraints(pattern=r"^oci://[a-z0-9.:-]+(/[a-z0-9._-]+)+$", max_length=512),
    ]
    """The repository that holds it, `oci://HOST[:PORT]/REPOSITORY`, without a tag."""
    digest: Digest
    """The digest of its manifest, which names every file in it."""
    size_bytes: Annotated[int, Field(ge=0)] | None = Field(
        default=None, json_schema_extra={"format": "int64"}
    )
    """The size of all its files, in bytes."""
    credentials_secret_ref: Secret | None = None
    """A Secret of type `kubernetes.io/dockerconfigjson` that may pull it, where the operator's own
    store credentials are not enough."""


class Tensor(Model):
    """One input or output, as in the Open Inference Protocol."""

    name: Annotated[str, Field(max_length=253)]
    """The tensor's name."""
    datatype: Literal[
        "BOOL",
        "INT8",
        "INT16",
        "INT32",
        "INT64",
        "UINT8",
        "UINT16",
        "UINT32",
        "UINT64",
        "FP16",
        "FP32",
        "FP64",
        "BYTES",
    ]
    """The type of its elements."""
    shape: Annotated[tuple[int, ...], Field(max_length=8)]
    """Its dimensions; -1 is the number of rows."""


class Interface(Model):
    """What goes in and what comes out."""

    digest: Digest | None = None
    """The digest over all tensors; equal digests take the same requests."""
    inputs: Annotated[tuple[Tensor, ...], Field(max_length=16)] = ()
    """The input tensors; the first 16 where there are more."""
    outputs: Annotated[tuple[Tensor, ...], Field(max_length=16)] = ()
    """The output tensors."""


class Metric(Model):
    """A measured quality, with its uncertainty."""

    name: Annotated[str, Field(max_length=64)]
    """The metric's name, such as roc_auc."""
    value: DecimalString
    """The value on all rows of the split."""
    low: DecimalString | None = None
    """The lower end of the confidence interval."""
    high: DecimalString | None = None
    """The upper end of the confidence interval."""
    split: Literal["Test", "Train", "Validation"] = "Test"
    """The rows that it was measured on."""


class GateResult(Model):
    """How one gate was decided."""

    metric: Annotated[str, Field(max_length=64)]
    """The metric."""
    value: DecimalString | None = None
    """What was measured; unset when the run did not report it."""
    minimum: DecimalString | None = None
    """The least that was asked for."""
    maximum: DecimalString | None = None
    """The most that was allowed."""
    passed: bool
    """Whether the gate held."""


class PipelineRef(Model):
    """The TrainingPipeline that made a version."""

    name: Annotated[str, Field(max_length=253)]
    """Its name."""
    uid: Annotated[str, Field(max_length=64)]
    """Its UID, which tells it from a later one of the same name."""


class Lineage(Model):
    """What a version was made from: enough to make it again, or to say why it differs."""

    pipeline: PipelineRef | None = None
    """The TrainingPipeline."""
    inputs_digest: Digest | None = None
    """The digest of the run's inputs."""
    trainer_image: Annotated[str, Field(max_length=512)] | None = None
    """The image that trained."""
    data_uri: Annotated[str, Field(max_length=1024)] | None = None
    """Where the data came from."""
    data_digest: Digest | None = None
    """The digest of the data's bytes."""
    rows: Annotated[int, Field(ge=0)] | None = None
    """How many rows the data had."""
    split_digests: Annotated[dict[str, Digest], Field(max_length=4)] = Field(default_factory=dict)
    """The digests of the row numbers of each split."""
    seed: Annotated[int, Field(ge=0)] | None = None
    """What random choices started from."""
    estimator: Annotated[str, Field(max_length=253)] | None = None
    """The estimator's import path."""
    parameters: JsonObject | None = None
    """The estimator's parameters."""
    packages: Annotated[dict[str, Annotated[str, Field(max_length=64)]], Field(max_length=32)] = (
        Field(default_factory=dict)
    )
    """The versions of the packages that trained and exported it."""


class ModelVersionSpec(Model):
    """What the version is. Nothing of it ever changes."""

    rules: ClassVar = (
        Rule(
            "self == oldSelf",
            "a ModelVersion's spec is immutable: apply a new version under the next number",
        ),
    )

    model_name: ModelName
    """The model line."""
    version: VersionNumber
    """The number; a higher one is newer."""
    artifact: Artifact
    """The bundle that is served."""
    interface: Interface = Interface()
    """What goes in and what comes out."""
    metrics: Annotated[tuple[Metric, ...], Field(max_length=32)] = ()
    """What was measured before it was registered."""
    gates: Annotated[tuple[GateResult, ...], Field(max_length=16)] = ()
    """How it stood against its gates."""
    lineage: Lineage = Lineage()
    """What it was made from."""


class Use(Model):
    """One InferenceService that has a use for the version."""

    inference_service: Annotated[str, Field(max_length=63)]
    """The InferenceService's name."""
    role: Literal["Champion", "Candidate", "Previous"]
    """Champion answers the users; Candidate is being verified; Previous is what a rollback
    returns to."""


MAX_USES = 64


class ModelVersionStatus(Status):
    """Who serves the version."""

    phase: Annotated[str, Field(max_length=32)] = ""
    """One word for a list: Registered, Verified, Serving or Rejected."""
    used_by: Annotated[tuple[Use, ...], Field(max_length=MAX_USES)] = ()
    """The InferenceServices that have a use for it; while there are any, it cannot be deleted."""
