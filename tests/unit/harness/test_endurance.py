"""What the endurance run calls a failure, and what it puts beside it."""

from __future__ import annotations

from typing import cast

from e2e.endurance import GRACE_SECONDS, Endurance
from e2e.installation import Installation
from e2e.rollouts import Contest
from e2e.traffic import Outcome

ROUTER_DIED = 100.0


def endurance() -> Endurance:
    """A router was killed, and later a rollout began."""
    told = [
        (50.0, "10 %"),
        (ROUTER_DIED, "kill -9 of a router"),
        (ROUTER_DIED + 4 * GRACE_SECONDS, "a rollout"),
    ]
    nobody = cast("Contest", None), cast("Installation", None)
    return Endurance(*nobody, tell=print, told=told)


def test_a_request_that_was_sent_again_because_its_router_died_is_no_failure() -> None:
    again = [(ROUTER_DIED, "ConnectionResetError"), (ROUTER_DIED + GRACE_SECONDS, "EOF")]
    assert endurance().failures(Outcome(sent=10, outcomes={"200": 10}, sent_again=again)) == []


def test_a_request_that_was_sent_again_at_any_other_moment_is_one() -> None:
    strays = [(ROUTER_DIED - 1, "EOF"), (ROUTER_DIED + GRACE_SECONDS + 1, "EOF")]
    found = endurance().failures(Outcome(sent=10, outcomes={"200": 10}, sent_again=strays))
    assert [failure.at for failure in found] == [at for at, _ in strays]
    assert "49.00 s after: 10 %" in found[0].after


def test_each_failure_stands_beside_what_was_done_before_it() -> None:
    shown = [
        {"at": ROUTER_DIED + 0.5, "outcome": "503", "version": "1", "text": "busy"},
        {"at": 1.0, "outcome": "timeout", "version": "", "text": ""},
    ]
    found = endurance().failures(Outcome(sent=2, outcomes={"503": 1}, failures=shown))
    assert [(one.what, one.after) for one in found] == [
        ("timeout", "before anything was done"),
        ("503 busy", "0.50 s after: kill -9 of a router"),
    ]
