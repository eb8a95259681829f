"""The second half of a run whose model a user's own image made.

That image leaves files; nothing in them is believed. The graph must load, the metrics must be
numbers, and the golden rows must be answered as the user says, by the same runtime that will serve.
Then the bundle is built and pushed exactly as for the built-in trainer.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from regnant.api.mounts import OUTPUT
from regnant.artifacts.bundle import Bundle
from regnant.artifacts.canonical import canonical_json, is_digest
from regnant.artifacts.signature import Datatype, Signature, Tensor
from regnant.training.card import card_markdown, public_uri
from regnant.training.environment import runtime_packages
from regnant.training.errors import GoldenMismatch, OutputInvalid, OutputMissing
from regnant.training.metrics import Metric
from regnant.training.progress import Progress, Stage
from regnant.training.publish import publish
from regnant.training.run_file import RunFile
from regnant.training.runtime import DTYPES, TOLERANCE, open_session, tensors_of
from regnant.training.wording import first_line

OUTPUT_VARIABLE: Final = "REGNANT_OUTPUT_DIR"
MODEL, METRICS, GOLDEN = "model.onnx", "metrics.json", "golden.json"
CARD, LINEAGE = "card.md", "lineage.json"
Value = str | bool | int | float | None


class _Written(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class MeasuredMetric(_Written):
    """A metric as a user's image writes it in a list."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)
    value: float = Field(allow_inf_nan=False)
    low: float | None = Field(default=None, allow_inf_nan=False)
    high: float | None = Field(default=None, allow_inf_nan=False)


class GoldenTensor(_Written):
    """One tensor of a golden request or response."""

    name: str
    datatype: Datatype
    shape: tuple[int, ...] = Field(min_length=1)
    data: list[Value]

    def array(self, where: str) -> NDArray[np.generic]:
        """Return the tensor as numpy has it."""
        try:
            return np.array(self.data, dtype=DTYPES[self.datatype]).reshape(self.shape)
        except (ValueError, TypeError, OverflowError) as error:
            raise OutputInvalid(
                f"trainer.container: {GOLDEN}: {where}.{self.name}: {first_line(error)}"
            ) from error


class Golden(_Written):
    """The whole of golden.json."""

    inputs: list[GoldenTensor] = Field(min_length=1)
    outputs: list[GoldenTensor] = Field(min_length=1)
    tolerance: dict[str, float] = TOLERANCE


class GivenLineage(_Written):
    """What the image says of its data."""

    data_digest: str | None = Field(default=None, alias="dataDigest")


_METRICS = TypeAdapter(dict[str, float] | list[MeasuredMetric])


def pack(run: RunFile, progress: Progress) -> dict[str, object]:
    """Check what the image left, and publish it."""
    output = Path(os.environ.get(OUTPUT_VARIABLE, OUTPUT))
    progress.enter(Stage.EXPORTING, f"reading what the container left in {output}")
    model = _required(output, MODEL)
    session = _session(model)
    inputs, outputs = _interface(session)
    metrics = read_metrics(_required(output, METRICS))
    golden = read_golden(_required(output, GOLDEN))
    progress.enter(Stage.CHECKING_PARITY, f"{golden.inputs[0].shape[0]} golden rows")
    replay(session, golden)
    progress.enter(Stage.PACKING, "signature, golden rows and card")
    lineage = _lineage(run, output)
    signature = Signature(
        task=run.spec.data.task,
        model_name=run.model_name,
        inputs=inputs,
        outputs=outputs,
        lineage={name: value for name, value in lineage.items() if value},
    )
    card = _optional(output, CARD) or card_markdown(
        signature,
        metrics,
        confidence=str(run.spec.evaluation.confidence_level),
        report=None,
        notes=["trained by an image of the user's own"],
    )
    bundle = Bundle(
        model_name=run.model_name,
        model=model,
        signature=signature.to_json(),
        golden=canonical_json(golden.model_dump(mode="json")),
        card=card,
    )
    return publish(run, bundle, signature, progress, metrics=metrics, lineage=lineage, report=None)


def _required(output: Path, name: str) -> bytes:
    content = _optional(output, name)
    if content is None:
        raise OutputMissing(
            f"trainer.container: {name} is not in $REGNANT_OUTPUT_DIR; write it there before "
            "exiting with 0"
        )
    return content


def _optional(output: Path, name: str) -> bytes | None:
    path = output / name
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise OutputInvalid(f"trainer.container: {name}: {error.strerror}") from error


