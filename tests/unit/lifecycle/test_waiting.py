"""What a rollout is said to wait for."""

from __future__ import annotations

import pytest

from tests.unit.lifecycle.test_shadow_and_steps import comparing_world, pause
from tests.unit.lifecycle.worlds import ServiceWorld

REQUESTS = "0 of at least 50 requests; after 24h without it, it is held"
POD, OTHER = {"10.0.1.1": "no answer within 0.9 s"}, {"10.0.1.2": "refused"}


def waits_for(world: ServiceWorld) -> str:
    world.step(seconds=1)
    assert world.status.rollout
    return world.status.rollout.waiting_for


def test_requests_that_are_missing_are_named_with_what_follows() -> None:
    assert waits_for(comparing_world()) == REQUESTS


@pytest.mark.parametrize(
    ("silent", "words"),
    [
        (POD, "a pod that does not answer the operator (10.0.1.1: no answer within 0.9 s)"),
        (
            POD | OTHER,
            "2 pods that do not answer the operator (10.0.1.1: no answer within 0.9 s, and others)",
        ),
    ],
)
def test_pods_that_do_not_answer_come_before_requests_that_are_missing(
    silent: dict[str, str], words: str
) -> None:
    world = comparing_world()
    world.silent = silent
    assert waits_for(world) == f"{words}; {REQUESTS}"
    written = world.status
    assert waits_for(world) == f"{words}; {REQUESTS}"
    assert world.status == written, "nothing is written while the same pods are silent"
    world.silent = {}
    assert waits_for(world) == REQUESTS


def test_a_rollout_that_waits_for_a_person_names_no_silent_pods() -> None:
    world = comparing_world()
    world.silent = POD
    pause(world)
    assert waits_for(world).startswith("a person")
