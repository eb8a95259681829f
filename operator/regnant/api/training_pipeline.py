"""TrainingPipeline: from data to a registered, proven version of a model.

The spec says where the data is, how it is split, what is trained on it, and what the result must
reach. The status says which run is on its way, how the last ones ended, and why.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from regnant.api.meta import Secret, Status
from regnant.api.model import (
    DecimalString,
    Digest,
    JsonObject,
    Model,
    ModelName,
    Reason,
    Rule,
    Text,
    Time,
    VersionNumber,
    immutable,
    one_of,
)
from regnant.api.model_version import Artifact, GateResult, Interface, Lineage, Metric
from regnant.api.pod import Placement, Resources

ColumnName = Annotated[str, StringConstraints(min_length=1, max_length=253)]
Argument = Annotated[str, Field(max_length=4096)]
MetricName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]


class ColumnRule(Model):
    """What must hold for one column; a row that breaks it fails the run with its number."""

    name: ColumnName
    """The column's name, as the header of the data spells it."""
    type: Literal["Float", "Integer", "Boolean", "Category"] | None = None
    """What the column holds; found out from the data when it is not set. Category takes text and
    numbers as labels without an order."""
    nullable: bool = True
    """Whether values may be missing."""
    minimum: DecimalString | None = None
    """The smallest value allowed."""
    maximum: DecimalString | None = None
    """The largest value allowed."""
    allowed_values: Annotated[
        tuple[Annotated[str, Field(max_length=253)], ...], Field(max_length=256)
    ] = ()
    """The only values allowed, where there are any."""


class Split(Model):
    """How rows are set apart for testing; the test rows are never trained on."""

    rules: ClassVar = (
        Rule(
            "!(self.method in ['Group', 'Time']) || has(self.column)",
            "split.column: name the column that the Group or Time split goes by",
        ),
    )

    method: Literal["Auto", "Random", "Stratified", "Group", "Time"] = "Auto"
    """Auto is Stratified for a classification and Random for a regression. Group keeps the rows
    that share a value together; Time tests on the latest rows."""
    test_fraction: DecimalString = Field(
        default="0.2",
        validate_default=True,
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "double(self) >= 0.05 && double(self) <= 0.5",
                    "message": "split.testFraction: choose between 0.05 and 0.5",
                }
            ]
        },
    )
    """The part of the rows that is kept for testing, from 0.05 to 0.5."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """What the random choice starts from; the same seed gives the same split."""
    column: ColumnName | None = None
    """The column that a Group or a Time split goes by. It is not trained on."""


class Data(Model):
    """Where the rows come from, and what they mean."""

    rules: ClassVar = (
        Rule(
            "!has(self.exclude) || self.exclude.all(name, name != self.target)",
            "data.exclude: the target cannot be excluded; remove it from the list",
        ),
    )

    uri: Annotated[
        str,
        StringConstraints(
            pattern=r"^(sklearn://[a-z_]+|https://[^\s]+|s3://[^/\s]+/[^\s]+|pvc://[a-z0-9.-]+/[^\s]+)$",
            max_length=1024,
        ),
    ]
    """`sklearn://NAME` (a data set that scikit-learn brings), `https://...`, `s3://BUCKET/KEY` or
    `pvc://CLAIM/PATH`."""
    format: Literal["Auto", "CSV", "Parquet"] = "Auto"
    """Auto goes by the ending of the name."""
    credentials_secret_ref: Secret | None = None
    """The Secret that opens the source. For https: `token`, or `username` and `password`; `ca.crt`
    for an authority of your own. For s3: `accessKeyId`, `secretAccessKey`, `sessionToken`,
    `endpoint`, `region`."""
    task: Literal["Classification", "Regression"]
    """What is predicted: a class, or a number."""
    target: ColumnName
    """The column to predict."""
    exclude: Annotated[tuple[ColumnName, ...], Field(max_length=512)] = ()
    """Columns that are not trained on, such as identifiers."""
    columns: Annotated[tuple[ColumnRule, ...], Field(max_length=512)] = Field(
        default=(),
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    """Rules for single columns. A column without a rule is taken as it comes."""
    split: Split = Split()
    """How rows are set apart for testing."""


class Sklearn(Model):
    """The built-in trainer: any estimator or pipeline of scikit-learn."""

    estimator: Annotated[
        str, StringConstraints(pattern=r"^sklearn(\.[A-Za-z][A-Za-z0-9_]*)+$", max_length=253)
    ]
    """The import path of a scikit-learn estimator, such as
    `sklearn.ensemble.RandomForestClassifier`."""
    parameters: JsonObject = Field(default_factory=dict)
    """The estimator's parameters by name. Where one is itself an estimator, write it as
    `{estimator: PATH, parameters: {...}}`."""
    preprocessing: Literal["Auto", "None"] = "Auto"
    """Auto fills in missing values, scales numbers where the estimator needs it and encodes
    categories. None hands the columns over as they are, which must then all be numbers."""


class EnvVar(Model):
    """One environment variable."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=253)]
    """The variable's name."""
    value: Annotated[str, Field(max_length=4096)] = ""
    """Its value. Secrets belong in `data.credentialsSecretRef`."""


