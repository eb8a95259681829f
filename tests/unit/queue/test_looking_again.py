"""When a key is looked at again though nothing wakes it: it asked to, or it failed."""

from __future__ import annotations

import asyncio
import logging
import random
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regnant.controllers.queue import Backoff
from tests.unit.queue.virtual_time import run
from tests.unit.queue.workshop import Outcome, Workshop, key


def play(*outcomes: Outcome, wakes: tuple[float, ...] = (0.0,), until: float = 1000) -> Workshop:
    """One key with that script, woken at those times."""

    async def scenario() -> Workshop:
        shop = Workshop()
        shop.script[key("a")].extend(outcomes)
        shop.queue.start()
        for at in wakes:
            asyncio.get_running_loop().call_at(at, shop.change, key("a"))
        await asyncio.sleep(until)
        return shop

    return run(scenario())


def test_a_reconcile_is_repeated_when_it_asked_to() -> None:
    assert play(Outcome(again=30)).times(key("a")) == [0.0, 30.0]


def test_a_wake_is_told_before_it_is_worked_on_and_a_look_that_was_asked_for_is_not() -> None:
    async def scenario() -> tuple[list[float], list[float]]:
        shop, told = Workshop(), list[float]()
        shop.queue.listen(lambda _: told.append(asyncio.get_running_loop().time()))
        shop.script[key("a")].append(Outcome(again=30))
        shop.queue.start()
        shop.change(key("a"))
        await asyncio.sleep(100)
        return told, shop.times(key("a"))

    assert run(scenario()) == ([0.0], [0.0, 30.0])


def test_a_wake_comes_before_a_later_look_and_takes_its_place() -> None:
    assert play(Outcome(again=30), wakes=(0.0, 10.0)).times(key("a")) == [0.0, 10.0]


def test_the_pause_after_a_failure_doubles_and_is_jittered() -> None:
    times = play(*[Outcome(fails=True)] * 5).times(key("a"))
    pauses = [after - before for before, after in pairwise(times)]
    assert len(pauses) == 5
    for failures, pause in enumerate(pauses):
        assert 0.5 * 2**failures <= pause <= 2**failures


def test_a_success_makes_the_next_failure_the_first() -> None:
    script = [Outcome(fails=True)] * 6 + [Outcome(), Outcome(fails=True), Outcome()]
    times = play(*script, wakes=(0.0, 500.0)).times(key("a"))
    assert times[-2] == 500.0
    assert times[-1] <= 501.0


def test_a_key_that_is_forgotten_is_not_tried_again() -> None:
    async def scenario() -> Workshop:
        shop = Workshop()
        shop.script[key("a")].append(Outcome(fails=True))
        shop.queue.start()
        shop.change(key("a"))
        await asyncio.sleep(0.1)
        shop.queue.forget(key("a"))
        await asyncio.sleep(1000)
        oldest = shop.metric("regnant_oldest_unreconciled_seconds", kind="InferenceService")
        assert oldest == 0.0
        return shop

    assert run(scenario()).times(key("a")) == [0.0]


@given(st.integers(1, 10_000), st.integers(0, 2**32))
def test_a_pause_is_never_longer_than_the_cap(failures: int, seed: int) -> None:
    backoff = Backoff(timedelta(seconds=1), timedelta(minutes=2), random.Random(seed))
    assert timedelta(seconds=0.5) <= backoff.pause(failures) <= timedelta(minutes=2)


def test_an_error_that_is_expected_is_logged_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        play(Outcome(fails=True))
    record = caplog.records[0]
    assert "InferenceService team/a: failed 1 times" in record.getMessage()
    assert record.exc_info is None


def test_an_error_that_is_a_bug_is_logged_with_its_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        shop = Workshop()
        shop.queue._expected = ()
        shop.script[key("a")].append(Outcome(fails=True))
        shop.queue.start()
        shop.change(key("a"))
        await asyncio.sleep(100)

    run(scenario())
    assert caplog.records[0].exc_info is not None
