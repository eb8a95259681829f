"""Preparing and Verifying: a candidate runs, is asked its golden rows, and no user sees anything.

Ends with the candidate turned down, left, or verified; `comparing` takes it from there.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from regnant.api.rollout_status import Transition
from regnant.lifecycle import comparing, serving_report
from regnant.lifecycle.diagnosis import Fault
from regnant.lifecycle.eligibility import interface_change, target
from regnant.lifecycle.endings import Step, leave, reject
from regnant.lifecycle.serving_state import Observed


def prove(observed: Observed, transition: Transition, now: datetime) -> Step:
    """Take the step that the candidate's servers and answers allow."""
    if _is_unwanted(observed, transition):
        return leave(observed, transition, now)
    if changed := _interface_change(observed, transition):
        return reject(observed, transition, changed, now)
    verification = observed.verification
    if verification and verification.digest == transition.to.digest:
        if not verification.passed:
            failed = Fault(verification.reason, verification.message, final=True)
            return reject(observed, transition, failed, now)
        slowest = math.ceil(verification.slowest / timedelta(milliseconds=1))
        verified = transition.model_copy(
            update={"verified_at": now, "slowest_milliseconds": slowest}
        )
        return comparing.next_stage(observed, verified, now)
    fault = observed.server(transition.to).fault
    if fault and fault.final:
        return reject(observed, transition, fault, now)
    if observed.paused:
        return Step(observed.service.status)
    if late := _too_late(observed, transition, now):
        return reject(observed, transition, late, now)
    return Step(observed.service.status)


def _is_unwanted(observed: Observed, transition: Transition) -> bool:
    """Whether the candidate is gone, or another one is asked for by name or takes its place."""
    if observed.candidate(transition.to.digest) is None:
        return True
    wanted = target(observed)
    if transition.by_hand:
        return False
    if wanted is None:
        return True
    if wanted.artifact.digest == transition.to.digest:
        return False
    spec = observed.service.spec
    repinned = spec.pins(wanted.version) or spec.challenger is not None
    return repinned or spec.rollout.on_new_version == "Supersede"


def _interface_change(observed: Observed, transition: Transition) -> Fault | None:
    """What the ModelVersions declare; what the servers say is compared when it is verified."""
    champion = observed.service.status.champion
    reigning = observed.candidate(champion.digest) if champion else None
    candidate = observed.candidate(transition.to.digest)
    if reigning is None or candidate is None:
        return None
    return interface_change(reigning.interface, candidate.interface)


def _too_late(observed: Observed, transition: Transition, now: datetime) -> Fault | None:
    """Why a candidate has had time enough; one that nobody waits for may go on trying."""
    service, candidate = observed.service, observed.server(transition.to)
    if now <= transition.ready_by(service.spec.rollout):
        return None
    late = candidate.fault or Fault(
        "ProgressDeadlineExceeded", serving_report.not_ready(candidate.ready)
    )
    wanted = target(observed)
    newer_waits = wanted is not None and wanted.artifact.digest != transition.to.digest
    return late if service.status.champion or late.restarts or newer_waits else None
