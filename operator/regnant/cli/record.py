"""The record of reigns: who answered from when to when, and who answered at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from regnant.api.rollout_status import Reign
from regnant.cli.service import Service


@dataclass(frozen=True, slots=True)
class Answered:
    """Who answered at a time."""

    at: datetime
    reign: Reign | None
    """The version that reigned; None where none did, or it is not recorded any more."""
    beside: int | None = None
    """The candidate that was given a part of the requests too."""
    percent: int = 0
    """What part that was, as far as the open rollout tells."""


def answered_at(service: Service, at: datetime) -> Answered:
    """Who answered at `at`, as far as it is recorded."""
    found = next((one for one in service.status.history if covers(one, at)), None)
    rollout = service.status.rollout
    evidence = rollout.stage.evidence if rollout and rollout.stage else None
    if rollout is None or rollout.stage is None or evidence is None:
        return Answered(at, found)
    split_ended = rollout.promoted_at or rollout.promoting_at
    within = evidence.since <= at and (split_ended is None or at < split_ended)
    if not within or not rollout.stage.weight:
        return Answered(at, found)
    return Answered(at, found, rollout.to.version, rollout.stage.weight)


def covers(reign: Reign, at: datetime) -> bool:
    """Whether the version reigned then."""
    return reign.since <= at and (reign.until is None or at < reign.until)
