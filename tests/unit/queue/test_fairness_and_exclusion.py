"""What holds whatever happens: one worker a key, no lost wake, everybody's turn comes."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.queue.virtual_time import run
from tests.unit.queue.workshop import Outcome, Workshop, key

NAMES = st.sampled_from("abcd")
PAUSES = st.sampled_from([0.0, 0.0, 0.1, 1.0, 7.0])
OUTCOMES = st.builds(
    Outcome,
    takes=st.sampled_from([0.0, 0.1, 0.5, 3.0]),
    again=st.sampled_from([None, None, 0.0, 2.0]),
    fails=st.booleans(),
)
A_DAY = 86_400.0


@given(
    wakes=st.lists(st.tuples(PAUSES, NAMES), max_size=40),
    scripts=st.dictionaries(NAMES, st.lists(OUTCOMES, max_size=6), max_size=4),
    concurrency=st.integers(1, 3),
)
def test_the_last_change_of_every_key_is_seen_by_a_reconcile_that_succeeds(
    wakes: list[tuple[float, str]], scripts: dict[str, list[Outcome]], concurrency: int
) -> None:
    async def scenario() -> Workshop:
        shop = Workshop(concurrency=concurrency)
        for name, outcomes in scripts.items():
            shop.script[key(name)].extend(outcomes)
        shop.queue.start()
        for pause, name in wakes:
            await asyncio.sleep(pause)
            shop.change(key(name))
        await asyncio.sleep(A_DAY)
        return shop

    shop = run(scenario())
    assert shop.seen == shop.wanted
    assert shop.most_busy <= concurrency


def test_a_key_that_is_woken_often_waits_once() -> None:
    async def scenario() -> Workshop:
        shop = Workshop()
        for _ in range(100):
            shop.change(key("a"))
        shop.queue.start()
        await asyncio.sleep(1)
        return shop

    assert run(scenario()).finished == {key("a"): 1}


def test_a_key_that_is_woken_while_worked_on_is_worked_on_again_after_it() -> None:
    async def scenario() -> Workshop:
        shop = Workshop()
        shop.script[key("a")].append(Outcome(takes=10))
        shop.queue.start()
        shop.change(key("a"))
        await asyncio.sleep(5)
        shop.change(key("a"))
        shop.change(key("a"))
        await asyncio.sleep(A_DAY)
        return shop

    assert run(scenario()).times(key("a")) == [0.0, 10.0]


def test_keys_are_served_in_the_order_of_their_wakes() -> None:
    async def scenario() -> Workshop:
        shop = Workshop(concurrency=1)
        for name in "abc":
            shop.script[key(name)].append(Outcome(takes=1))
            shop.change(key(name))
        shop.change(key("a"))
        shop.queue.start()
        await asyncio.sleep(A_DAY)
        return shop

    assert [name.name for _, name in run(scenario()).started] == ["a", "b", "c"]


def test_a_busy_key_does_not_keep_others_from_their_turn() -> None:
    async def scenario() -> Workshop:
        shop = Workshop(concurrency=1)
        shop.script[key("a")].extend([Outcome(takes=1, again=0)] * 20)
        shop.queue.start()
        shop.change(key("a"))
        await asyncio.sleep(3.5)
        shop.change(key("b"))
        await asyncio.sleep(A_DAY)
        return shop

    assert run(scenario()).times(key("b")) == [4.0]
