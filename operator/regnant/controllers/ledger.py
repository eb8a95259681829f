"""What was counted while a rollout is open, and is not yet written down; pure, in memory.

Routers and servers tell cumulative counts; a look at them is a `Sample`. The ledger keeps the last
counts of every source and adds what they grew by. The rule behind everything here:

    Only what provably happened in this period is counted. What cannot be proven is left out.

- The first sight of a pod, or of a router's cluster, in a period is a baseline and counts nothing:
  its counts may be older.
- From then on whatever that address tells beyond what it told before is new. A process that began
  since then (another boot id, counters that went down) began at 0, so all of its counts are new: a
  server that fails and restarts time and again is seen each time. The same holds for a host that a
  known cluster of a router did not have at the last look.
- A look that a pod missed costs nothing: its next one tells all of what happened in between.
- A look that began before the last one ended could tell older counts than those known. It is left
  out.

So the tally may miss what a process counted just before it ended, and never exceeds what happened.
A new period, which is a new stage, starts from the counts at its first look. The ledger is lost
with the process, like every baseline in it; what was written down is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TypeVar

from regnant.api.rollout_status import Counts, Pairs, Tally
from regnant.controllers.pairing import Pairing
from regnant.controllers.queue import Key
from regnant.probes.server import Outcome, OutcomePage, ServerStatistics, Traffic
from regnant.probes.statistics import HostTries, Tries

_Name = TypeVar("_Name")
_Value = TypeVar("_Value")

MAX_SOURCES = 1024
"""How many routers, servers, and hosts of a cluster are remembered; the longest unseen go."""


@dataclass(frozen=True, slots=True)
class RouterTries:
    """What one router counted; nothing is not the same as no hosts: it lacks the cluster."""

    champion: HostTries | None = None
    challenger: HostTries | None = None
    shadow: HostTries | None = None
    """The challenger's tries at copies of the champion's requests."""

    @property
    def by_role(self) -> Iterator[tuple[str, HostTries]]:
        """The clusters that it has."""
        roles = {"champion": self.champion, "challenger": self.challenger, "shadow": self.shadow}
        return ((role, hosts) for role, hosts in roles.items() if hosts is not None)


@dataclass(frozen=True, slots=True)
class ServerAnswers:
    """What the servers of one version told, by their addresses."""

    statistics: Mapping[str, ServerStatistics] = field(default_factory=dict)
    outcomes: Mapping[str, OutcomePage] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sample:
    """One look; whoever did not answer in time is missing."""

    began: float
    ended: float
    """By a clock that only goes forward."""
    routers: Mapping[str, RouterTries] = field(default_factory=dict)
    champion: ServerAnswers = field(default_factory=ServerAnswers)
    challenger: ServerAnswers = field(default_factory=ServerAnswers)
    missing: Mapping[str, str] = field(default_factory=dict)
    """Why a pod is missing, by its address."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Up to which outcome a server was read."""

    boot: str
    sequence: int


class Ledger:
    """The counts of every open rollout, by the service that it belongs to."""

    def __init__(self) -> None:
        self._books: dict[Key, _Book] = {}

    def add(
        self, key: Key, period: str, sample: Sample, *, tolerance: float | None, shadowed: bool
    ) -> Tally:
        """Count what a look shows; all that was counted in this period and is not written down.

        With `shadowed` the challenger is judged by what it did with copies of requests, otherwise
        by what users asked it. The champion is always judged by what users asked it.
        """
        book = self._books.get(key)
        if book is None or book.period != period:
            book = self._books[key] = _Book(period)
        if sample.began >= book.ended:
            book.take(sample, tolerance=tolerance, shadowed=shadowed)
        return book.pending

    def settle(self, key: Key, tally: Tally) -> None:
        """So much of what `add` returned last was written down.

        Whoever cannot tell whether a writing succeeded calls `forget` instead: it may cost some
        counts, and counts none twice.
        """
        book = self._books.get(key)
        if book is not None:
            book.pending = _without(book.pending, tally)

    def forget(self, key: Key) -> None:
        """No rollout is open any more, or nobody knows what of it was written down."""
        self._books.pop(key, None)

    def marks(self, key: Key, period: str) -> Mapping[str, Mark]:
        """From where on each server's outcomes are new, by its address, for the next look.

        Empty at the beginning of a period: what servers kept before is none of its outcomes.
        """
        book = self._books.get(key)
        return dict(book.marks) if book is not None and book.period == period else {}


