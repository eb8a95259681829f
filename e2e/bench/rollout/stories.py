"""The two rollouts that are drawn: one that ends with a new champion, and one that is cut off."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from e2e import faults
from e2e.bench.rollout.arena import SERVER, arena
from e2e.bench.rollout.recorder import Note, Recorder
from e2e.bench.rollout.requests import Request, journal
from e2e.bundles import request
from e2e.harness import Manifest
from e2e.installation import Installation
from e2e.rollouts import NEVER, Contest, shadow, step
from e2e.serving import Service

PER_SECOND = 100
UNUSUAL_PER_SECOND = 50
LIMITS: Manifest = {"errorRateMargin": "0.05", "maxLatencyRatio": "5"}
_ROUNDS = 500
"""What makes the champion of the first story slower than who comes after it."""
_BEFORE, _AFTER = 4.0, 6.0
"""Seconds that are shown before a story begins and after it ended."""
_UNDISTURBED = 6.0
"""For how long the challenger of the second story does well at half of the traffic."""


@dataclass(frozen=True)
class Story:
    """One rollout, as it was recorded."""

    title: str
    notes: Sequence[Note]
    requests: Sequence[Request]

    @property
    def begin(self) -> float:
        """When the first request was sent."""
        return self.requests[0].sent

    @property
    def end(self) -> float:
        """When the last one was."""
        return self.requests[-1].sent


def record(installation: Installation) -> list[Story]:
    """Both, one after the other."""
    return [_reigns(installation), _breaks(installation)]


def _reigns(installation: Installation) -> Story:
    """A quicker model goes through everything."""
    rollout = {
        "limits": LIMITS,
        "shadow": shadow(requests=500, seconds=8),
        "steps": [step(10, requests=100, seconds=10), step(50, requests=300, seconds=10)],
    }
    champion = faults.slow(1.0, rounds=_ROUNDS)
    with arena(installation, champion, rollout=rollout, server=SERVER, watch="8s") as contest:
        service = contest.service
        with Recorder.watching(service) as recorder:
            load = service.send_users(
                per_second=PER_SECOND, body=request(faults.MARK), keeps_journal=True
            )
            _let_pass(_BEFORE)
            service.wait_for_champion(contest.challenge(), seconds=150)
            service.wait_until_decided()
            _let_pass(_AFTER)
            load.stop()
    title = "A new version proves itself on copies, on 10 % and on 50 % of the users, and reigns"
    return Story(title, recorder.notes, journal(load.outcome))


def _breaks(installation: Installation) -> Story:
    """A model that users break does well at first."""
    steps = [step(10, requests=80, seconds=6), step(50, requests=NEVER, maxDuration="24h")]
    limits = LIMITS | {"errorRateMargin": "0.02"}
    rollout = {"limits": limits, "steps": steps}
    with arena(installation, rollout=rollout, server=SERVER) as contest:
        service = contest.service
        with Recorder.watching(service) as recorder:
            usual = service.send_users(per_second=PER_SECOND, keeps_journal=True)
            _let_pass(_BEFORE)
            number = _release_brittle(contest)
            service.wait_for_weight(50)
            _let_pass(_UNDISTURBED)
            unusual = service.send_users(
                per_second=UNUSUAL_PER_SECOND, body=request(faults.MARK), keeps_journal=True
            )
            _wait_for_the_end(service, number)
            _let_pass(_AFTER)
            unusual.stop()
            usual.stop()
    title = "A new version does well, until users come whom it cannot answer: it is cut off"
    return Story(title, recorder.notes, journal(usual.outcome, unusual.outcome))


def _release_brittle(contest: Contest) -> int:
    number = next(contest.numbers)
    contest.service.release(number, contest.shelf.put(faults.raising(float(number))))
    return number


def _wait_for_the_end(service: Service, number: int) -> None:
    service.wait_for_rejection(number)
    service.wait_until_decided()


def _let_pass(seconds: float) -> None:
    """Time that the picture shows, in which nothing is to happen."""
    time.sleep(seconds)
