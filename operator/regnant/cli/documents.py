"""What `-o json` prints: documents of a stable shape, for programs.

`apiVersion` changes when a field goes or changes its meaning; new fields may come at any time.
Names are camelCase, times RFC 3339 in UTC, and what is unknown is left out.
"""

from __future__ import annotations

from typing import Literal

from regnant.api.actions import Action, ActionResult
from regnant.api.inference_service import InferenceServiceStatus
from regnant.api.model import Digest, Duration, Model, Time, VersionNumber
from regnant.api.rollout_status import Reign
from regnant.cli.asking import Asked
from regnant.cli.explanation import Explanation
from regnant.cli.record import Answered
from regnant.cli.standing import Progress, Standing, Wait, waiting_words

API_VERSION: Literal["cli.regnant.dev/v1"] = "cli.regnant.dev/v1"


class Document(Model):
    """What every document has."""

    api_version: Literal["cli.regnant.dev/v1"] = API_VERSION
    """The version of the shape."""
    kind: str
    """Which document it is."""


class Failure(Document):
    """Any command that ended otherwise than well; the exit code is the same number."""

    kind: Literal["Failure"] = "Failure"
    code: int
    """The exit code."""
    message: str
    """What is wrong, and what to do about it."""


class About(Document):
    """A document about one service."""

    namespace: str
    """Its namespace."""
    name: str
    """Its name."""
    model_name: str
    """Its model line."""


class StageProgress(Model):
    """How far the shadow or the step is that a rollout is at."""

    stage: Literal["Shadow", "Step"]
    """Which of the two."""
    weight: int
    """The part of the requests that the candidate is to be given, in percent."""
    requests: int
    """How many requests it was given."""
    min_requests: int
    """How many it must be given."""
    elapsed: Duration
    """How long it has lasted."""
    min_duration: Duration
    """How long it must last."""
    overdue: bool
    """Whether it has had all the time that it may take."""
    last: bool
    """Whether all the traffic comes next."""


class Derived(Model):
    """What follows from a status, as of the time that it was read."""

    at: Time
    """When it was read."""
    champion: str | None
    """The name of the version that reigns."""
    candidate: str | None
    """The name of the version that an open rollout is about."""
    available: bool
    """Whether users are answered."""
    open: bool
    """Whether a rollout is open."""
    paused: bool
    """Whether a person holds it."""
    outdated: bool
    """Whether the spec was changed since the operator looked at it."""
    waits_for: Wait
    """What has to happen before it moves on."""
    waiting_message: str
    """The same in words."""
    progress: StageProgress | None
    """How far the stage is, if there is one."""


class ServiceStatus(About):
    """`status NAME`."""

    kind: Literal["ServiceStatus"] = "ServiceStatus"
    generation: int
    """The generation of the spec."""
    status: InferenceServiceStatus
    """The object's own status."""
    derived: Derived
    """What follows from it."""


class ServiceStatusList(Document):
    """`status`."""

    kind: Literal["ServiceStatusList"] = "ServiceStatusList"
    items: tuple[ServiceStatus, ...]
    """By namespace and name."""


class ChoiceDocument(Model):
    """One thing that a person could do."""

    command: str
    """What to type."""
    effect: str
    """What it does."""


class ExplanationDocument(About):
    """`explain NAME`: paragraphs for people, in the same order as in the text."""

    kind: Literal["Explanation"] = "Explanation"
    phase: str
    """Where the service is."""
    waits_for: Wait
    """What has to happen before it moves on."""
    reign: tuple[str, ...]
    """Who answers, and why."""
    candidate: tuple[str, ...]
    """Why the candidate does not."""
    comparison: tuple[str, ...]
    """What was compared."""
    turned_down: tuple[str, ...]
    """Why no other version does."""
    coming: tuple[str, ...]
    """What happens next."""
    choices: tuple[ChoiceDocument, ...]
    """What a person could do."""


class History(About):
    """`history NAME`."""

    kind: Literal["History"] = "History"
    reigns: tuple[Reign, ...]
    """Newest first."""


class Share(Model):
    """A candidate that was given a part of the requests."""

    version: VersionNumber
    """Its number."""
    percent: int
    """The part, in percent."""


class AnsweredAt(About):
    """`history NAME --at TIME`."""

    kind: Literal["AnsweredAt"] = "AnsweredAt"
    at: Time
    """The time that was asked about."""
    version: VersionNumber | None
    """The version that answered; left out where none is recorded."""
    digest: Digest | None
    """Its bundle."""
    reign: Reign | None
    """The reign that it was in."""
    beside: Share | None
    """The candidate that answered a part of the requests."""


class ActionOutcome(About):
    """`promote`, `abort`, `pause`, `resume`, `retry` and `rollback`."""

    kind: Literal["ActionOutcome"] = "ActionOutcome"
    outcome: Literal["Done", "Refused", "Asked", "DryRun"]
    """Asked is not answered yet, or not waited for."""
    message: str
    """What was done, or why not."""
    action: Action
    """What was asked for."""
    answer: ActionResult | None
    """How the operator answered."""


def service_status(seen: Standing) -> ServiceStatus:
    """The document of one service."""
    service = seen.service
    return ServiceStatus(
        **_about(seen), generation=service.generation, status=service.status, derived=_derived(seen)
    )


def explanation(seen: Standing, said: Explanation) -> ExplanationDocument:
    """The explanation as a document."""
    return ExplanationDocument(
        **_about(seen),
        phase=seen.phase,
        waits_for=seen.wait,
        reign=said.reign,
        candidate=said.candidate,
        comparison=said.comparison,
        turned_down=said.turned_down,
        coming=tuple(paragraph for paragraph in said.coming if paragraph),
        choices=tuple(
            ChoiceDocument(command=choice.command, effect=choice.effect) for choice in said.choices
        ),
    )


def history(seen: Standing) -> History:
    """The record as a document."""
    return History(**_about(seen), reigns=seen.service.status.history)


def answered_at(seen: Standing, found: Answered) -> AnsweredAt:
    """Who answered, as a document."""
    beside = Share(version=found.beside, percent=found.percent) if found.beside else None
    return AnsweredAt(
        **_about(seen),
        at=found.at,
        version=found.reign.version if found.reign else None,
        digest=found.reign.digest if found.reign else None,
        reign=found.reign,
        beside=beside,
    )


def action_outcome(asked: Asked) -> ActionOutcome:
    """What was asked for, as a document."""
    service = asked.service
    return ActionOutcome(
        namespace=service.namespace,
        name=service.name,
        model_name=service.model,
        outcome=asked.outcome,
        message=asked.message,
        action=asked.action,
        answer=asked.answer,
    )


def _about(seen: Standing) -> dict[str, str]:
    service = seen.service
    return {"namespace": service.namespace, "name": service.name, "model_name": service.model}


def _derived(seen: Standing) -> Derived:
    return Derived(
        at=seen.now,
        champion=seen.champion or None,
        candidate=seen.candidate or None,
        available=seen.available,
        open=seen.service.status.rollout is not None,
        paused=seen.paused,
        outdated=seen.outdated,
        waits_for=seen.wait,
        waiting_message=waiting_words(seen),
        progress=_progress(seen.progress) if seen.progress else None,
    )


def _progress(progress: Progress) -> StageProgress:
    return StageProgress(
        stage="Step" if progress.stage.step else "Shadow",
        weight=progress.stage.weight,
        requests=progress.stage.requests,
        min_requests=progress.stage.asked.min_requests,
        elapsed=progress.elapsed,
        min_duration=progress.stage.asked.min_duration,
        overdue=progress.overdue,
        last=progress.next_weight is None,
    )