class TrainerContainer(Model):
    """The user's own trainer: an image that leaves its model in the output folder."""

    image: Annotated[str, Field(min_length=1, max_length=512)]
    """The image. It reads the run from the file `$REGNANT_RUN_FILE` and writes `model.onnx`,
    `metrics.json` and `golden.json` to `$REGNANT_OUTPUT_DIR`; docs/guides/custom-trainer.md has
    the formats."""
    command: Annotated[tuple[Argument, ...], Field(max_length=64)] = ()
    """The entry point; the image's own when empty."""
    args: Annotated[tuple[Argument, ...], Field(max_length=64)] = ()
    """Its arguments."""
    env: Annotated[tuple[EnvVar, ...], Field(max_length=64)] = ()
    """Environment variables."""


class Trainer(Model):
    """What trains: exactly one of the fields."""

    rules: ClassVar = (one_of("sklearn", "container", where="trainer"),)

    sklearn: Sklearn | None = None
    """The built-in scikit-learn trainer."""
    container: TrainerContainer | None = None
    """An image of your own."""


class Gate(Model):
    """One metric's limit on the test rows."""

    rules: ClassVar = (one_of("minimum", "maximum", where="gates"),)

    metric: MetricName
    """The metric's name, one of those that the run reports."""
    minimum: DecimalString | None = None
    """The metric must be at least this."""
    maximum: DecimalString | None = None
    """The metric must be at most this."""


class Evaluation(Model):
    """How the result is measured, and what it must reach to be registered."""

    metrics: Annotated[tuple[MetricName, ...], Field(max_length=16)] = ()
    """Metrics to compute on the test rows; those usual for the task when empty."""
    gates: Annotated[tuple[Gate, ...], Field(max_length=16)] = ()
    """Limits that must all hold; a version that misses one is not registered."""
    confidence_level: DecimalString = Field(
        default="0.95",
        validate_default=True,
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "double(self) >= 0.5 && double(self) <= 0.999",
                    "message": "evaluation.confidenceLevel: choose between 0.5 and 0.999",
                }
            ]
        },
    )
    """The coverage of the metrics' confidence intervals, from 0.5 to 0.999."""


class Parity(Model):
    """How closely the exported model must answer as the trained one; always checked."""

    rows: Annotated[int, Field(ge=1000, le=100_000)] = 1000
    """How many rows are compared; data with fewer is resampled."""
    tolerance: DecimalString = Field(
        default="0.0001",
        validate_default=True,
    )
    """The largest difference of a score that is accepted, absolute for probabilities and relative
    for a regression. Labels must be equal."""


