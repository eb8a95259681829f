"""What a person could do now: commands that would be accepted, and what each would do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from regnant.api.inference_service import InferenceServiceStatus
from regnant.cli.standing import Progress, Standing, Wait


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing to do."""

    command: str
    effect: str


def choices(seen: Standing, program: str) -> tuple[Choice, ...]:
    """What would make a difference now, the most likely first."""
    rollout = seen.service.status.rollout
    if not seen.service.status.phase:
        return ()
    if rollout is None:
        return tuple(_settled(seen, program))
    if rollout.rollback or (rollout.promoting_at and not rollout.promoted_at):
        return (_look(seen, program),)
    if rollout.promoted_at:
        return tuple(_watched(seen, program))
    if seen.progress:
        return tuple(_staged(seen, seen.progress, program))
    return (
        Choice(_command(seen, program, "abort"), f"turns {seen.candidate} down"),
        _look(seen, program),
    )


def _command(seen: Standing, program: str, words: str, rest: str = "") -> str:
    tail = f" {rest}" if rest else ""
    return f"{program} {words} {seen.service.name} -n {seen.service.namespace}{tail}"


def _look(seen: Standing, program: str) -> Choice:
    return Choice(_command(seen, program, "status", "--watch"), "shows it live")


def _staged(seen: Standing, progress: Progress, program: str) -> Iterator[Choice]:
    weight = progress.next_weight
    if seen.wait is Wait.RESUME:
        yield _resume(seen, program)
    if weight:
        yield Choice(
            _command(seen, program, "promote"),
            f"goes on to the next step, {weight} of 100 requests, without waiting",
        )
    if not seen.held_by_pin:
        proven = progress.complete and not weight
        yield Choice(
            _command(seen, program, "promote", "--full" if weight else ""),
            f"gives {seen.candidate} all requests{'' if proven else ', without more proof'}",
        )
    else:
        yield Choice(
            "change or remove spec.champion", f"lets {seen.candidate} take over once it is proven"
        )
    yield Choice(
        _command(seen, program, "abort"),
        f"takes all traffic from {seen.candidate} and turns it down; {seen.champion} answers",
    )
    if not seen.paused:
        yield Choice(_command(seen, program, "pause"), "holds it where it is")
    yield _look(seen, program)


def _resume(seen: Standing, program: str) -> Choice:
    if seen.paused_by_spec:
        return Choice("set spec.rollout.paused to false", "lets it go on")
    return Choice(_command(seen, program, "resume"), "lets it go on")


def _watched(seen: Standing, program: str) -> Iterator[Choice]:
    if seen.previous:
        yield Choice(
            _command(seen, program, "rollback"),
            f"returns all traffic to {seen.previous} at once",
        )
    yield _look(seen, program)


def _retried(status: InferenceServiceStatus, champion: int) -> list[int]:
    """The newest versions that may try again; those behind the champion are refused."""
    turned_down = [one.version for one in status.rejected[:1]]
    held_back = [status.floor] if status.holds_back(status.floor) else []
    return [one for one in dict.fromkeys([*turned_down, *held_back]) if one > champion]


def _settled(seen: Standing, program: str) -> Iterator[Choice]:
    status, spec = seen.service.status, seen.service.spec
    if not seen.available and status.champion:
        labels = f"-n {seen.service.namespace} -l regnant.dev/owner={seen.service.name}"
        yield Choice(f"kubectl get pods {labels}", "shows the pods behind it and their state")
    champion = status.champion.version if status.champion else 0
    for version in _retried(status, champion):
        yield Choice(
            _command(seen, program, "retry", str(version)),
            f"lets {seen.service.version(version)} try again, as it is",
        )
    if spec.champion:
        yield Choice("change or remove spec.champion", "lets another version answer")
        return
    former = status.former
    if champion and former:
        yield Choice(
            _command(seen, program, "rollback", f"--to {former}"),
            f"returns to {seen.service.version(former)}, once it is verified again",
        )
