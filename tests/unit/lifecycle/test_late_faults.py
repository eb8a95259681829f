"""A version that did well for long and then fails is found out as soon as one that never did."""

from __future__ import annotations

from datetime import timedelta

from regnant.api.rollout_status import MAX_MARKS
from tests.unit.lifecycle.test_rollback import watching_world
from tests.unit.lifecycle.worlds import ServiceWorld, digest, serving_world

LONG = {"steps": [{"weight": 50, "minRequests": 10**6, "minDuration": "24h"}]}
LIMITS = {"errorRateMargin": "0.05", "maxLatencyRatio": "0"}
DO_WELL = 600
"""Looks; with ten requests of users in each."""


def split_for_long() -> ServiceWorld:
    """Two versions that have shared the traffic for ten minutes, and neither failed."""
    world = serving_world(rollout=LONG | {"limits": LIMITS})
    world.add(2)
    world.until("Splitting")
    for _ in range(DO_WELL):
        world.serve(champion=(5, 0), challenger=(5, 0))
    assert world.status.phase == "Splitting"
    return world


def looks_until_it_is_left(world: ServiceWorld, failing: int, *, champion: int = 0) -> int:
    """How many more looks it takes until the challenger, of whose five tries so many fail, goes."""
    for look in range(1, 100):
        world.serve(champion=(5, champion), challenger=(5, failing))
        if world.weight == 0:
            return look
    raise AssertionError("it stays")


def test_a_challenger_that_begins_to_fail_late_is_cut_off_within_some_looks() -> None:
    world = split_for_long()
    assert looks_until_it_is_left(world, failing=5) <= 6
    world.run(3)
    [rejected] = world.status.rejected
    assert rejected.reason == "ErrorRateTooHigh"
    assert rejected.message.startswith("since 00:")
    assert "failed" in rejected.message


def test_one_that_fails_at_times_from_then_on_is_found_out_too() -> None:
    assert looks_until_it_is_left(split_for_long(), failing=2) <= 20


def test_what_begins_to_fail_for_both_is_held_against_neither() -> None:
    world = split_for_long()
    for _ in range(60):
        world.serve(champion=(5, 4), challenger=(5, 4))
    assert world.status.phase == "Splitting"


def test_the_marks_are_few_and_the_same_to_an_operator_that_begins_anew() -> None:
    world = split_for_long()
    assert world.status.rollout
    assert world.status.rollout.stage
    evidence = world.status.rollout.stage.evidence
    assert evidence
    assert len(evidence.marks) == MAX_MARKS
    older, younger = evidence.marks
    assert younger.number == older.number + 1
    assert 15 <= (younger.at - older.at).total_seconds() <= 20
    assert younger.challenger.tries > older.challenger.tries > 0


def test_a_new_champion_that_begins_to_fail_late_in_its_watch_gives_the_traffic_back() -> None:
    world = watching_world()
    watch = world.spec.rollout.watch.model_copy(update={"duration": timedelta(days=1)})
    rollout = world.spec.rollout.model_copy(update={"watch": watch})
    world.spec = world.spec.model_copy(update={"rollout": rollout})
    for _ in range(DO_WELL):
        world.serve(challenger=(10, 0))
    assert world.status.phase == "Watching"
    for _ in range(6):
        world.serve(challenger=(10, 10))
    assert world.answering == digest("1")
    world.run(3)
    assert [one.reason for one in world.status.rejected] == ["ErrorRateTooHigh"]
