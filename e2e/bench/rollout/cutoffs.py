"""From the first request that a challenger fails at until it gets none.

The challenger has half of the traffic and does well, until users come who ask what it cannot
answer. Its failures show in no user's answer but by the number of tries, which routers tell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from e2e import faults
from e2e.bench.report import Table, verdict
from e2e.bench.rollout.arena import SERVER, arena
from e2e.bench.rollout.recorder import Note, Recorder
from e2e.bench.rollout.requests import Request, journal, quantile
from e2e.bundles import Model, request
from e2e.installation import Installation
from e2e.rollouts import NEVER, Contest, step

GOAL_SECONDS = 2.0
USUAL_PER_SECOND, UNUSUAL_PER_SECOND = 60, 60
ATTEMPT_MILLISECONDS = 1000
_SLOW_SECONDS = 0.005
FAULTS: Mapping[str, Callable[[float], Model]] = {
    "answers 500": faults.raising,
    "hangs": faults.hanging,
    "is slow": faults.slow,
}


@dataclass(frozen=True)
class CutOff:
    """One challenger that broke."""

    fault: str
    reason: str
    from_failure: float
    """Seconds from when a router had given up on the first request."""
    from_sending: float
    """Seconds from when that request was sent."""
    failed_at: int
    """How many requests it failed at; users were answered by the champion."""
    users_failed: int


def measure(installation: Installation, repetitions: int) -> list[CutOff]:
    """Each fault in turns."""
    rollout = {
        "attemptTimeoutMilliseconds": ATTEMPT_MILLISECONDS,
        "limits": {"maxLatencyRatio": "5"},
        "steps": [step(50, requests=NEVER, maxDuration="24h")],
    }
    found = []
    with arena(installation, routers=2, rollout=rollout, server=SERVER) as contest:
        for number in range(1, repetitions + 1):
            for fault, make in FAULTS.items():
                cut = _one(contest, fault, make)
                found.append(cut)
                seconds = f"{cut.from_failure:.2f} s after it failed"
                print(f"   cut-off {number}, {fault}: {seconds}, {cut.reason}", flush=True)
    return found


def _one(contest: Contest, fault: str, make: Callable[[float], Model]) -> CutOff:
    service = contest.service
    with Recorder.watching(service) as recorder:
        usual = service.send_users(per_second=USUAL_PER_SECOND, keeps_journal=True)
        number = next(contest.numbers)
        service.release(number, contest.shelf.put(make(float(number))))
        service.wait_for_weight(50)
        unusual = service.send_users(
            per_second=UNUSUAL_PER_SECOND, body=request(faults.MARK), keeps_journal=True
        )
        reason = service.wait_for_rejection(number)["reason"]
        service.wait_until_decided()
        usual.stop()
        unusual.stop()
    outcomes = usual.outcome, unusual.outcome
    failures = journal(unusual.outcome)
    first = _first(failures, str(number))
    cut = _end(recorder.notes, journal(*outcomes))
    return CutOff(
        fault,
        reason,
        from_failure=cut - first.answered,
        from_sending=cut - first.sent,
        failed_at=sum(one.tries > 1 for one in failures),
        users_failed=sum(outcome.failed for outcome in outcomes),
    )


def span(notes: Sequence[Note], requests: Sequence[Request], version: str) -> tuple[float, float]:
    """From the first answer that another version had to give, until the challenger gets nothing."""
    return _first(requests, version).answered, _end(notes, requests)


def _first(requests: Sequence[Request], version: str) -> Request:
    """The first request that the champion had to answer; if there is none, the first slow one."""
    failed = [one for one in requests if one.tries > 1]
    slow = [one for one in requests if one.version == version and one.took > _SLOW_SECONDS]
    return min(failed or slow, key=lambda one: one.answered)


def _end(notes: Sequence[Note], requests: Sequence[Request]) -> float:
    """When the last request was sent that a router could still give to the challenger."""
    back = next(one for one in notes if one.status.rollout and one.status.rollout.rollback)
    routed = [one.sent for one in requests if one.sent >= back.decided]
    stale = [
        one.sent
        for one in requests
        if one.sent >= back.decided and one.tries > 0 and one.route != back.revision
    ]
    return max(stale, default=min(routed))


def table(found: Sequence[CutOff]) -> Table:
    """The times, as the page has them."""
    rows = []
    for fault in FAULTS:
        cuts = [cut for cut in found if cut.fault == fault]
        after = [cut.from_failure for cut in cuts]
        rows.append(
            [
                fault,
                ", ".join(sorted({cut.reason for cut in cuts})),
                f"{quantile(after, 0.5):.2f} s",
                f"{max(after):.2f} s",
                f"{max(cut.from_sending for cut in cuts):.2f} s",
                f"{max(cut.failed_at for cut in cuts)}",
                f"{sum(cut.users_failed for cut in cuts)}",
                f"at most {GOAL_SECONDS:g} s: {verdict(max(after), GOAL_SECONDS)}",
            ]
        )
    return Table(
        "From a failing request to weight 0",
        [
            "the challenger",
            "rejected for",
            "median",
            "most",
            "most, from its sending",
            "requests it failed at, most",
            "users' failures, all",
            "goal",
        ],
        rows,
        f"{len(found) // len(FAULTS)} times each. It has half of the traffic of "
        f"{USUAL_PER_SECOND} requests a second and does well, until {UNUSUAL_PER_SECOND} more a "
        "second ask what it breaks on. Counted from the time at which the first user had an answer "
        "that the champion gave in its place, or that came late, until no router gives it anything "
        f"any more. Who hangs is given up on after {ATTEMPT_MILLISECONDS} ms, or twice what the "
        "champion was seen to take if that is more.",
    )
