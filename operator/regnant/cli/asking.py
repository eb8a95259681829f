"""Asking the operator for something, and waiting for its answer.

An action is bound to the rollout that the person saw. It is written on exactly the object that was
read; when somebody else wrote meanwhile, everything is read and checked again, and the wish is only
repeated if it still means the same. There is room for one wish at a time, so one that the operator
has not answered yet is only replaced on purpose. The operator has the last word: what else is
checked here before writing only spares a round trip and gives a better hint.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from regnant.api.actions import Action, ActionName, ActionResult
from regnant.cli.arguments import Options
from regnant.cli.errors import RefusedError, TimedOutError, UnreachableError, explained
from regnant.cli.service import Service
from regnant.cli.services import Services
from regnant.cluster.errors import ClusterError, ConflictError

_ATTEMPTS = 10

Outcome = Literal["Done", "Refused", "Asked", "DryRun"]


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for, and how it ended."""

    service: Service
    action: Action
    outcome: Outcome
    message: str
    answer: ActionResult | None = None


async def ask(
    services: Services, options: Options, clock: Callable[[], datetime]
) -> tuple[Service, Action]:
    """Write what the person wants; the service as it was then, and the action.

    Raises:
        RefusedError: the service is not in the state for it, somebody was faster, or what was asked
            for before is not answered yet.
        ClusterError: it cannot be written.
        CancelledError: nothing was written. Whoever interrupts the writing itself is heeded after
            it, at the caller's next await.
    """
    service = await services.get(options.name)
    action = intended(service, options)
    if service.pending and not options.force:
        raise RefusedError(_unanswered(service.name, service.pending))
    signed = action.model_copy(update={"by": (await _me(services))[:253], "at": clock()})
    before = service.asked
    for _ in range(_ATTEMPTS):
        try:
            await _to_its_end(services.ask(service, signed, dry_run=options.dry_run))
        except ConflictError:
            # Most often the operator, which counts while a rollout is open.
            service = await services.get(options.name)
            again = intended(service, options)
            if service.asked != before:
                raise RefusedError(_overtaken(service)) from None
            if (again.transition, again.version) != (action.transition, action.version):
                raise RefusedError(
                    f"{service.name} moved on while you asked; look at it again, then decide"
                ) from None
        else:
            return service, signed
    raise UnreachableError(
        f"{service.name} is changed so often that nothing could be written; nothing was asked for"
    )


async def answer(services: Services, action: Action, options: Options) -> ActionResult:
    """Wait until the operator has answered.

    Raises:
        TimedOutError: it did not in time.
        RefusedError: somebody else's wish took the place of ours.
        UnreachableError: the service is gone, or cannot be followed.
    """
    seconds = options.timeout.total_seconds()
    try:
        async with asyncio.timeout(seconds):
            return await _answered(services, action, options.name)
    except TimeoutError:
        raise TimedOutError(
            f"the operator did not answer within {seconds:g}s; {action.action} stays asked for, "
            "and is carried out as soon as it does. Is it running? `kubectl get pods -A -l "
            "app.kubernetes.io/name=regnant`"
        ) from None
    except ClusterError as error:
        raise UnreachableError(
            f"{explained(error).message}; {action.action} stays asked for, and its answer cannot "
            "be followed"
        ) from error


def intended(service: Service, options: Options) -> Action:
    """The action that the command stands for, given what the service is.

    Raises:
        RefusedError: it makes no sense there.
    """
    if service.deleting:
        raise RefusedError(f"{service.name} is being deleted")
    if options.transition and options.transition != service.transition:
        now = f"the open one is {service.transition}" if service.transition else "none is open"
        raise RefusedError(f"rollout {options.transition} is over; {now}")
    name, version = _name(options), options.version
    if name == "rollback" and version is None:
        version = _former(service, options)
    if name not in {"rollback", "retry"} and not service.transition:
        raise RefusedError(
            f"no rollout of {service.name} is open, so there is nothing to {options.command}"
        )
    return Action(id=str(uuid.uuid4()), action=name, transition=service.transition, version=version)


def _name(options: Options) -> ActionName:
    names: dict[str, ActionName] = {
        "promote": "promoteFull" if options.full else "promote",
        "abort": "abort",
        "pause": "pause",
        "resume": "resume",
        "retry": "retry",
        "rollback": "rollback",
    }
    return names[options.command]


def _former(service: Service, options: Options) -> int:
    """The version that answered before the champion."""
    status = service.status
    rollout, champion = status.rollout, status.champion
    if rollout and not rollout.promoted_at and champion:
        raise RefusedError(
            f"{service.version(champion.version)} is still the champion, so there is nothing to "
            f"return from. To take the traffic from {service.version(rollout.to.version)}: "
            f"{options.program} abort {service.name}. To go further back, name the version: --to"
        )
    if status.former is None:
        raise RefusedError(
            f"no version to return to is recorded of {service.name}; name one with --to"
        )
    return status.former


async def _to_its_end(writing: Coroutine[None, None, None]) -> None:
    """Write even if interrupted: what is on its way cannot be taken back, only followed."""
    written = asyncio.ensure_future(writing)
    try:
        await asyncio.shield(written)
    except asyncio.CancelledError:
        await asyncio.wait([written])
        us = asyncio.current_task()
        if us is None or written.cancelled() or written.exception():
            raise
        # Counted once still: asyncio takes a second request for more than Ctrl-C.
        us.uncancel()
        us.cancel()


async def _me(services: Services) -> str:
    """Who asks; a cluster that does not tell is no reason not to."""
    try:
        return await services.whoami()
    except ClusterError:
        return ""


async def _answered(services: Services, action: Action, name: str) -> ActionResult:
    async for change in services.follow(name):
        service = change.service
        if service is None:
            raise UnreachableError(f"{name} was deleted before the operator answered")
        found = service.status.last_action
        if found and found.id == action.id:
            return found
        if service.asked is None or service.asked.id != action.id:
            raise RefusedError(_overtaken(service))
    raise UnreachableError(f"{name} cannot be followed any more")


def _unanswered(name: str, other: Action) -> str:
    who = other.by or "somebody"
    return (
        f"{who} asked for {other.action} of {name}, and the operator has not answered yet; wait "
        "for that, or take its place with --force"
    )


def _overtaken(service: Service) -> str:
    other = service.asked
    if other is None:
        return f"somebody took the wish away from {service.name} before it was answered"
    who = other.by or "somebody else"
    return (
        f"{who} asked for {other.action} of {service.name} at the same moment; look at what became "
        "of it, then decide again"
    )