class _Book:
    """One period of one rollout."""

    def __init__(self, period: str) -> None:
        self.period = period
        self.ended = float("-inf")
        self.pending = Tally()
        self.marks: dict[str, Mark] = {}
        self.pairing = Pairing()
        self._routers: dict[str, dict[str, dict[str, Tries]]] = {}
        """The tries last seen, by router, role and host."""
        self._servers: dict[str, ServerStatistics] = {}

    def take(self, sample: Sample, *, tolerance: float | None, shadowed: bool) -> None:
        """Count what is new in a sample."""
        self.ended = sample.ended
        champion, challenger = Counts(), Counts()
        for router, tries in sample.routers.items():
            found = self._tries(router, tries)
            champion += _counts(found["champion"])
            challenger += _counts(found["shadow" if shadowed else "challenger"])
        pairs = self._pairs(sample, tolerance)
        for server, statistics in sample.champion.statistics.items():
            champion += self._answers(server, statistics, shadowed=False)
        for server, statistics in sample.challenger.statistics.items():
            challenger += self._answers(server, statistics, shadowed=shadowed)
        self._forget_unseen()
        self.pending += Tally(champion=champion, challenger=challenger, pairs=pairs)

    def _tries(self, router: str, now: RouterTries) -> dict[str, Tries]:
        """What a router counted since it was last seen, by the part that it plays."""
        clusters = self._routers[router] = self._routers.pop(router, {})
        grown = {"champion": Tries(), "challenger": Tries(), "shadow": Tries()}
        for role, hosts in now.by_role:
            is_known = role in clusters
            known = clusters.setdefault(role, {})
            for host, tries in hosts.items():
                last = known.pop(host, Tries())
                known[host] = tries
                if is_known:
                    grown[role] = _both(grown[role], _tries_since(last, tries))
            _keep_newest(known)
        return grown

    def _answers(self, server: str, now: ServerStatistics, *, shadowed: bool) -> Counts:
        """What a server answered since it was last seen; also notes from where outcomes count."""
        before = self._servers.pop(server, None)
        self._servers[server] = now
        if before is None:
            self.marks[server] = Mark(now.boot, now.last_outcome)
            return Counts()
        traffic = now.shadow if shadowed else now.users
        if before.boot != now.boot:
            self.marks[server] = Mark(now.boot, 0)
            return Counts(non_finite=traffic.non_finite, latency=traffic.latency)
        return _answers_since(before.shadow if shadowed else before.users, traffic)

    def _pairs(self, sample: Sample, tolerance: float | None) -> Pairs:
        """What is new among the outcomes, joined: users' answers with those to their copies."""
        champion = [one for one in self._unread(sample.champion.outcomes) if not one.shadow]
        challenger = [one for one in self._unread(sample.challenger.outcomes) if one.shadow]
        return self.pairing.join(champion, challenger, now=sample.ended, tolerance=tolerance)

    def _unread(self, pages: Mapping[str, OutcomePage]) -> Iterator[Outcome]:
        for server, page in pages.items():
            mark = self.marks.get(server)
            if mark is None or mark.boot != page.boot:
                continue
            fresh = [one for one in page.outcomes if one.sequence > mark.sequence]
            if fresh:
                self.marks[server] = Mark(page.boot, fresh[-1].sequence)
            yield from fresh

    def _forget_unseen(self) -> None:
        _keep_newest(self._routers)
        _keep_newest(self._servers)
        for server in self.marks.keys() - self._servers.keys():
            del self.marks[server]


def _tries_since(before: Tries, now: Tries) -> Tries:
    """What came to a host's counters; those that went down began again at 0."""
    pairs = (
        (before.succeeded, now.succeeded),
        (before.failed, now.failed),
        (before.timed_out, now.timed_out),
    )
    if any(last > current for last, current in pairs):
        return now
    succeeded, failed, timed_out = (current - last for last, current in pairs)
    # They may have begun again unnoticed, and then have grown past what they were unevenly.
    return Tries(succeeded, failed, min(timed_out, failed))


def _answers_since(before: Traffic, now: Traffic) -> Counts:
    """What came to the counters of a process, which only ever grow; others prove nothing."""
    buckets = list(zip_longest(now.latency, before.latency, fillvalue=0))
    if now.non_finite < before.non_finite or any(one < other for one, other in buckets):
        return Counts()
    return Counts(
        non_finite=now.non_finite - before.non_finite,
        latency=tuple(one - other for one, other in buckets),
    )


def _counts(tries: Tries) -> Counts:
    return Counts(
        tries=tries.succeeded + tries.failed, failures=tries.failed, timeouts=tries.timed_out
    )


def _both(one: Tries, other: Tries) -> Tries:
    return Tries(
        one.succeeded + other.succeeded,
        one.failed + other.failed,
        one.timed_out + other.timed_out,
    )


def _keep_newest(seen: dict[_Name, _Value]) -> None:
    """Forget the longest unseen; a dict keeps the order in which its keys came in."""
    for name in list(seen)[: max(0, len(seen) - MAX_SOURCES)]:
        del seen[name]


def _without(tally: Tally, part: Tally) -> Tally:
    """What is left of a tally; more than all of it cannot have been counted here."""
    return Tally(
        champion=_counts_without(tally.champion, part.champion),
        challenger=_counts_without(tally.challenger, part.challenger),
        pairs=Pairs(
            total=tally.pairs.total - part.pairs.total,
            agreeing=tally.pairs.agreeing - part.pairs.agreeing,
        ),
    )


def _counts_without(counts: Counts, part: Counts) -> Counts:
    return Counts(
        tries=counts.tries - part.tries,
        failures=counts.failures - part.failures,
        timeouts=counts.timeouts - part.timeouts,
        non_finite=counts.non_finite - part.non_finite,
        latency=tuple(
            one - other for one, other in zip_longest(counts.latency, part.latency, fillvalue=0)
        ),
    )
