"""Who has a use for a ModelVersion, and what was proven of it.

A ModelVersion is a record: it makes nothing and changes nothing. Its status is gathered from the
InferenceServices of its namespace, so that a look at the registry says who serves what, and so that
admission can refuse to delete a version that is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from regnant.api.meta import Finding, settle
from regnant.api.model_version import MAX_USES, ModelVersionSpec, ModelVersionStatus, Use
from regnant.api.resources import Resource
from regnant.api.rollout_status import Serving
from regnant.lifecycle.decision import Decision, Verdict, turning_point
from regnant.lifecycle.serving_plan import Service

Version = Resource[ModelVersionSpec, ModelVersionStatus]


@dataclass(frozen=True, slots=True)
class Observed:
    """All that a decision on a ModelVersion rests on."""

    version: Version
    services: tuple[Service, ...] = ()
    """The InferenceServices of its model line and namespace."""


def decide(observed: Observed, now: datetime) -> Decision[ModelVersionStatus]:
    """What the status must say."""
    version = observed.version
    if version.metadata.deletion_timestamp:
        return Decision(version.status)
    uses = tuple(use for service in observed.services for use in _uses(version, service))
    verified = _verified(observed)
    verdict = Verdict("Ready", "Registered", f"{version.metadata.name} is registered")
    generation = version.metadata.generation
    status = version.status.model_copy(
        update={
            "observed_generation": generation,
            "phase": _phase(uses, verified),
            "used_by": uses[:MAX_USES],
            "conditions": settle(
                version.status.conditions,
                (*verdict.findings(), verified),
                generation=generation,
                now=now,
            ),
        }
    )
    return Decision(status, announce=turning_point(version.status, status))


def _uses(version: Version, service: Service) -> list[Use]:
    """What one service uses the version for: one role, the weightiest."""
    digest, status = version.spec.artifact.digest, service.status
    number = version.spec.version
    roles: tuple[tuple[Literal["Champion", "Candidate", "Previous"], Serving | None], ...] = (
        ("Champion", status.champion),
        ("Candidate", status.rollout.to if status.rollout else None),
        ("Previous", status.previous),
    )
    for role, serving in roles:
        if serving and (serving.version, serving.digest) == (number, digest):
            return [Use(inference_service=service.metadata.name, role=role)]
    return []


def _verified(observed: Observed) -> Finding:
    """What serving it has proven: a service that promoted it, or one that turned it down."""
    digest = observed.version.spec.artifact.digest
    before = observed.version.status.condition("Verified")
    for service in observed.services:
        rejection = next((one for one in service.status.rejected if one.digest == digest), None)
        if rejection:
            return Finding(
                type="Verified",
                status=False,
                reason=rejection.reason,
                message=f"rejected by InferenceService {service.metadata.name}: "
                f"{rejection.message}",
            )
    for service in observed.services:
        champion = service.status.champion
        if champion and champion.digest == digest:
            return Finding(
                type="Verified",
                status=True,
                reason="GoldenRowsAnswered",
                message=f"InferenceService {service.metadata.name} verified it before it answered "
                "users",
            )
    if before and before.status == "True":
        return Finding(type="Verified", status=True, reason=before.reason, message=before.message)
    return Finding(
        type="Verified",
        status=None,
        reason="NotServedYet",
        message="no InferenceService has tried it yet",
    )


def _phase(uses: tuple[Use, ...], verified: Finding) -> str:
    if any(use.role == "Champion" for use in uses):
        return "Serving"
    if verified.status is None:
        return "Registered"
    return "Verified" if verified.status else "Rejected"
