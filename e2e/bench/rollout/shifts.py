"""From a decision until the routers act on it, over the shifts of whole rollouts.

A decision is dated by the operator as it is taken, before it is written. A shift has reached a
router when answers carry its revision, and all routers when no later request carries another one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from e2e.bench.report import Table, verdict
from e2e.bench.rollout.arena import SERVER, arena
from e2e.bench.rollout.recorder import Note, Recorder
from e2e.bench.rollout.requests import Request, journal, quantile
from e2e.installation import Installation
from e2e.rollouts import WIDE_LIMITS, step

GOAL_SECONDS = 0.5
PER_SECOND = 150
ROUTERS = 2
_STEPS = [step(weight, requests=1) for weight in range(10, 100, 9)]


@dataclass(frozen=True)
class Shift:
    """One change of weights, and the seconds after its decision."""

    weights: tuple[int, int]
    first: float
    """Until a user was answered by it."""
    every: float
    """Until no request was routed as before."""
    confirmed: float | None
    """Until the operator had seen it on every router; None where the status does not tell."""


def measure(installation: Installation, rollouts: int) -> list[Shift]:
    """Let versions go through ten steps each, and reign."""
    found = []
    rollout = {"limits": WIDE_LIMITS, "steps": _STEPS}
    with arena(
        installation, routers=ROUTERS, watch="1s", rollout=rollout, server=SERVER
    ) as contest:
        service = contest.service
        for number in range(1, rollouts + 1):
            with Recorder.watching(service) as recorder:
                load = service.send_users(per_second=PER_SECOND, keeps_journal=True)
                version = contest.challenge()
                service.wait_for_champion(version, seconds=120)
                service.wait_until_decided()
                load.stop()
            assert load.outcome.failed == 0, load.outcome.failures
            shifts = read(recorder.notes, journal(load.outcome))
            slowest = max(one.every for one in shifts)
            seen = f"{len(shifts)} of {len(_turns(recorder.notes))} shifts seen"
            print(f"   rollout {number}: {seen}, at most {slowest:.2f} s", flush=True)
            found += shifts
    return found


def read(notes: Sequence[Note], requests: Sequence[Request]) -> list[Shift]:
    """The shifts of a rollout that was recorded, as far as answers tell of them."""
    found = [
        _shift((before.weight, note.weight), note, notes, requests)
        for before, note in _turns(notes)
    ]
    return [shift for shift in found if shift]


def _turns(notes: Sequence[Note]) -> list[tuple[Note, Note]]:
    """The notes that decide another weight, each with the one before it."""
    return [
        (before, note)
        for before, note in pairwise(notes)
        if note.weight != before.weight and note.status.rollout is not None
    ]


def _shift(
    weights: tuple[int, int], note: Note, notes: Sequence[Note], requests: Sequence[Request]
) -> Shift | None:
    end = _next_change(note, notes)
    since = [one for one in requests if note.decided <= one.sent < end]
    answered = [one.answered for one in since if one.route == note.revision]
    if not answered:
        return None
    before = [one.sent for one in since if one.route != note.revision]
    return Shift(
        weights,
        first=min(answered) - note.decided,
        every=max([*before, min(answered)]) - note.decided,
        confirmed=_confirmed(note, notes),
    )


def _next_change(note: Note, notes: Iterable[Note]) -> float:
    """When the routers were asked for something else again."""
    later = (one for one in notes if one.at > note.at and one.revision != note.revision)
    following = next(later, None)
    return min(following.at, following.decided) if following else float("inf")


def _confirmed(note: Note, notes: Iterable[Note]) -> float | None:
    """When counting began, which is when every router was seen to have it."""
    if note.stage is None:
        return None
    return next(
        (
            one.evidence.since.timestamp() - note.decided
            for one in notes
            if one.evidence and one.decided == note.decided
        ),
        None,
    )


def table(shifts: Sequence[Shift]) -> Table:
    """The times, as the page has them."""
    confirmed = [shift.confirmed for shift in shifts if shift.confirmed is not None]
    columns = {
        "until the first answer by it": [shift.first for shift in shifts],
        "until no router routes as before": [shift.every for shift in shifts],
        "until the operator has seen it on every router": confirmed,
    }
    rows = []
    for words, values in columns.items():
        slow = quantile(values, 0.95)
        goal = f"p95 at most {GOAL_SECONDS} s: {verdict(slow, GOAL_SECONDS)}"
        rows.append(
            [
                words,
                *(f"{seconds:.2f} s" for seconds in (quantile(values, 0.5), slow, max(values))),
                goal if values is columns["until no router routes as before"] else "",
            ]
        )
    return Table(
        "From a decision to the traffic",
        ["after a change of weights is decided", "p50", "p95", "most", "goal"],
        rows,
        f"{len(shifts)} changes of weights on {ROUTERS} routers, under {PER_SECOND} requests a "
        "second. The decision is dated by the operator before it is written; the rest is read "
        "from users' answers, each of which names the configuration that it was routed by.",
    )
