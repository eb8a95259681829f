"""What a ledger makes of cumulative counts: what grew, and nothing that could be older."""

from __future__ import annotations

import pytest

from regnant.api.rollout_status import Counts, Tally
from regnant.controllers.ledger import MAX_SOURCES, Ledger, RouterTries, Sample
from tests.unit.ledger.samples import (
    KEY,
    POD,
    ROUTER,
    at,
    challenged,
    hosts,
    servers,
    statistics,
    traffic,
)


def add(
    ledger: Ledger, sample: Sample, *, period: str = "step-10", shadowed: bool = False
) -> Tally:
    return ledger.add(KEY, period, sample, tolerance=None, shadowed=shadowed)


def counted(*samples: Sample, shadowed: bool = False) -> Tally:
    """What is counted of these looks."""
    ledger = Ledger()
    for sample in samples:
        tally = add(ledger, sample, shadowed=shadowed)
    return tally


def test_the_first_sight_counts_nothing() -> None:
    first = Sample(
        0,
        0.5,
        challenged(90, 10, 5),
        challenger=servers(0, challenger={POD: statistics(users=traffic(3, 4))}).challenger,
    )
    assert counted(first) == Tally()


def test_what_a_host_was_given_since_is_counted_once() -> None:
    looks = [at(0, routers=challenged(90, 10)), at(1, routers=challenged(95, 13, 2))]
    assert counted(*looks).challenger == Counts(tries=8, failures=3, timeouts=2)
    again = at(2, routers=challenged(95, 13, 2))
    assert counted(*looks, again).challenger == Counts(tries=8, failures=3, timeouts=2)


def test_a_router_that_misses_a_look_tells_with_the_next_one() -> None:
    looks = [at(0, routers=challenged(5)), at(1), at(2), at(3, routers=challenged(9))]
    assert counted(*looks).challenger.tries == 4


def test_a_router_that_began_again_is_counted_from_zero() -> None:
    looks = [at(0, routers=challenged(90, 10)), at(1, routers=challenged(2, 3, 3))]
    assert counted(*looks).challenger == Counts(tries=5, failures=3, timeouts=3)


def test_a_router_that_began_again_unnoticed_never_fails_more_than_it_tried() -> None:
    looks = [at(0, routers=challenged(0, 5, 0)), at(1, routers=challenged(0, 6, 6))]
    tally = counted(*looks)
    assert tally.challenger == Counts(tries=1, failures=1, timeouts=1)


def test_a_new_host_of_a_known_router_is_counted_from_its_first_try() -> None:
    before = {ROUTER: RouterTries(challenger=hosts(one=7))}
    after = {ROUTER: RouterTries(challenger=hosts(one=8, two=3))}
    assert counted(at(0, routers=before), at(1, routers=after)).challenger.tries == 4


def test_a_host_that_comes_back_with_its_counts_is_not_counted_again() -> None:
    gone = {ROUTER: RouterTries(challenger={})}
    looks = [
        at(0, routers=challenged(7)),
        at(1, routers=challenged(9)),
        at(2, routers=gone),
        at(3, routers=challenged(10)),
    ]
    assert counted(*looks).challenger.tries == 3


def test_a_router_that_is_seen_late_is_a_baseline() -> None:
    other = {"10.0.0.2": RouterTries(challenger=hosts(one=500))}
    looks = [at(0, routers=challenged(7)), at(1, routers=challenged(9) | other)]
    assert counted(*looks).challenger.tries == 2


def test_a_cluster_that_a_router_shows_late_is_a_baseline() -> None:
    looks = [at(0, routers={ROUTER: RouterTries()}), at(1, routers=challenged(500))]
    assert counted(*looks) == Tally()
    assert counted(*looks, at(2, routers=challenged(501))).challenger.tries == 1


def test_champion_challenger_and_copies_are_told_apart() -> None:
    before = {ROUTER: RouterTries(hosts(one=1), hosts(two=1), hosts(two=1))}
    after = {ROUTER: RouterTries(hosts(one=3), hosts(two=5), hosts(two=9))}
    looks = [at(0, routers=before), at(1, routers=after)]
    split, shadow = counted(*looks), counted(*looks, shadowed=True)
    assert (split.champion.tries, split.challenger.tries) == (2, 4)
    assert (shadow.champion.tries, shadow.challenger.tries) == (2, 8)


