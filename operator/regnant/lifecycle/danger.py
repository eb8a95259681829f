"""What users are kept from: a version that cannot answer, or that is shown to be worse.

Before a promotion it rejects the candidate, after it the traffic returns; `comparing` and
`takeover` decide when either is held against a version. Here is only what is seen, by one name
each, so that a fault is called the same in every phase.
"""

from __future__ import annotations

from regnant.api.rollout_status import Evidence
from regnant.lifecycle.diagnosis import Fault
from regnant.lifecycle.serving_state import ServerHealth

_REASONS = {
    "Errors": "ErrorRateTooHigh",
    "Latency": "LatencyTooHigh",
    "Agreement": "DisagreesWithChampion",
    "NonFinite": "NonFiniteAnswers",
}


def unable(health: ServerHealth, reason: str) -> Fault:
    """Why a version without a ready server is so: what its pods say, or else `reason`."""
    return health.fault or Fault(reason, "none of its servers is ready any more")


def worse(evidence: Evidence | None) -> Fault | None:
    """What the evidence proves against a version; None while it does not."""
    failed = evidence.failed if evidence else None
    return Fault(_REASONS[failed.name], failed.reading) if failed else None
