"""What is said of a TrainingPipeline: verdicts in words, the conditions of its steps, its phase.

`training_pipeline` decides; this module only tells. Every reason that users may meet stands here or
comes from the training itself, and docs/troubleshooting.md lists them with their remedies.
"""

from __future__ import annotations

from collections.abc import Sequence

from regnant.api.meta import Finding
from regnant.api.model_version import GateResult
from regnant.api.training_pipeline import PastRun, Run, RunState, TrainingPipelineStatus
from regnant.lifecycle.decision import Verdict
from regnant.lifecycle.diagnosis import Fault
from regnant.manifests import names


def name_taken(model: str, older: str) -> Verdict:
    """The model line is another pipeline's."""
    return Verdict(
        "Failed",
        "ModelNameTaken",
        f"modelName: {model} belongs to the TrainingPipeline {older}; "
        "choose another modelName, or delete one of the two",
    )


def trained_before(model: str, before: PastRun) -> Verdict:
    """The inputs had their run already."""
    name = names.model_version(model, before.version)
    advice = "set spec.runToken to a new text to train again"
    if before.state is RunState.SUCCEEDED and not before.reason:
        return Verdict("Ready", "AlreadyTrained", f"these inputs were trained as {name}; {advice}")
    return Verdict(
        "Failed",
        before.reason or "RunFailed",
        f"these inputs failed as {name}: {before.message}; {advice}",
    )


def started(run: Run) -> Verdict:
    """The Job was asked for."""
    return Verdict("InProgress", "RunStarted", f"training {run.job} was started")


def under_way(run: Run, fault: Fault | None) -> Verdict:
    """The Job is at work, or kept from it by something that may pass."""
    if fault:
        return Verdict("InProgress", fault.reason, f"{run.job} waits: {fault.message}")
    if run.state is RunState.PENDING:
        return started(run)
    return Verdict("InProgress", "Training", f"{run.job}: {run.stage or 'the training runs'}")


def failed(run: Run) -> Verdict:
    """The run ended without a result."""
    return Verdict("Failed", run.reason or "RunFailed", f"{run.job} failed: {run.message}")


def refused(run: Run, missed: Sequence[GateResult]) -> Verdict:
    """The result missed a gate."""
    return Verdict(
        "Failed",
        "GateNotMet",
        f"{run.job} was not registered: {in_words(missed)}. Improve the model, or loosen "
        "evaluation.gates",
    )


def in_words(missed: Sequence[GateResult]) -> str:
    """How the result stood against the gates that it missed."""
    return "; ".join(_gate_in_words(gate) for gate in missed)


def _gate_in_words(gate: GateResult) -> str:
    if gate.value is None:
        return f"{gate.metric} was not reported; add it to evaluation.metrics"
    if gate.minimum is not None:
        return f"{gate.metric} is {gate.value}, and at least {gate.minimum} is asked for"
    return f"{gate.metric} is {gate.value}, and at most {gate.maximum} is allowed"


def registering(run: Run) -> Verdict:
    """The result passed; its ModelVersion is being written."""
    return Verdict("InProgress", "Registering", f"{run.job} is being registered")


def registered(run: Run) -> Verdict:
    """The ModelVersion is there."""
    headline = f" with {_headline(run)}" if _headline(run) else ""
    return Verdict("Ready", "Registered", f"{run.job} is registered{headline}")


def _headline(run: Run) -> str:
    metrics = run.result.metrics if run.result else ()
    return ", ".join(f"{metric.name} {metric.value}" for metric in metrics[:3])


_PHASES = {"Registered": "Registered", "AlreadyTrained": "Registered", "GateNotMet": "Refused"}
_STEPS = ("DataValid", "Trained", "Exported", "ParityPassed", "GatesPassed", "Registered")
_BEFORE_THE_DATA = {"", "CheckingSpec"}
_STAGE_STEP = {
    "CheckingSpec": "Trained",
    "FetchingData": "DataValid",
    "ValidatingData": "DataValid",
    "Splitting": "DataValid",
    "Training": "Trained",
    "Evaluating": "Trained",
    "Exporting": "Exported",
    "CheckingParity": "ParityPassed",
    "Packing": "Registered",
    "Pushing": "Registered",
    "Reporting": "Registered",
}


def _before(step: str, run: Run) -> Finding:
    """A step before the one that is reached: passed, unless the run went around it."""
    skipped = run.stage in _BEFORE_THE_DATA
    skipped |= step == "GatesPassed" and run.state is not RunState.SUCCEEDED
    return Finding(
        type=step, status=None if skipped else True, reason="NotReached" if skipped else "Passed"
    )


def phase(status: TrainingPipelineStatus, verdict: Verdict) -> str:
    """One word for a list."""
    if verdict.state == "InProgress":
        running = status.run is not None and status.run.state is not RunState.PENDING
        return "Training" if running else "Pending"
    return _PHASES.get(verdict.reason, "Failed")


def steps(status: TrainingPipelineStatus, verdict: Verdict) -> tuple[Finding, ...]:
    """One condition a step of the run: passed, failed with the reason, or not reached yet."""
    run = status.run
    if run is None:
        return ()
    if run.state is RunState.SUCCEEDED:
        at = _STEPS.index("GatesPassed") if verdict.reason == "GateNotMet" else len(_STEPS)
        at = _STEPS.index("Registered") if verdict.reason == "Registering" else at
    else:
        at = _STEPS.index(_STAGE_STEP.get(run.stage, "Trained"))
    failing = verdict.state == "Failed"
    findings = [_before(step, run) for step in _STEPS[:at]]
    for position, step in enumerate(_STEPS[at:]):
        reached = position == 0
        findings.append(
            Finding(
                type=step,
                status=False if reached and failing else None,
                reason=verdict.reason if reached else "NotReached",
                message=verdict.message if reached else "",
            )
        )
    return tuple(findings)
