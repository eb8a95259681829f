"""What a person asks of a rollout at once, by an annotation, and how the operator answers.

An action names the transition that the person saw: a late click must not promote something else.
The spec stays in git, so an action never changes it; the operator answers in `status.lastAction`
and handles every id once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from regnant.api.model import Model, Text, Time, VersionNumber

ANNOTATION = "regnant.dev/action"

ActionName = Literal[
    "promote", "promoteFull", "abort", "pause", "resume", "retry", "rollback", "unreadable"
]


class Action(Model):
    """One wish of a person."""

    id: Annotated[str, Field(min_length=1, max_length=64)]
    """Tells this wish from every other; it is carried out once."""
    action: ActionName
    """promote ends the current phase or step well; promoteFull gives all the traffic; abort turns
    the candidate down; pause and resume hold the rollout; retry lifts a rejection; rollback returns
    to an earlier version."""
    transition: Annotated[str, Field(max_length=64)] = ""
    """The `status.rollout.id` that the person saw; empty while there was none."""
    version: VersionNumber | None = None
    """The version that is to be tried again, or to be returned to."""
    by: Annotated[str, Field(max_length=253)] = ""
    """Who asked."""
    at: Time | None = None
    """When."""


class ActionResult(Model):
    """How the operator answered the last action."""

    id: Annotated[str, Field(max_length=64)]
    """The action's id."""
    action: Annotated[str, Field(max_length=32)]
    """What was asked."""
    outcome: Literal["Done", "Refused"]
    """Whether it was done."""
    message: Text
    """What was done, or why not."""
    by: Annotated[str, Field(max_length=253)] = ""
    """Who asked."""
    at: Time
    """When it was answered."""


def requested(annotations: Mapping[str, str]) -> Action | None:
    """The action that the annotations ask for; None without one.

    Text that cannot be read becomes an action called `unreadable`, so that it is answered too.
    """
    text = annotations.get(ANNOTATION)
    if not text:
        return None
    try:
        return Action.model_validate_json(text)
    except ValidationError:
        return Action(id=hashlib.sha256(text.encode()).hexdigest()[:32], action="unreadable")
