"""Who has not answered the looks of a rollout for a while, said once in the log and in the status.

A pod that misses one look costs nothing. One that misses all of them, as when a NetworkPolicy is
in the way, leaves the rollout waiting for requests that are never counted. So it is named when the
silent pods become others, and not at every look: words that changed with each would be written to
the API server each time.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from regnant.controllers.ledger import Sample
from regnant.controllers.queue import Key

logger = logging.getLogger(__name__)

PATIENCE = 5.0
"""For how many seconds a pod may miss looks before it is named: it may start, or be busy."""
_MOST_NAMED = 5


@dataclass(slots=True)
class _Missed:
    """What a rollout's pods did not answer."""

    since: dict[str, float] = field(default_factory=dict)
    """When each pod that is missing now missed its first look."""
    told: Mapping[str, str] = field(default_factory=dict)
    """Why each silent pod was so when it was named, by its address."""


class Silence:
    """The silent pods of every open rollout."""

    def __init__(self) -> None:
        self._missed: dict[Key, _Missed] = {}

    def notice(self, key: Key, sample: Sample) -> Mapping[str, str]:
        """Take in whom a look missed, and say it if others are silent than were.

        Returns:
            Why each silent pod is so, by its address: the same until others are silent.
        """
        missed = self._missed.setdefault(key, _Missed())
        missed.since = {pod: missed.since.get(pod, sample.began) for pod in sample.missing}
        silent = {
            pod: sample.missing[pod]
            for pod, since in sorted(missed.since.items())
            if sample.ended - since >= PATIENCE
        }
        if silent.keys() == missed.told.keys():
            return missed.told
        missed.told = silent
        if not silent:
            answered = key.log_fields() | {"reason": "PodsAnswer"}
            logger.info("%s: all pods that are asked answer again", key, extra=answered)
            return silent
        logger.warning(
            "%s: no answer to the operator for %g s, so nothing is counted there: %s; "
            "it must reach port 8081 of routers and port 8080 of servers",
            key,
            PATIENCE,
            _named(silent),
            extra=key.log_fields() | {"reason": "PodsSilent"},
        )
        return silent

    def forget(self, key: Key) -> None:
        """Nobody is asked for this service any more."""
        self._missed.pop(key, None)


def _named(reasons: dict[str, str]) -> str:
    first = [f"{pod} ({why})" for pod, why in list(reasons.items())[:_MOST_NAMED]]
    more = len(reasons) - len(first)
    return ", ".join(first) + (f" and {more} more" if more else "")