class TrainingPipelineSpec(Model):
    """What to train, on what, and what the result must reach."""

    rules: ClassVar = (
        immutable("modelName", remedy="make a new TrainingPipeline for another model line"),
    )

    model_name: ModelName
    """The model line. Versions are registered as ModelVersions `<modelName>-1`, `-2` and so on."""
    data: Data
    """Where the rows come from, and what they mean."""
    trainer: Trainer
    """What trains: the built-in scikit-learn trainer or an image of your own."""
    evaluation: Evaluation = Evaluation()
    """How the result is measured, and what it must reach."""
    parity: Parity = Parity()
    """How closely the exported model must answer as the trained one."""
    resources: Resources = Resources(
        requests={"cpu": "500m", "memory": "512Mi"}, limits={"memory": "2Gi"}
    )
    """What the training container asks for and may use."""
    placement: Placement = Placement()
    """Where the training pod may run."""
    active_deadline_seconds: Annotated[int, Field(ge=1, le=30 * 24 * 3600)] = 3600
    """A run that takes longer is ended, in seconds."""
    backoff_limit: Annotated[int, Field(ge=0, le=10)] = 2
    """How often a run is tried again after a fault that may pass, such as a store that is down.
    Bad input is never tried again."""
    run_token: Annotated[str, Field(max_length=128)] = ""
    """Any new text starts a new run even when nothing else changed."""
    history_limit: Annotated[int, Field(ge=1, le=20)] = 5
    """How many finished runs keep their Job, pods and logs."""


class RunState(StrEnum):
    """Where a run is."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    SUPERSEDED = "Superseded"

    @property
    def active(self) -> bool:
        """Whether the run still has a Job at work."""
        return self in {RunState.PENDING, RunState.RUNNING}


class ParityResult(Model):
    """How the exported model compared with the trained one."""

    rows: int
    """How many rows were compared."""
    max_difference: Annotated[str, Field(max_length=40)]
    """The largest difference of a score."""
    label_flips: int = 0
    """How many labels differed."""


class RunResult(Model):
    """What a finished training reported."""

    bundle: Artifact
    """Where the bundle is, and its digest."""
    metrics: Annotated[tuple[Metric, ...], Field(max_length=32)] = ()
    """The metrics on the test rows."""
    interface: Interface
    """The model's tensors."""
    lineage: Lineage
    """What the model was made from."""
    parity: ParityResult | None = None
    """How the exported model compared with the trained one."""


class Run(Model):
    """One training: from the number that was taken for it to its end."""

    version: VersionNumber
    """The number of the version that this run makes; taken before the Job is created."""
    job: Annotated[str, Field(max_length=63)]
    """The Job's name."""
    inputs_digest: Digest
    """The digest of all that the run was made from; the same inputs are never run twice."""
    state: RunState
    """Pending, Running, Succeeded, Failed or Superseded."""
    stage: Annotated[str, Field(max_length=64)] = ""
    """What the training is doing, or where it failed."""
    started_at: Time
    """When the number was taken."""
    finished_at: Time | None = None
    """When the run ended."""
    reason: Reason | None = None
    """Why it ended so."""
    message: Text = ""
    """The same for people, with the remedy."""
    result: RunResult | None = None
    """What a successful training reported."""
    gates: Annotated[tuple[GateResult, ...], Field(max_length=16)] = ()
    """How the result stood against each gate."""


class PastRun(Model):
    """A run that is over, in short."""

    version: VersionNumber
    """The number that was taken for the run."""
    inputs_digest: Digest
    """The digest of all that the run was made from."""
    state: RunState
    """How it ended."""
    reason: Reason | None = None
    """Why it ended so."""
    message: Text = ""
    """The same for people."""
    finished_at: Time | None = None
    """When it ended."""


MAX_HISTORY = 20


class TrainingPipelineStatus(Status):
    """Which run is on its way, how the last ones ended, and why."""

    phase: Annotated[str, Field(max_length=32)] = ""
    """One word for a list: Pending, Training, Registered, Failed or Refused."""
    last_version: Annotated[int, Field(ge=0)] = 0
    """The highest number that was taken for a run."""
    latest_model_version: Annotated[str, Field(max_length=63)] = ""
    """The ModelVersion that was registered last."""
    run: Run | None = None
    """The run that is on its way, or the last one."""
    history: Annotated[tuple[PastRun, ...], Field(max_length=MAX_HISTORY)] = ()
    """The runs before it, newest first."""