def test_answering_times_are_those_of_users_or_of_copies() -> None:
    looks = [
        servers(
            moment,
            {"c": statistics(users=traffic(0, times), shadow=traffic(100 * times))},
            {
                POD: statistics(
                    users=traffic(2 * times), shadow=traffic(3 * times, non_finite=times)
                )
            },
        )
        for moment, times in ((0, 5), (1, 6))
    ]
    split, shadow = counted(*looks), counted(*looks, shadowed=True)
    assert split.champion == shadow.champion == Counts(latency=(0, 1))
    assert split.challenger == Counts(latency=(2,))
    assert shadow.challenger == Counts(latency=(3,), non_finite=1)


def test_a_server_that_restarts_at_each_request_is_seen_each_time() -> None:
    looks = [
        servers(moment, challenger={POD: statistics(boot, traffic(1, non_finite=1))})
        for moment, boot in enumerate("abcd")
    ]
    assert counted(*looks).challenger == Counts(latency=(3,), non_finite=3)


def test_a_server_whose_counts_shrink_without_a_restart_proves_nothing() -> None:
    looks = [
        servers(moment, challenger={POD: statistics(users=traffic(count))})
        for moment, count in enumerate((9, 4, 6))
    ]
    assert counted(*looks).challenger == Counts(latency=(2,))


def test_a_look_that_began_before_the_last_one_ended_is_left_out() -> None:
    looks = [at(0, routers=challenged(7)), at(2, routers=challenged(9))]
    overlapping = Sample(1.9, 3.0, challenged(8))
    assert counted(*looks, overlapping, at(4, routers=challenged(10))).challenger.tries == 3
    assert counted(*looks, looks[0], looks[1]).challenger.tries == 2


def test_a_new_period_starts_from_the_counts_at_its_first_look() -> None:
    ledger = Ledger()
    for moment, count in ((0, 10), (1, 15)):
        tally = add(ledger, at(moment, routers=challenged(count)))
    assert tally.challenger.tries == 5
    assert add(ledger, at(2, routers=challenged(20)), period="step-25") == Tally()
    tally = add(ledger, at(3, routers=challenged(21)), period="step-25")
    assert tally.challenger.tries == 1


def test_what_was_written_down_is_not_told_again() -> None:
    ledger = Ledger()
    add(ledger, at(0, routers=challenged(0)))
    first = add(ledger, at(1, routers=challenged(4, 1)))
    ledger.settle(KEY, first)
    second = add(ledger, at(2, routers=challenged(6, 1)))
    assert second.challenger == Counts(tries=2)
    assert first + second == Tally(challenger=Counts(tries=7, failures=1))


def test_what_was_not_written_down_is_told_until_it_is() -> None:
    ledger = Ledger()
    add(ledger, at(0, routers=challenged(0)))
    add(ledger, at(1, routers=challenged(4)))
    assert add(ledger, at(2, routers=challenged(6))).challenger.tries == 6


def test_more_than_was_counted_cannot_be_settled() -> None:
    ledger = Ledger()
    add(ledger, at(0, routers=challenged(0)))
    add(ledger, at(1, routers=challenged(4)))
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        ledger.settle(KEY, Tally(challenger=Counts(tries=5)))


def test_what_was_forgotten_starts_anew() -> None:
    ledger = Ledger()
    add(ledger, at(0, routers=challenged(0)))
    add(ledger, at(1, routers=challenged(4)))
    ledger.forget(KEY)
    ledger.settle(KEY, Tally(challenger=Counts(tries=4)))
    assert add(ledger, at(2, routers=challenged(9))) == Tally()


def test_memory_is_bounded_and_what_is_seen_stays() -> None:
    ledger = Ledger()
    for moment in range(2 * MAX_SOURCES):
        passing = {f"router-{moment}": RouterTries(challenger=hosts(one=1))}
        hosts_of_one = {
            ROUTER: RouterTries(challenger=hosts(stays=moment, **{f"passing-{moment}": 0}))
        }
        pods = {f"pod-{moment}": statistics(last=1), POD: statistics(users=traffic(moment))}
        sample = servers(moment, challenger=pods)
        tally = add(
            ledger,
            Sample(
                sample.began, sample.ended, passing | hosts_of_one, challenger=sample.challenger
            ),
        )
    last = 2 * MAX_SOURCES - 1
    assert tally.challenger == Counts(tries=last, latency=(last,))
    book = ledger._books[KEY]
    assert len(book._routers) == len(book._servers) == len(book.marks) == MAX_SOURCES
    assert len(book._routers[ROUTER]["challenger"]) == MAX_SOURCES
    assert "passing-0" not in book._routers[ROUTER]["challenger"]
