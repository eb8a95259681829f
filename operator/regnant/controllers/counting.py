"""Counting for a decision: one look at the pods of an open rollout, and what is new since the last.

What was counted is offered to the decision as pending until it stands in the status. Whether it
does is read from the status itself at the next look: the date of the written evidence moves with
every writing. So a writing that failed, or of which nobody knows, neither loses nor doubles counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from regnant.api.inference_service import InferenceServiceStatus
from regnant.api.rollout_status import Evidence, Serving, Tally
from regnant.controllers.ledger import Ledger, Sample
from regnant.controllers.queue import Key
from regnant.controllers.scrape import Variant, look
from regnant.controllers.silence import Silence
from regnant.probes import Prober


@dataclass(frozen=True, slots=True)
class Contest:
    """What is counted now: who is compared with whom, and since when."""

    period: str
    """Names the stage, or the watch; counts of another period do not belong to it."""
    evidence: Evidence | None
    """What of it is written down; None as long as the routers are not seen to have the stage. Then
    the look is for where the counters stand, and what it counts is dropped."""
    challenger: Serving
    champion: Serving | None = None
    """None while a new champion is watched: the former one has no traffic."""
    shadowed: bool = False
    """Whether the challenger gets copies of requests instead of requests."""
    tolerance: float | None = None
    """How far apart the scores of a pair may be."""


def contest(status: InferenceServiceStatus) -> Contest | None:
    """What is to be counted, as the status has it; None while nothing is."""
    transition = status.rollout
    if transition is None or transition.rollback:
        return None
    if transition.promoting_at:
        return Contest(f"{transition.id}/watch", transition.watch, transition.to)
    stage = transition.stage
    if stage is None:
        return None
    closeness = stage.shadow.score_tolerance if stage.shadow else None
    return Contest(
        period=f"{transition.id}/{stage.decided_at.isoformat()}",
        evidence=stage.evidence,
        challenger=transition.to,
        champion=status.champion,
        shadowed=stage.shadow is not None,
        tolerance=None if closeness is None else float(closeness),
    )


@dataclass(frozen=True, slots=True)
class _Offer:
    """What a decision was last offered, and the written evidence that it was to be added to."""

    period: str
    written_at: datetime | None
    tally: Tally


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look gave."""

    tally: Tally = field(default_factory=Tally)
    """What was counted and does not stand in the status yet."""
    heard: frozenset[str] = frozenset()
    """The digests of which a server answered."""
    silent: Mapping[str, str] = field(default_factory=dict)
    """Why a pod has not answered for a while, by its address."""


class Counter:
    """Counts for every open rollout."""

    def __init__(self, prober: Prober) -> None:
        self._prober = prober
        self._ledger = Ledger()
        self._silence = Silence()
        self._offers: dict[Key, _Offer] = {}

    async def count(
        self,
        key: Key,
        subject: Contest,
        routers: Sequence[str],
        champion: Variant | None,
        challenger: Variant,
    ) -> Seen:
        """What was counted and does not stand in the status yet, with a look at all pods now."""
        period = subject.period
        written_at = subject.evidence.at if subject.evidence else None
        offer = self._offers.pop(key, None)
        if offer and offer.period == period and offer.written_at != written_at:
            self._ledger.settle(key, offer.tally)
        sample = await look(
            self._prober,
            routers,
            champion,
            challenger,
            pairs=subject.shadowed,
            marks=self._ledger.marks(key, period),
        )
        silent = self._silence.notice(key, sample)
        tally = self._ledger.add(
            key, period, sample, tolerance=subject.tolerance, shadowed=subject.shadowed
        )
        self._offers[key] = _Offer(period, written_at, tally)
        return Seen(tally, frozenset(_heard(sample, champion, challenger)), silent)

    def forget(self, key: Key) -> None:
        """Nothing is counted for this service any more."""
        self._offers.pop(key, None)
        self._silence.forget(key)
        self._ledger.forget(key)


def _heard(sample: Sample, champion: Variant | None, challenger: Variant) -> Iterator[str]:
    """The versions of which a server answered a look."""
    if champion and sample.champion.statistics:
        yield champion.digest
    if sample.challenger.statistics:
        yield challenger.digest
