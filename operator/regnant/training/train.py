"""The built-in trainer from top to bottom: every stage of a run, in order.

Each stage is one call into the module that knows how; what is decided here is only the order, what
is handed on, and the second try for estimators that ONNX Runtime has in float32 alone.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import JsonValue
from sklearn.base import BaseEstimator, clone

from regnant.api.training_pipeline import Sklearn, TrainingPipelineSpec
from regnant.artifacts.bundle import Bundle
from regnant.artifacts.signature import Signature
from regnant.training.card import card_markdown, public_uri
from regnant.training.dataset import Dataset, read_dataset
from regnant.training.environment import packages
from regnant.training.errors import NotExpressible, SpecInvalid
from regnant.training.estimators import build, check_task
from regnant.training.export import export_onnx
from regnant.training.fitting import FittedModel, fit
from regnant.training.golden import golden_json
from regnant.training.layout import ModelInput
from regnant.training.metrics import Metric, Scored, default_names, evaluate
from regnant.training.parity import ProvenRows, prove_parity
from regnant.training.preprocessing import Plan, build_pipeline, plan_columns
from regnant.training.probing import Sides
from regnant.training.profile import profile_json
from regnant.training.progress import Progress, Stage
from regnant.training.publish import publish
from regnant.training.result import ParityReport
from regnant.training.run_file import RunFile
from regnant.training.runtime import open_session, tensors_of
from regnant.training.sources import DataMounts, fetch_data
from regnant.training.splits import SplitRows, split_rows
from regnant.training.tables import read_table
from regnant.training.trees import refuse_unfaithful


@dataclass(frozen=True)
class Prepared:
    """Checked data, split, with the columns that are trained on."""

    dataset: Dataset
    split: SplitRows
    sides: Sides
    plan: Plan

    @property
    def rows_to_train(self) -> ModelInput:
        """The training rows as scikit-learn takes them."""
        return self.plan.layout.to_model(self.sides.train)

    @property
    def rows_to_test(self) -> ModelInput:
        """The held-out rows as scikit-learn takes them."""
        return self.plan.layout.to_model(self.sides.test)

    @property
    def categories(self) -> dict[str, list[str]]:
        """The categories that have a column of their own."""
        return self.plan.categories


@dataclass(frozen=True)
class Trained:
    """A model that was fitted and exported."""

    model: FittedModel
    onnx: bytes


@dataclass(frozen=True)
class Made:
    """A proven bundle that is not stored yet, and what is told about it."""

    bundle: Bundle
    signature: Signature
    metrics: list[Metric]
    lineage: dict[str, JsonValue]
    report: ParityReport


def train(run: RunFile, progress: Progress, mounts: DataMounts | None = None) -> dict[str, object]:
    """Run every stage and return the result."""
    made = make(run, progress, mounts or DataMounts())
    return publish(
        run,
        made.bundle,
        made.signature,
        progress,
        metrics=made.metrics,
        lineage=made.lineage,
        report=made.report,
    )


def make(run: RunFile, progress: Progress, mounts: DataMounts) -> Made:
    """Run every stage but the last: nothing is stored that was not proven."""
    estimator = _estimator(run.spec)
    prepared = _prepare(run.spec, progress, mounts)
    trained = _train(run, prepared, estimator, progress)
    metrics = _evaluate(run.spec, prepared, trained.model, progress)
    proven = _prove(run.spec, prepared, trained, progress)
    progress.enter(Stage.PACKING, "signature, golden rows, profile and card")
    signature = _signature(run, prepared, trained)
    bundle = Bundle(
        model_name=run.model_name,
        model=trained.onnx,
        signature=signature.to_json(),
        golden=golden_json(proven, prepared.plan.layout, signature.outputs),
        profile=profile_json(
            prepared.plan, prepared.sides.train, trained.model.predict(prepared.rows_to_test)
        ),
        card=card_markdown(
            signature,
            metrics,
            confidence=str(run.spec.evaluation.confidence_level),
            report=proven.report,
            notes=[f"not trained on, as no value repeats: {n}" for n in prepared.plan.left_out],
        ),
    )
    return Made(bundle, signature, metrics, _lineage(run.spec, prepared), proven.report)


def _sklearn(spec: TrainingPipelineSpec) -> Sklearn:
    if spec.trainer.sklearn is None:
        raise SpecInvalid("trainer.sklearn: not set; a container trainer is run by its own image")
    return spec.trainer.sklearn


def _estimator(spec: TrainingPipelineSpec) -> BaseEstimator:
    """Check what can be checked before a byte is fetched."""
    sklearn = _sklearn(spec)
    estimator = build(sklearn.estimator, sklearn.parameters, seed=spec.data.split.seed)
    check_task(estimator, sklearn.estimator, spec.data.task)
    refuse_unfaithful(estimator)
    return estimator


def _prepare(spec: TrainingPipelineSpec, progress: Progress, mounts: DataMounts) -> Prepared:
    data = spec.data
    with tempfile.TemporaryDirectory(prefix="regnant-") as scratch:
        progress.enter(Stage.FETCHING_DATA, public_uri(data.uri))
        raw = fetch_data(data.uri, data.format, Path(scratch), mounts)
        progress.enter(Stage.VALIDATING_DATA, f"{raw.format} {raw.digest}")
        dataset = read_dataset(read_table(raw), data, raw.digest)
    progress.say(f"{dataset.rows} rows, {len(dataset.columns)} columns")
    progress.enter(Stage.SPLITTING, f"{data.split.method}, {data.split.test_fraction} to test")
    split = split_rows(dataset, data.split)
    progress.say(f"{len(split.train)} rows to train, {len(split.test)} to test")
    sides = Sides(dataset.frame.iloc[split.train], dataset.frame.iloc[split.test])
    plan = plan_columns(dataset.columns, sides.train, _sklearn(spec).preprocessing)
    for name in plan.left_out:
        progress.say(f"column {name!r} is not trained on: no value repeats", level="WARNING")
    return Prepared(dataset, split, sides, plan)


def _train(
    run: RunFile, prepared: Prepared, estimator: BaseEstimator, progress: Progress
) -> Trained:
    """Fit and export; what ONNX Runtime has in float32 alone is fitted again in float32."""
    sklearn = _sklearn(run.spec)

    def attempt(*, float32: bool) -> Trained:
        precision = "float32" if float32 else "float64"
        progress.enter(Stage.TRAINING, f"{sklearn.estimator} in {precision}")
        model = fit(
            build_pipeline(prepared.plan, clone(estimator), sklearn.preprocessing, float32=float32),
            prepared.rows_to_train,
            prepared.dataset.target.values[prepared.split.train],
            classification=prepared.dataset.target.classes is not None,
            progress=progress,
        )
        progress.enter(Stage.EXPORTING, "to ONNX")
        return Trained(
            model, export_onnx(model, prepared.plan.layout, run.model_name, sklearn.estimator)
        )

    try:
        return attempt(float32=False)
    except NotExpressible as refused:
        progress.say(f"{refused.message}; trying float32", level="WARNING")
        try:
            return attempt(float32=True)
        except NotExpressible:
            raise refused from None


def _evaluate(
    spec: TrainingPipelineSpec, prepared: Prepared, model: FittedModel, progress: Progress
) -> list[Metric]:
    progress.enter(Stage.EVALUATING, f"on {len(prepared.split.test)} held-out rows")
    rows, truth = prepared.rows_to_test, prepared.dataset.target.values[prepared.split.test]
    answer = model.predict(rows)
    if model.classes is None:
        scored = Scored(truth.astype(np.float64), answer.astype(np.float64))
    else:
        position = {label: index for index, label in enumerate(model.classes)}
        scored = Scored(
            np.array([position[label] for label in truth.tolist()], dtype=np.float64),
            np.array([position[label] for label in answer.tolist()], dtype=np.float64),
            classes=len(model.classes),
            probabilities=model.probabilities(rows),
            scores=model.scores(rows),
        )
    wanted = list(spec.evaluation.metrics) or default_names(scored)
    wanted += [gate.metric for gate in spec.evaluation.gates]
    metrics = evaluate(
        scored,
        list(dict.fromkeys(wanted)),
        confidence=float(spec.evaluation.confidence_level),
        seed=spec.data.split.seed,
    )
    for metric in metrics:
        progress.say(f"{metric.name} {metric.value:.4g}")
    for name in sorted(set(wanted) - {metric.name for metric in metrics}):
        progress.say(f"{name} is undefined on the held-out rows", level="WARNING")
    return metrics


def _prove(
    spec: TrainingPipelineSpec, prepared: Prepared, trained: Trained, progress: Progress
) -> ProvenRows:
    progress.enter(Stage.CHECKING_PARITY, f"{spec.parity.rows} rows")
    imputed = _sklearn(spec).preprocessing == "Auto"
    proven = prove_parity(
        trained.model,
        prepared.plan.layout,
        trained.onnx,
        prepared.sides,
        parity=spec.parity,
        seed=spec.data.split.seed,
        missing=imputed or bool(prepared.dataset.frame.isna().to_numpy().any()),
    )
    progress.say(f"largest difference {proven.report.max_difference:.2g}, no label flipped")
    return proven


def _signature(run: RunFile, prepared: Prepared, trained: Trained) -> Signature:
    layout, sklearn = prepared.plan.layout, _sklearn(run.spec)
    return Signature(
        task=run.spec.data.task,
        model_name=run.model_name,
        inputs=layout.tensors(),
        outputs=tensors_of(open_session(trained.onnx).get_outputs()),
        columns=layout.signature_columns(prepared.categories),
        classes=trained.model.classes,
        lineage={
            **_lineage(run.spec, prepared),
            "parameters": sklearn.parameters,
            "preprocessing": sklearn.preprocessing,
            "splitMethod": prepared.split.method,
            "target": prepared.dataset.target.name,
        },
    )


def _lineage(spec: TrainingPipelineSpec, prepared: Prepared) -> dict[str, JsonValue]:
    """Return what the bundle and the result both say; nothing that differs between equal runs."""
    return {
        "dataUri": public_uri(spec.data.uri),
        "dataDigest": prepared.dataset.digest,
        "rows": prepared.dataset.rows,
        "splitDigests": dict(prepared.split.digests()),
        "seed": spec.data.split.seed,
        "estimator": _sklearn(spec).estimator,
        "packages": dict(packages()),
    }
