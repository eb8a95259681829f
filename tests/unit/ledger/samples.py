"""Samples as a look makes them, spelled briefly."""

from __future__ import annotations

from collections.abc import Mapping

from regnant.api.meta import Kind
from regnant.controllers.ledger import RouterTries, Sample, ServerAnswers
from regnant.controllers.queue import Key
from regnant.probes.server import Outcome, OutcomePage, ServerStatistics, Traffic
from regnant.probes.statistics import HostTries, Tries

KEY = Key(Kind.INFERENCE_SERVICE, "default", "churn")
ROUTER, HOST, POD = "10.0.0.1", "10.0.1.1:8080", "10.0.1.1"


def at(moment: float, *, routers: Mapping[str, RouterTries] | None = None) -> Sample:
    """A look at that second, in which only routers answered."""
    return Sample(moment, moment + 0.5, routers or {})


def challenged(succeeded: int, failed: int = 0, timed_out: int = 0) -> dict[str, RouterTries]:
    """One router, with the tries at the challenger's one host."""
    return {ROUTER: RouterTries(challenger={HOST: Tries(succeeded, failed, timed_out)})}


def hosts(**succeeded: int) -> HostTries:
    return {name: Tries(count) for name, count in succeeded.items()}


def traffic(*latency: int, non_finite: int = 0) -> Traffic:
    return Traffic(sum(latency), 0, 0, non_finite, latency)


NOTHING = traffic(0, 0, 0)


def statistics(
    boot: str = "a", users: Traffic = NOTHING, shadow: Traffic = NOTHING, last: int = 0
) -> ServerStatistics:
    return ServerStatistics(boot, users, shadow, last)


def told(*outcomes: Outcome, boot: str = "a") -> OutcomePage:
    return OutcomePage(boot, outcomes, outcomes[-1].sequence if outcomes else 0)


def outcome(
    sequence: int,
    request_id: str,
    *,
    label: str | None = "yes",
    score: float | None = 0.5,
    shadow: bool = False,
    row: int = 0,
) -> Outcome:
    return Outcome(sequence, request_id, shadow, row, 8, label, score)


def servers(
    moment: float,
    champion: Mapping[str, ServerStatistics] | None = None,
    challenger: Mapping[str, ServerStatistics] | None = None,
) -> Sample:
    """A look at that second, in which only servers answered."""
    return Sample(
        moment,
        moment + 0.5,
        champion=ServerAnswers(champion or {}),
        challenger=ServerAnswers(challenger or {}),
    )
