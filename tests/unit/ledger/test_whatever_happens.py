"""Whatever the order of restarts, gaps, repeats and writings: no count is made up, none goes down.

A small world of routers and servers lives beside the ledger and keeps the truth; the ledger sees it
only through looks. Where nothing was lost on the way, it must know the truth exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from regnant.api.rollout_status import Counts, Pairs, Tally
from regnant.controllers.ledger import Ledger, RouterTries, Sample, ServerAnswers
from regnant.probes.server import Outcome, OutcomePage, ServerStatistics, Traffic
from regnant.probes.statistics import Tries
from tests.unit.ledger.samples import KEY

ROUTERS = ("router-1", "router-2")
CHAMPIONS = ("champion-1", "champion-2")
CHALLENGERS = ("challenger-1", "challenger-2")
SERVERS = CHAMPIONS + CHALLENGERS
BUCKETS = 3
EMPTY = Traffic(0, 0, 0, 0, (0,) * BUCKETS)
boots = count()

router_names = st.sampled_from(ROUTERS)
server_names = st.sampled_from(SERVERS)
some_pods = st.sets(st.sampled_from(ROUTERS + SERVERS))


@dataclass
class Server:
    """A process: what it counted goes with it."""

    boot: str = field(default_factory=lambda: f"boot-{next(boots)}")
    users: Traffic = EMPTY
    shadow: Traffic = EMPTY
    outcomes: list[Outcome] = field(default_factory=list)

    def page(self, after: int, limit: int) -> OutcomePage:
        return OutcomePage(
            self.boot, tuple(self.outcomes[after : after + limit]), len(self.outcomes)
        )

    @property
    def statistics(self) -> ServerStatistics:
        return ServerStatistics(self.boot, self.users, self.shadow, len(self.outcomes))


class World(RuleBasedStateMachine):
    """Pods that come, go and count, an operator that looks at them, and the truth."""

    @initialize()
    def begin(self) -> None:
        self.ledger = Ledger()
        self.now = 0.0
        self.routers: dict[str, dict[tuple[str, str], Tries]] = {name: {} for name in ROUTERS}
        self.servers = {name: Server() for name in SERVERS}
        self.samples: list[Sample] = []
        self.periods = self.lives = 0
        self.requests: dict[str, dict[str, str]] = {}
        """The label of each side's first outcome in this period, by request id."""
        self.new_period()

    @rule()
    def new_period(self) -> None:
        self.periods += 1
        self.has_begun = False
        self.lost = False
        self.truth = Tally()
        self.written = Tally()
        self.pending = Tally()
        self.requests = {}
        self.seen: set[str] = set()

    # What happens to pods.

    @rule(
        router=router_names,
        host=st.sampled_from(("a", "b")),
        role=st.sampled_from(("champion", "shadow", "challenger")),
        tried=st.builds(
            lambda succeeded, timed_out, reset: Tries(succeeded, timed_out + reset, timed_out),
            *[st.integers(0, 3)] * 3,
        ),
    )
    def a_router_tries(self, router: str, host: str, role: str, tried: Tries) -> None:
        before = self.routers[router].get((role, host), Tries())
        self.routers[router][role, host] = Tries(
            before.succeeded + tried.succeeded,
            before.failed + tried.failed,
            before.timed_out + tried.timed_out,
        )
        counts = Counts(
            tries=tried.succeeded + tried.failed, failures=tried.failed, timeouts=tried.timed_out
        )
        if role == "champion":
            self.truth += Tally(champion=counts)
        elif role == "shadow":
            self.truth += Tally(challenger=counts)

    @rule(router=router_names)
    def a_router_restarts(self, router: str) -> None:
        self.routers[router] = {}
        self.lost = True

    @rule(router=router_names, host=st.sampled_from(("a", "b")))
    def a_host_leaves_a_router(self, router: str, host: str) -> None:
        for role in ("champion", "shadow", "challenger"):
            self.routers[router].pop((role, host), None)
        self.lost = True

    @rule(
        server=server_names,
        shadow=st.booleans(),
        bucket=st.integers(0, BUCKETS - 1),
        non_finite=st.integers(0, 1),
    )
    def a_server_answers(self, server: str, shadow: bool, bucket: int, non_finite: int) -> None:
        own = self.servers[server]
        one = tuple(int(bucket == index) for index in range(BUCKETS))
        before = own.shadow if shadow else own.users
        after = Traffic(
            before.ok + 1,
            0,
            0,
            before.non_finite + non_finite,
            tuple(map(int.__add__, before.latency, one)),
        )
        counts = Counts(non_finite=non_finite, latency=one)
        if shadow:
            own.shadow = after
        else:
            own.users = after
        if server in CHALLENGERS and shadow:
            self.truth += Tally(challenger=counts)
        elif server in CHAMPIONS and not shadow:
            self.truth += Tally(champion=counts)

    @rule(server=server_names)
    def a_server_restarts(self, server: str) -> None:
        self.servers[server] = Server()
        self.lost = True

    @rule(
        kept=st.lists(st.tuples(server_names, st.sampled_from("yn")), min_size=1, max_size=4),
        number=st.integers(0, 3),
    )
    def outcomes_are_kept(self, kept: list[tuple[str, str]], number: int) -> None:
        """Of one request id, by several replicas of both sides, or by one several times."""
        name = f"{self.periods}-{self.lives}-{number}"
        for server, label in kept:
            own, side = self.servers[server], "champion" if server in CHAMPIONS else "challenger"
            own.outcomes.append(
                Outcome(len(own.outcomes) + 1, name, side == "challenger", 0, 1, label, 0.5)
            )
            if not self.has_begun:
                continue
            labels = self.requests.setdefault(name, {})
            if side not in labels:
                labels[side] = label
                self.truth += Tally(pairs=Pairs(total=len(labels) == 2))
            elif labels[side] != label:
                # Which replica is read first is chance, and so is the label that counts.
                labels[side] = "?"

    # What the operator does.

    @rule(missing=some_pods, limit=st.integers(1, 4), settles=st.booleans())
    def look(self, missing: set[str], limit: int, settles: bool) -> None:
        if not self.has_begun:
            self.has_begun = True
            self.truth = Tally()
            self.requests = {}
        came = set(ROUTERS + SERVERS) - missing
        # A pod that is first seen later is a baseline then.
        self.lost |= bool(came - self.seen if self.seen else missing)
        self.seen |= came
        sample = self._sample(came, limit)
        self.samples.append(sample)
        self._add(sample)
        if settles:
            self.settle()

    @precondition(lambda self: self.samples)
    @rule(data=st.data())
    def a_sample_comes_again(self, data: st.DataObject) -> None:
        if self.has_begun:
            self._add(data.draw(st.sampled_from(self.samples)))

    @rule()
    def settle(self) -> None:
        self.ledger.settle(KEY, self.pending)
        self.written += self.pending
        self.pending = Tally()

    @rule()
    def nobody_knows_what_was_written(self) -> None:
        """It was written, and the answer was lost.

        A look that began before is over by then: those of one service follow one another.
        """
        self.ledger.forget(KEY)
        self.samples.clear()
        self.written += self.pending
        self.pending = Tally()
        self.lost = True
        self.lives += 1

    @invariant()
    def nothing_is_made_up(self) -> None:
        if self.has_begun:
            known = self.written + self.pending
            assert not exceeding(known, self.truth), (known, self.truth)
            agreeing = sum(
                len(labels) == 2 and len({*labels.values(), "?"}) <= 2
                for labels in self.requests.values()
            )
            assert known.pairs.agreeing <= agreeing

    def teardown(self) -> None:
        if not self.has_begun or self.lost:
            return
        for _ in range(100):
            self._add(self._sample(set(ROUTERS + SERVERS), limit=4))
        known = self.written + self.pending
        assert not exceeding(self.truth, known), (known, self.truth)

    def _sample(self, came: set[str], limit: int) -> Sample:
        self.now += 0.01
        marks = self.ledger.marks(KEY, str(self.periods))

        def told(names: tuple[str, ...]) -> ServerAnswers:
            present = [name for name in names if name in came]
            return ServerAnswers(
                {name: self.servers[name].statistics for name in present},
                {
                    name: self.servers[name].page(marks[name].sequence, limit)
                    for name in present
                    if name in marks
                },
            )

        routers = {
            router: RouterTries(
                **{
                    role: {host: tries for (part, host), tries in kept.items() if part == role}
                    for role in ("champion", "shadow", "challenger")
                }
            )
            for router, kept in self.routers.items()
            if router in came
        }
        began, self.now = self.now, self.now + 0.005
        return Sample(began, self.now, routers, told(CHAMPIONS), told(CHALLENGERS))

    def _add(self, sample: Sample) -> None:
        before = self.pending
        self.pending = self.ledger.add(
            KEY, str(self.periods), sample, tolerance=None, shadowed=True
        )
        assert not exceeding(before, self.pending), "a tally went down"


def exceeding(one: Tally, other: Tally) -> list[str]:
    """Where one tally has more than the other."""
    found = []
    for role in ("champion", "challenger"):
        mine, theirs = getattr(one, role), getattr(other, role)
        pairs = [
            (getattr(mine, name), getattr(theirs, name))
            for name in ("tries", "failures", "timeouts", "non_finite")
        ]
        pairs += zip(mine.latency, theirs.latency + (0,) * len(mine.latency), strict=False)
        found += [f"{role}: {pair}" for pair in pairs if pair[0] > pair[1]]
    if one.pairs.total > other.pairs.total:
        found.append("pairs")
    return found


TestWhateverHappens = World.TestCase
TestWhateverHappens.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
