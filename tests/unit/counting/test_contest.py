"""What is counted of a rollout, and when: from the status alone."""

from __future__ import annotations

from regnant.controllers.counting import Contest, contest
from tests.unit.lifecycle.test_shadow_and_steps import SHADOW, STEPS, prove
from tests.unit.lifecycle.worlds import ServiceWorld, digest, serving_world


def open_world(**rollout: object) -> ServiceWorld:
    world = serving_world(rollout={"steps": STEPS} | rollout)
    world.add(2)
    return world


def counted(world: ServiceWorld) -> Contest:
    found = contest(world.status)
    assert found
    return found


def test_a_settled_service_is_not_looked_at() -> None:
    assert contest(serving_world().status) is None


def test_a_candidate_without_users_is_not_looked_at() -> None:
    world = open_world()
    world.until("Preparing")
    assert contest(world.status) is None


def test_the_counters_are_read_before_the_stage_counts() -> None:
    """So the first failure after every router has the stage is new."""
    world = open_world()
    world.until("Preparing")
    world.routers_follow = False
    world.until("Splitting")
    before = counted(world)
    assert before.evidence is None
    world.routers_follow = True
    world.follow()
    world.step()
    begun = counted(world)
    assert begun.evidence
    assert begun.period == before.period


def test_every_stage_and_the_watch_are_periods_of_their_own() -> None:
    world = open_world(shadow=SHADOW)
    periods = []
    for _ in range(90):
        world.serve(champion=(500, 0), challenger=(500, 0))
        found = contest(world.status)
        if found and found.period not in periods:
            periods.append(found.period)
    assert len(periods) == 4
    assert periods[-1].endswith("/watch")


def test_a_shadow_is_judged_by_copies_and_compared_as_closely_as_asked() -> None:
    world = open_world(shadow=SHADOW | {"scoreTolerance": "0.1"})
    world.until("Shadowing")
    found = counted(world)
    assert (found.shadowed, found.tolerance) == (True, 0.1)
    assert found.champion
    assert (found.champion.digest, found.challenger.digest) == (digest("1"), digest("2"))


def test_a_watched_champion_is_counted_alone() -> None:
    world = open_world()
    world.until("Splitting")
    world.step()
    prove(world)
    world.until("Watching")
    found = counted(world)
    assert (found.champion, found.challenger.digest) == (None, digest("2"))


def test_nothing_is_counted_on_the_way_back() -> None:
    world = open_world()
    world.until("Splitting")
    world.step()
    world.ask("abort")
    assert contest(world.status) is None
