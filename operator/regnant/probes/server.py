"""What one server pod tells of itself: how many requests it answered, in what time, and what.

A server counts what users asked and what was mirrored to it apart, and counts no verification. Its
numbers belong to one start of the process, named by `boot`. An answer of another bundle, or one
whose buckets mean other times than ours, is an error and never a count.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp

from regnant.api.latency import BUCKETS, FIRST_MICROSECONDS, GROWTH
from regnant.manifests.server import PORT
from regnant.probes.errors import AnswerError
from regnant.probes.pods import Answer, Pods

STATISTICS = "/regnant/v1/stats"
OUTCOMES = "/regnant/v1/outcomes"
PAGE = 1000
"""The most outcomes that a server hands out at a time."""
_UNIT = "us"


@dataclass(frozen=True, slots=True)
class Traffic:
    """The inferences of one kind since the process began."""

    ok: int
    client_errors: int
    server_errors: int
    non_finite: int
    """Answers with NaN or an infinity in them."""
    latency: tuple[int, ...]
    """Answers that are ok by the time that they took, in the buckets of `Counts.latency`."""

    @property
    def slowest(self) -> timedelta:
        """As long as the slowest answer may have taken: the end of the last bucket that has one."""
        last = max((place for place, count in enumerate(self.latency) if count), default=None)
        if last is None:
            return timedelta(0)
        return timedelta(microseconds=FIRST_MICROSECONDS * GROWTH**last)


@dataclass(frozen=True, slots=True)
class ServerStatistics:
    """All counts of one process."""

    boot: str
    users: Traffic
    shadow: Traffic
    last_outcome: int
    """The number of the newest outcome that was kept."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was answered to one row of one request."""

    sequence: int
    request_id: str
    shadow: bool
    row: int
    rows: int
    label: str | None
    score: float | None


@dataclass(frozen=True, slots=True)
class OutcomePage:
    """Outcomes of one process, oldest first."""

    boot: str
    outcomes: tuple[Outcome, ...]
    last: int
    """The number of the newest outcome that was kept, on this page or not."""


class Servers:
    """Asks server pods by their addresses."""

    def __init__(self, session: aiohttp.ClientSession, *, port: int = PORT) -> None:
        self._pods = Pods(session, port)

    async def statistics(self, pod_ip: str, digest: str) -> ServerStatistics:
        """The counts of the server of this bundle.

        Raises:
            UnreachableError: nobody answered.
            AnswerError: another bundle's server answered, or the answer is none.
        """
        answer = await self._pods.ask("GET", pod_ip, STATISTICS)
        return _statistics(answer, digest)

    async def outcomes(self, pod_ip: str, digest: str, after: int) -> OutcomePage:
        """The outcomes behind a number, as many as the server hands out at a time.

        Raises:
            UnreachableError: nobody answered.
            AnswerError: another bundle's server answered, or the answer is none.
        """
        path = f"{OUTCOMES}?after={after}&limit={PAGE}"
        answer = await self._pods.ask("GET", pod_ip, path)
        _check_digest(answer, answer.headers.get("x-regnant-digest"), digest)
        return _page(answer)


def _statistics(answer: Answer, digest: str) -> ServerStatistics:
    document = answer.document()
    _check_digest(answer, document.get("digest"), digest)
    try:
        return ServerStatistics(
            _text(document["boot"]),
            _traffic(document),
            _traffic(document["shadow"]),
            _count(document["outcomes"]["lastSequence"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise AnswerError(f"{answer.path}: not a server's counts: {error!r}") from error


def _page(answer: Answer) -> OutcomePage:
    document = answer.document()
    try:
        return OutcomePage(
            _text(document["boot"]),
            tuple(_outcome(one) for one in document["outcomes"]),
            _count(document["lastSequence"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise AnswerError(f"{answer.path}: not a page of outcomes: {error!r}") from error


def _check_digest(answer: Answer, said: Any, wanted: str) -> None:
    if said != wanted:
        raise AnswerError(f"{answer.path}: {wanted} was asked, but {said} answered")


def _traffic(document: dict[str, Any]) -> Traffic:
    requests = document["requests"]
    return Traffic(
        ok=_count(requests["ok"]),
        client_errors=_count(requests["client_error"]),
        server_errors=_count(requests["server_error"]),
        non_finite=_count(document["nonFinite"]),
        latency=_buckets(document["latency"]),
    )


def _buckets(latency: dict[str, Any]) -> tuple[int, ...]:
    meaning = (latency["unit"], latency["first"], latency["growth"])
    if meaning != (_UNIT, FIRST_MICROSECONDS, GROWTH):
        raise ValueError(f"buckets of other times than ours: {meaning}")
    counts: Sequence[Any] = latency["counts"]
    if len(counts) > BUCKETS:
        raise ValueError(f"{len(counts)} buckets")
    return tuple(_count(one) for one in counts)


def _outcome(document: dict[str, Any]) -> Outcome:
    label, score = document["label"], document["score"]
    return Outcome(
        sequence=_count(document["sequence"]),
        request_id=_text(document["id"]),
        shadow=document["shadow"] is True,
        row=_count(document["row"]),
        rows=_count(document["rows"]),
        label=None if label is None else _text(label),
        score=None if score is None else _finite(score),
    )


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is not a count")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value


def _finite(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is not a number")
    return float(value)
