"""Who says that a training starts, that it is over, and that its result may be registered.

    new inputs ------> number taken, Job --> Running --> Succeeded --> gates --> Registered
    inputs seen before --> nothing runs         |--> Failed              |--> Refused

A run is named by the digest of its inputs. The number of its version is written to the status
before the Job exists; Job, ConfigMap and ModelVersion are named after it, so a retry finds what it
made. Gates are judged here and not in the training: a loosened gate needs no second training.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never

from regnant.api.meta import API_VERSION, Kind, settle
from regnant.api.model import MAX_TEXT
from regnant.api.model_version import GateResult, ModelVersionSpec, PipelineRef
from regnant.api.resources import Resource, reference
from regnant.api.training_pipeline import (
    MAX_HISTORY,
    Gate,
    Run,
    RunResult,
    RunState,
    TrainingPipelineSpec,
    TrainingPipelineStatus,
)
from regnant.lifecycle import training_report as report
from regnant.lifecycle import training_runs as runs
from regnant.lifecycle.decision import (
    Child,
    Decision,
    Manifest,
    Verdict,
    turning_point,
)
from regnant.lifecycle.diagnosis import Fault
from regnant.lifecycle.training_runs import Job
from regnant.manifests import names, training_job
from regnant.manifests.platform import Platform
from regnant.manifests.training_job import TrainingRun

Pipeline = Resource[TrainingPipelineSpec, TrainingPipelineStatus]

PROGRESS_INTERVAL = timedelta(seconds=2)
SOON = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Registered:
    """A ModelVersion of the model line."""

    name: str
    version: int
    digest: str


@dataclass(frozen=True, slots=True)
class Observed:
    """All that a decision on a TrainingPipeline rests on."""

    pipeline: Pipeline
    platform: Platform
    job: Job | None = None
    past_jobs: tuple[str, ...] = ()
    """The names of all Jobs of the pipeline, newest first."""
    versions: tuple[Registered, ...] = ()
    older_pipeline: str = ""
    """The name of an older pipeline of the same model line, if there is one."""
    obstacle: Fault | None = None
    """What the cluster refused when the last decision was carried out."""


def decide(observed: Observed, now: datetime) -> Decision[TrainingPipelineStatus]:
    """What must become of the pipeline, given what was seen of it."""
    pipeline = observed.pipeline
    if pipeline.metadata.deletion_timestamp:
        return Decision(pipeline.status)
    if observed.older_pipeline:
        return _conclude(
            observed,
            pipeline.status,
            report.name_taken(pipeline.spec.model_name, observed.older_pipeline),
            now,
        )
    digest = inputs_digest(pipeline.spec)
    run = pipeline.status.run
    if run is None or run.inputs_digest != digest or run.state is RunState.SUPERSEDED:
        return _new_inputs(observed, digest, now)
    match run.state:
        case RunState.PENDING | RunState.RUNNING:
            return _follow(observed, run, now)
        case RunState.SUCCEEDED:
            return _register(observed, run, now)
        case RunState.FAILED | RunState.SUPERSEDED:
            return _conclude(observed, pipeline.status, report.failed(run), now)
        case _ as unreachable:
            assert_never(unreachable)


def inputs_digest(spec: TrainingPipelineSpec) -> str:
    """The digest of everything that can change a training's result, and of the run token.

    Resources, deadlines and gates are left out: they change whether a result is reached or
    accepted, not what it is. The operator's own trainer image is left out too, or an upgrade of
    the operator would train every model of the cluster again; lineage records it.
    """
    chosen = spec.to_json()
    inputs = {key: chosen[key] for key in ("modelName", "data", "trainer", "parity")}
    inputs["evaluation"] = {
        key: value for key, value in chosen["evaluation"].items() if key != "gates"
    }
    inputs["runToken"] = spec.run_token
    text = json.dumps(inputs, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _new_inputs(observed: Observed, digest: str, now: datetime) -> Decision[TrainingPipelineStatus]:
    """Start a run, unless these inputs had one before."""
    status = observed.pipeline.status
    before = next((past for past in status.history if past.inputs_digest == digest), None)
    stopped = runs.superseded(status.run, now) if status.run else None
    if before is not None and before.state in {RunState.SUCCEEDED, RunState.FAILED}:
        kept = status if stopped is None else status.model_copy(update={"run": stopped})
        decision = _conclude(
            observed, kept, report.trained_before(observed.pipeline.spec.model_name, before), now
        )
        return replace(decision, delete=(*_stop(status.run), *decision.delete))
    version = 1 + max(
        status.last_version, *(registered.version for registered in observed.versions), 0
    )
    run = Run(
        version=version,
        job=names.model_version(observed.pipeline.spec.model_name, version),
        inputs_digest=digest,
        state=RunState.PENDING,
        started_at=now,
    )
    history = (runs.past(stopped), *status.history) if stopped else status.history
    updated = status.model_copy(
        update={"run": run, "last_version": version, "history": history[:MAX_HISTORY]}
    )
    decision = _conclude(observed, updated, report.started(run), now)
    return replace(
        decision,
        apply=tuple(training_job.build(_training_run(observed, run))),
        delete=(*_stop(status.run), *decision.delete),
        requeue_after=SOON,
    )


def _follow(observed: Observed, run: Run, now: datetime) -> Decision[TrainingPipelineStatus]:
    """Bring an active run up to date with its Job."""
    job = observed.job
    status = observed.pipeline.status
    if job is None:
        decision = _conclude(observed, status, report.started(run), now)
        manifests = tuple(training_job.build(_training_run(observed, run)))
        return replace(decision, apply=manifests, requeue_after=SOON)
    match job.outcome:
        case "Complete":
            return _register(observed, runs.finished(run, job, now), now)
        case "Failed":
            return _fail(observed, run, job, now)
        case "Active" if runs.hopeless(job.fault):
            return _fail(observed, run, job, now)
        case "Active":
            # A pod that just ended runs no more while its Job is still active: no step back.
            state = RunState.RUNNING if job.running or job.stage else run.state
            fault = runs.what_it_waits_for(run, job)
            wait = fault or Fault("", "")
            moving = run.model_copy(
                update={
                    "state": state,
                    "stage": job.stage or run.stage,
                    "reason": wait.reason or None,
                    "message": wait.message[:MAX_TEXT],
                }
            )
            updated = status.model_copy(update={"run": moving})
            decision = _conclude(observed, updated, report.under_way(moving, fault), now)
            return replace(decision, requeue_after=PROGRESS_INTERVAL)
        case _ as unreachable:
            assert_never(unreachable)


def _fail(
    observed: Observed, run: Run, job: Job, now: datetime
) -> Decision[TrainingPipelineStatus]:
    failed = runs.broken(run, job, now)
    updated = observed.pipeline.status.model_copy(update={"run": failed})
    return _conclude(observed, updated, report.failed(failed), now)


def _register(observed: Observed, run: Run, now: datetime) -> Decision[TrainingPipelineStatus]:
    """Judge the gates of a finished run and register what passed."""
    status = observed.pipeline.status
    if run.state is not RunState.SUCCEEDED or run.result is None:
        failed = status.model_copy(update={"run": run})
        return _conclude(observed, failed, report.failed(run), now)
    if status.latest_model_version == run.job:
        return _conclude(observed, status, report.registered(run), now)
    judged = run.model_copy(
        update={"gates": judge(observed.pipeline.spec.evaluation.gates, run.result)}
    )
    updated = status.model_copy(update={"run": judged})
    missed = [gate for gate in judged.gates if not gate.passed]
    if missed:
        return _conclude(observed, updated, report.refused(judged, missed), now)
    found = next((entry for entry in observed.versions if entry.name == run.job), None)
    if found is None:
        decision = _conclude(observed, updated, report.registering(judged), now)
        return replace(
            decision, apply=(_model_version(observed, judged, run.result),), requeue_after=SOON
        )
    if found.digest != run.result.bundle.digest:
        taken = judged.model_copy(
            update={
                "state": RunState.FAILED,
                "reason": "VersionTaken",
                "message": f"ModelVersion {run.job} exists with another digest, {found.digest}; "
                "set spec.runToken to train again under the next number",
            }
        )
        updated = status.model_copy(update={"run": taken})
        return _conclude(observed, updated, report.failed(taken), now)
    updated = updated.model_copy(update={"latest_model_version": run.job})
    return _conclude(observed, updated, report.registered(judged), now)


def judge(gates: Iterable[Gate], result: RunResult) -> tuple[GateResult, ...]:
    """How the metrics stand against each gate; a metric that was not reported does not pass."""
    values = {metric.name: metric.value for metric in result.metrics}
    judged = []
    for gate in gates:
        value = values.get(gate.metric)
        passed = (
            value is not None
            and (gate.minimum is None or value >= gate.minimum)
            and (gate.maximum is None or value <= gate.maximum)
        )
        judged.append(
            GateResult(
                metric=gate.metric,
                value=value,
                minimum=gate.minimum,
                maximum=gate.maximum,
                passed=passed,
            )
        )
    return tuple(judged)


def _stop(run: Run | None) -> tuple[Child, ...]:
    """The objects of a run that is no longer wanted."""
    if run is None or not run.state.active:
        return ()
    return (Child("Job", run.job), Child("ConfigMap", run.job))


def _training_run(observed: Observed, run: Run) -> TrainingRun:
    return TrainingRun(
        owner=reference(Kind.TRAINING_PIPELINE, observed.pipeline.metadata),
        spec=observed.pipeline.spec,
        version=run.version,
        inputs_digest=run.inputs_digest,
        platform=observed.platform,
    )


def _model_version(observed: Observed, run: Run, result: RunResult) -> Manifest:
    """The registry entry of a run that passed. It has no owner: it outlives the pipeline."""
    pipeline = observed.pipeline
    sklearn = pipeline.spec.trainer.sklearn
    lineage = result.lineage.model_copy(
        update={
            "parameters": sklearn.parameters if sklearn else None,
            "pipeline": PipelineRef(name=pipeline.metadata.name, uid=pipeline.metadata.uid),
            "inputs_digest": run.inputs_digest,
            "trainer_image": training_job.training_image(_training_run(observed, run)),
            # The training tells it without what may be secret in it.
            "data_uri": result.lineage.data_uri or pipeline.spec.data.uri,
        }
    )
    spec = ModelVersionSpec(
        model_name=pipeline.spec.model_name,
        version=run.version,
        artifact=result.bundle,
        interface=result.interface,
        metrics=result.metrics,
        gates=run.gates,
        lineage=lineage,
    )
    return {
        "apiVersion": API_VERSION,
        "kind": Kind.MODEL_VERSION.value,
        "metadata": {
            "name": run.job,
            "namespace": pipeline.metadata.namespace,
            "labels": {
                names.MANAGED_BY: names.MANAGER,
                names.MODEL: pipeline.spec.model_name,
                names.MODEL_VERSION: str(run.version),
            },
        },
        "spec": spec.to_json(),
    }


def _conclude(
    observed: Observed, status: TrainingPipelineStatus, verdict: Verdict, now: datetime
) -> Decision[TrainingPipelineStatus]:
    """The decision that says `verdict`, with conditions, phase, Event and old Jobs removed."""
    if observed.obstacle:
        verdict = Verdict("Failed", observed.obstacle.reason, observed.obstacle.message)
    pipeline = observed.pipeline
    generation = pipeline.metadata.generation
    findings = (*verdict.findings(), *report.steps(status, verdict))
    updated = status.model_copy(
        update={
            "observed_generation": generation,
            "phase": report.phase(status, verdict),
            "conditions": settle(status.conditions, findings, generation=generation, now=now),
        }
    )
    return Decision(
        status=updated,
        delete=_expired(observed, updated),
        announce=turning_point(pipeline.status, updated),
    )


def _expired(observed: Observed, status: TrainingPipelineStatus) -> tuple[Child, ...]:
    """The Jobs beyond the history limit, with their ConfigMaps."""
    current = status.run.job if status.run else ""
    past = [name for name in observed.past_jobs if name != current]
    old = past[observed.pipeline.spec.history_limit :]
    return tuple(Child(kind, name) for name in old for kind in ("Job", "ConfigMap"))