def _session(model: bytes) -> onnxruntime.InferenceSession:
    try:
        return open_session(model)
    except Exception as error:
        raise OutputInvalid(
            f"trainer.container: {MODEL} does not load in ONNX Runtime {onnxruntime.__version__}: "
            f"{first_line(error)}"
        ) from error


def _interface(
    session: onnxruntime.InferenceSession,
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    try:
        return tensors_of(session.get_inputs()), tensors_of(session.get_outputs())
    except ValueError as error:
        raise OutputInvalid(
            f"trainer.container: {MODEL}: {error}; export it with tensors alone (zipmap=False)"
        ) from error


def read_metrics(content: bytes) -> list[Metric]:
    """Read metrics.json, a name and a number each, or a list with intervals."""
    try:
        written = _METRICS.validate_json(content)
        measured = (
            [MeasuredMetric(name=name, value=value) for name, value in written.items()]
            if isinstance(written, dict)
            else written
        )
    except ValidationError as error:
        raise OutputInvalid(f"trainer.container: {METRICS}: {_problem(error)}") from error
    if not measured:
        raise OutputInvalid(f"trainer.container: {METRICS} has no metric; write at least one")
    return [Metric(each.name, each.value, each.low, each.high) for each in measured]


def read_golden(content: bytes) -> Golden:
    """Read golden.json: requests and answers with the same number of rows."""
    try:
        golden = Golden.model_validate_json(content)
    except ValidationError as error:
        raise OutputInvalid(f"trainer.container: {GOLDEN}: {_problem(error)}") from error
    rows = {tensor.shape[0] for tensor in (*golden.inputs, *golden.outputs)}
    if len(rows) != 1 or 0 in rows:
        raise OutputInvalid(
            f"trainer.container: {GOLDEN}: tensors have {sorted(rows)} rows; write the same "
            "number, at least one, in each"
        )
    return golden


def _problem(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else first["msg"]


def replay(session: onnxruntime.InferenceSession, golden: Golden) -> None:
    """Ask the model its own golden rows and compare every answer."""
    feeds = {tensor.name: tensor.array("inputs") for tensor in golden.inputs}
    names = [tensor.name for tensor in golden.outputs]
    try:
        answers = session.run(names, feeds)
    except Exception as error:
        raise GoldenMismatch(
            f"trainer.container: {MODEL} does not take the inputs of {GOLDEN}: {first_line(error)}"
        ) from error
    for tensor, answer in zip(golden.outputs, answers, strict=True):
        _compare(tensor, np.asarray(answer), golden.tolerance)


def _compare(
    tensor: GoldenTensor, answer: NDArray[np.generic], tolerance: dict[str, float]
) -> None:
    wanted = tensor.array("outputs")
    if wanted.shape != answer.shape:
        raise GoldenMismatch(
            f"trainer.container: {GOLDEN}: outputs.{tensor.name} has shape {list(wanted.shape)}, "
            f"the model answers {list(answer.shape)}"
        )
    if wanted.dtype.kind == "f":
        close = np.isclose(
            answer.astype(np.float64),
            wanted.astype(np.float64),
            rtol=tolerance.get("relative", TOLERANCE["relative"]),
            atol=tolerance.get("absolute", TOLERANCE["absolute"]),
            equal_nan=True,
        )
    else:
        close = answer.astype(str) == wanted.astype(str)
    rows = np.flatnonzero(~close.reshape(len(wanted), -1).all(axis=1))
    if len(rows):
        row = int(rows[0])
        raise GoldenMismatch(
            f"trainer.container: {MODEL} answers {len(rows)} of {len(wanted)} golden rows "
            f"otherwise; first: row {row}, {tensor.name}: expected {wanted[row]}, got {answer[row]}"
        )


def _lineage(run: RunFile, output: Path) -> dict[str, object]:
    content = _optional(output, LINEAGE)
    try:
        given = GivenLineage.model_validate_json(content) if content else GivenLineage()
    except ValidationError as error:
        raise OutputInvalid(f"trainer.container: {LINEAGE}: {_problem(error)}") from error
    if given.data_digest is not None and not is_digest(given.data_digest):
        raise OutputInvalid(
            f"trainer.container: {LINEAGE}: dataDigest: must be sha256: and 64 hexadecimal digits"
        )
    container = run.spec.trainer.container
    lineage: dict[str, object] = {
        "dataUri": public_uri(run.spec.data.uri),
        "trainerImage": container.image if container else "",
        "packages": runtime_packages(),
    }
    return lineage | ({"dataDigest": given.data_digest} if given.data_digest else {})
