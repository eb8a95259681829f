"""What a router counted and which configuration it took, read from its pages; pure.

Envoy counts each try at the host that it went to, whoever answers the user in the end. A try is in
exactly one of two counters once it is over:

    rq_success   an answer below 500; a client's own mistake (4xx) is the version working
    rq_error     an answer of 500 and above, a reset, a refused connection, or no answer in time

A try that came too late is counted in `rq_timeout` as well. A try whose user went away is in
neither: nobody knows how it would have ended. `rq_total` counts beginnings, and leaves out tries
that never got a connection, so it is not read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from regnant.probes.errors import AnswerError
from regnant.probes.pods import Answer


@dataclass(frozen=True, slots=True)
class Tries:
    """The tries at one host that are over, counted since the router has known it."""

    succeeded: int = 0
    failed: int = 0
    timed_out: int = 0
    """Those of the failed ones that came too late."""
    left_out: bool = False
    """Whether the router sends it nothing, because it failed too often or says it is not ready."""


HostTries = Mapping[str, Tries]
"""The tries at each host of a cluster, by its address and port."""


@dataclass(frozen=True, slots=True)
class Part:
    """One of the files of a router's configuration."""

    revision: str
    """What it was last accepted at; empty before the first."""
    refusals: int
    """How often it was refused since the router began: it made no sense, or was no JSON."""


@dataclass(frozen=True, slots=True)
class Discovery:
    """What a router has of its configuration, which it takes up file by file."""

    clusters: Part
    listeners: Part
    routes: Part

    @property
    def parts(self) -> tuple[Part, Part, Part]:
        """All of them."""
        return self.clusters, self.listeners, self.routes

    @property
    def refusals(self) -> int:
        """How often anything was refused since the router began."""
        return sum(part.refusals for part in self.parts)

    def has(self, revision: str) -> bool:
        """Whether the router has taken up all of this configuration."""
        return all(part.revision == revision for part in self.parts)


def read_tries(answer: Answer, clusters: Collection[str]) -> dict[str, HostTries]:
    """The tries at the hosts of these clusters; a cluster that the router lacks is left out.

    Raises:
        AnswerError: it is not Envoy's page of clusters.
    """
    try:
        return {
            cluster["name"]: _hosts(cluster.get("host_statuses", []))
            for cluster in answer.document().get("cluster_statuses", [])
            if cluster["name"] in clusters
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise AnswerError(f"{answer.path}: not a page of clusters: {error!r}") from error


def read_discovery(answer: Answer) -> Discovery:
    """Which configuration a router took, and what it refused.

    Raises:
        AnswerError: it is not Envoy's page of statistics, or lacks what is asked for.
    """
    try:
        # A counter that is zero, or a text that is empty, may have no value.
        found = {one["name"]: one.get("value", "") for one in answer.document()["stats"]}
        return Discovery(
            _part(found, "cluster_manager.cds"),
            _part(found, "listener_manager.lds"),
            _part(found, "http.users.rds.routes"),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise AnswerError(f"{answer.path}: not a page of statistics: {error!r}") from error


def _part(found: Mapping[str, Any], prefix: str) -> Part:
    counters = (found[f"{prefix}.update_rejected"], found[f"{prefix}.update_failure"])
    return Part(
        str(found[f"{prefix}.version_text"]), sum(int(counter or 0) for counter in counters)
    )


def _hosts(statuses: list[dict[str, Any]]) -> dict[str, Tries]:
    found: dict[str, Tries] = {}
    for status in statuses:
        address = status["address"]["socket_address"]
        # A counter that is zero has no value.
        counted = {one["name"]: int(one.get("value", 0)) for one in status["stats"]}
        health = status.get("health_status", {})
        failed = counted["rq_error"]
        found[f"{address['address']}:{address['port_value']}"] = Tries(
            succeeded=counted["rq_success"],
            failed=failed,
            # The counters are read one after another while they grow: one that was too late between
            # two readings shows with the next look.
            timed_out=min(counted["rq_timeout"], failed),
            left_out=bool(
                health.get("failed_outlier_check") or health.get("failed_active_health_check")
            ),
        )
    return found
