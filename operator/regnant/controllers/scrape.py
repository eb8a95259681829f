"""One look at all routers and servers of an open rollout, at the same time and within a deadline.

Whoever does not answer in time, or not as it must, is left out of the sample and named there; the
ledger knows how to go on without. A look is made about once a second for every open rollout, so it
asks each pod for as little as can be.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from regnant.controllers.ledger import Mark, RouterTries, Sample, ServerAnswers
from regnant.manifests import routing
from regnant.manifests.router_config.clusters import servers_cluster, shadow_cluster
from regnant.probes import Prober
from regnant.probes.errors import ProbeError
from regnant.probes.server import PAGE, OutcomePage

DEADLINE = 0.8
"""Seconds; less than the pause between two looks."""
MAX_PAGES = 4
"""How many pages of outcomes are read of a server in one look; what is left waits in its ring."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Variant:
    """A version, and the addresses of its server pods."""

    version: int
    digest: str
    pods: tuple[str, ...]

    @property
    def cluster(self) -> str:
        """The routers' name of its servers."""
        return servers_cluster(self._routed)

    @property
    def shadow_cluster(self) -> str:
        """The routers' name of its servers where they get copies of requests."""
        return shadow_cluster(self._routed)

    @property
    def _routed(self) -> routing.Variant:
        return routing.Variant("", self.version, self.digest, 0)


async def look(
    prober: Prober,
    routers: Sequence[str],
    champion: Variant | None,
    challenger: Variant,
    *,
    pairs: bool,
    marks: Mapping[str, Mark] | None = None,
) -> Sample:
    """What all pods of a rollout tell now.

    With `pairs` the outcomes behind `marks` (from `Ledger.marks`) are read too.
    """
    clock = asyncio.get_running_loop().time
    began = clock()
    seen = _Look(prober, began + DEADLINE, (marks or {}) if pairs else {})
    found, reigning, candidate = await asyncio.gather(
        seen.routers(routers, champion, challenger),
        seen.servers(champion),
        seen.servers(challenger),
    )
    return Sample(began, clock(), found, reigning, candidate, seen.missing)


class _Look:
    """The questions of one look, which share a deadline."""

    def __init__(self, prober: Prober, until: float, marks: Mapping[str, Mark]) -> None:
        self._prober = prober
        self._until = until
        self._marks = marks
        self.missing: dict[str, str] = {}

    async def routers(
        self, pods: Sequence[str], champion: Variant | None, challenger: Variant
    ) -> dict[str, RouterTries]:
        """What the routers counted."""
        clusters = [challenger.cluster, challenger.shadow_cluster]
        if champion is not None:
            clusters.append(champion.cluster)
        pages = await self._all({pod: self._prober.tries(pod, clusters) for pod in set(pods)})
        return {
            pod: RouterTries(
                champion=page.get(champion.cluster) if champion else None,
                challenger=page.get(challenger.cluster),
                shadow=page.get(challenger.shadow_cluster),
            )
            for pod, page in pages.items()
        }

    async def servers(self, variant: Variant | None) -> ServerAnswers:
        """What the servers of a version counted and, from a mark on, what they answered."""
        if variant is None:
            return ServerAnswers()
        ask, digest = self._prober.servers, variant.digest
        statistics, outcomes = await asyncio.gather(
            self._all({pod: ask.statistics(pod, digest) for pod in set(variant.pods)}),
            self._all(
                {
                    pod: self._outcomes(pod, digest, self._marks[pod])
                    for pod in set(variant.pods)
                    if pod in self._marks
                }
            ),
        )
        return ServerAnswers(statistics, outcomes)

    async def _outcomes(self, pod: str, digest: str, mark: Mark) -> OutcomePage:
        """Several pages as one, as far as there is time."""
        page = await self._prober.servers.outcomes(pod, digest, mark.sequence)
        found = list(page.outcomes)
        for _ in range(1, MAX_PAGES):
            if len(page.outcomes) < PAGE:
                break
            after = found[-1].sequence
            more = await self._all({pod: self._prober.servers.outcomes(pod, digest, after)})
            if pod not in more or more[pod].boot != page.boot:
                break
            page = more[pod]
            found += page.outcomes
        return OutcomePage(page.boot, tuple(found), page.last)

    async def _all(self, questions: Mapping[str, Coroutine[None, None, _T]]) -> dict[str, _T]:
        """The answers that come in time."""
        answers = await asyncio.gather(
            *(self._attempt(pod, question) for pod, question in questions.items())
        )
        return {pod: got for pod, got in zip(questions, answers, strict=True) if got is not None}

    async def _attempt(self, pod: str, question: Coroutine[None, None, _T]) -> _T | None:
        try:
            async with asyncio.timeout_at(self._until):
                return await question
        except TimeoutError:
            self.missing[pod] = f"no answer within {DEADLINE:g} s"
        except ProbeError as error:
            self.missing[pod] = str(error)
        return None
