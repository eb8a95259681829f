"""What every decision is made of, and the rule by which users are told of it.

A decision is carried out in one order: the status is written first, then Events are sent, then
children are applied, then deleted. So whatever is acted on was written down, and after a crash the
next decision continues from there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, Literal, TypeVar

from regnant.api.meta import Finding, Status

StatusT = TypeVar("StatusT", bound=Status)
Manifest = dict[str, Any]

READY = "Ready"
RECONCILING = "Reconciling"
STALLED = "Stalled"


@dataclass(frozen=True, slots=True)
class Announcement:
    """A Kubernetes Event to be: one transition, in words."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Child:
    """An object of ours, by kind and name, in the owner's namespace."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Decision(Generic[StatusT]):
    """What must become so."""

    status: StatusT
    apply: tuple[Manifest, ...] = ()
    delete: tuple[Child, ...] = ()
    announce: tuple[Announcement, ...] = ()
    requeue_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a resource stands as a whole; kstatus' three conditions follow from it."""

    state: Literal["Ready", "InProgress", "Failed"]
    reason: str
    message: str

    def findings(self) -> tuple[Finding, ...]:
        """Ready, Reconciling and Stalled, which never contradict each other."""
        ready = {"Ready": True, "InProgress": False, "Failed": False}[self.state]
        return (
            self._finding(READY, ready),
            self._finding(RECONCILING, self.state == "InProgress"),
            self._finding(STALLED, self.state == "Failed"),
        )

    def _finding(self, kind: str, status: bool) -> Finding:  # noqa: FBT001 - a condition's value
        return Finding(type=kind, status=status, reason=self.reason, message=self.message)


def _is_stalled(status: Status) -> bool:
    stalled = status.condition(STALLED)
    return stalled is not None and stalled.status == "True"


def turning_point(before: Status, after: Status) -> tuple[Announcement, ...]:
    """The announcement of a change of Ready's status or reason, or of getting stuck."""
    old, new = before.condition(READY), after.condition(READY)
    troubled = _is_stalled(after)
    stuck = troubled and not _is_stalled(before)
    same = old and new and (old.status, old.reason) == (new.status, new.reason)
    if new is None or (same and not stuck):
        return ()
    return (Announcement("Warning" if troubled else "Normal", new.reason, new.message),)
