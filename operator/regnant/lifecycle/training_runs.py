"""What becomes of one run: while its Job is at work, when it ends, and when it is given up.

Here a run takes in what was seen of its Job; what follows from it for the pipeline is decided in
`training_pipeline`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import ValidationError

from regnant.api.model import MAX_TEXT
from regnant.api.training_pipeline import PastRun, Run, RunResult, RunState
from regnant.lifecycle import training_report as report
from regnant.lifecycle.diagnosis import Fault


@dataclass(frozen=True, slots=True)
class Job:
    """The Job of the current run, as it was found."""

    name: str
    outcome: Literal["Active", "Complete", "Failed"]
    reason: str = ""
    """Why the Job failed, in Kubernetes' own word."""
    running: bool = False
    """Whether a container of it runs."""
    stage: str = ""
    """What the training said last that it is doing."""
    fault: Fault | None = None
    output: str = ""
    """The termination message of the container that ended well."""


def what_it_waits_for(run: Run, job: Job) -> Fault | None:
    """What keeps a run from working, until it works.

    A pod that is pulled, mounted or tried anew has no fault for a moment, and one that its deadline
    ends has none any more: what was said last still holds.
    """
    if job.running:
        return None
    return job.fault or (Fault(run.reason, run.message) if run.reason else None)


def hopeless(fault: Fault | None) -> bool:
    """Whether the Job is about to fail for this fault: see its failure policy."""
    return fault is not None and (fault.final or fault.reason == "OutOfMemory")


def finished(run: Run, job: Job, now: datetime) -> Run:
    """The run after its Job completed: with its result, or failed for want of one."""
    try:
        result = RunResult.model_validate_json(job.output)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the message"
        message = f"the training ended well, but its result cannot be read: {field}: {first['msg']}"
        return run.model_copy(
            update={
                "state": RunState.FAILED,
                "finished_at": now,
                "stage": "Reporting",
                "reason": "OutputInvalid",
                "message": message[:MAX_TEXT],
            }
        )
    return run.model_copy(
        update={
            "state": RunState.SUCCEEDED,
            "finished_at": now,
            "stage": "Done",
            "reason": None,
            "message": "",
            "result": result,
        }
    )


_JOB_REASONS: Mapping[str, tuple[str, str]] = {
    "DeadlineExceeded": (
        "DeadlineExceeded",
        "the training took longer than spec.activeDeadlineSeconds; raise it, or train on less",
    ),
}


def broken(run: Run, job: Job, now: datetime) -> Run:
    """The run after its Job failed: the Job's own reason where it has one, else the pod's fault."""
    fault = job.fault or Fault("Crashed", f"the Job failed: {job.reason or 'no reason was given'}")
    reason, message = _JOB_REASONS.get(job.reason, (fault.reason, fault.message))
    if job.reason in _JOB_REASONS and run.message:
        message = f"spec.activeDeadlineSeconds passed while it waited: {run.message}"
    return run.model_copy(
        update={
            "state": RunState.FAILED,
            "finished_at": now,
            "stage": fault.stage or run.stage,
            "reason": reason,
            "message": message[:MAX_TEXT],
        }
    )


def superseded(run: Run, now: datetime) -> Run:
    """The run after its inputs changed; one that has ended stays as it is."""
    if not run.state.active:
        return run
    return run.model_copy(
        update={
            "state": RunState.SUPERSEDED,
            "finished_at": now,
            "reason": "Superseded",
            "message": "the inputs changed while it ran",
        }
    )


def past(run: Run) -> PastRun:
    """What the history keeps of a run."""
    missed = [gate for gate in run.gates if not gate.passed]
    return PastRun(
        version=run.version,
        inputs_digest=run.inputs_digest,
        state=run.state,
        reason=run.reason or ("GateNotMet" if missed else None),
        message=(run.message or report.in_words(missed))[:MAX_TEXT],
        finished_at=run.finished_at,
    )
