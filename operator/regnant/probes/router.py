"""Asking one router pod, on the listener that only the operator reaches.

That listener passes a question to exactly the version that a header names, without retries and
without the fallback that protects users, so that an answer is that version's own.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Self

import httpx

from regnant.manifests.router_config.place import VERIFICATION_PORT
from regnant.manifests.router_config.routes import VERSION_HEADER
from regnant.probes.comparison import Tensor, Tolerance, first_difference, read_tensors
from regnant.probes.errors import AnswerError, ProbeError, UnreachableError

GOLDEN_ROWS = 16
_NOBODY_ANSWERS = {
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}
_LONGEST_DETAIL = 512


@dataclass(frozen=True, slots=True)
class Target:
    """The version that is asked, and the digest that it must prove to be."""

    model: str
    version: int
    digest: str


@dataclass(frozen=True, slots=True)
class GoldenSample:
    """Some golden rows of a bundle: a question, and the answer that belongs to it."""

    request: Mapping[str, Any]
    expected: tuple[Tensor, ...]
    tolerance: Tolerance


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """Whether a version answered its golden rows as it must; `message` says what differs."""

    passed: bool
    message: str = ""


class Prober:
    """Asks pods by their addresses."""

    def __init__(self, client: httpx.AsyncClient, *, port: int = VERIFICATION_PORT) -> None:
        self._client = client
        self._port = port

    @classmethod
    @asynccontextmanager
    async def open(cls, *, port: int = VERIFICATION_PORT) -> AsyncIterator[Self]:
        """A prober with a client of its own, which uses no proxy: pods are asked directly."""
        limits = httpx.Timeout(5.0, connect=1.0)
        async with httpx.AsyncClient(timeout=limits, trust_env=False) as client:
            yield cls(client, port=port)

    async def router_revision(self, pod_ip: str) -> str | None:
        """The revision of the routes that a router has; None where it cannot be told."""
        try:
            answer = await self._ask("GET", pod_ip, "/regnant/v1/route")
            document = _document(answer)
        except ProbeError:
            return None
        revision = document.get("revision")
        return revision if isinstance(revision, str) else None

    async def verify(self, pod_ip: str, target: Target) -> ReplayResult:
        """Let a version answer golden rows of its own bundle through this router.

        Raises:
            UnreachableError: it could not be asked, which proves nothing about it.
        """
        try:
            return await self.replay(pod_ip, target, await self.golden_sample(pod_ip, target))
        except AnswerError as error:
            return ReplayResult(passed=False, message=str(error))

    async def golden_sample(self, pod_ip: str, target: Target) -> GoldenSample:
        """Golden rows of the version, as its server hands them out.

        Raises:
            UnreachableError: nobody answered.
            AnswerError: the answer came from another version, or is none.
        """
        path = f"/regnant/v1/golden?rows={GOLDEN_ROWS}"
        answer = await self._ask("GET", pod_ip, path, target=target)
        document = _document(answer)
        try:
            limits = document["tolerance"]
            tolerance = Tolerance(float(limits["absolute"]), float(limits["relative"]))
            expected = read_tensors(document["response"], "outputs")
            return GoldenSample(document["request"], expected, tolerance)
        except (KeyError, TypeError, ValueError) as error:
            raise AnswerError(f"{path}: not a sample of golden rows: {error!r}") from error

    async def replay(self, pod_ip: str, target: Target, sample: GoldenSample) -> ReplayResult:
        """Whether the version answers the sample's question with the sample's answer.

        Raises:
            UnreachableError: nobody answered.
            AnswerError: the answer came from another version, or is none.
        """
        path = f"/v2/models/{target.model}/infer"
        answer = await self._ask("POST", pod_ip, path, target=target, body=sample.request)
        got = read_tensors(_document(answer), "outputs")
        difference = first_difference(sample.expected, got, sample.tolerance)
        if difference:
            return ReplayResult(passed=False, message=f"golden rows: {difference}")
        return ReplayResult(passed=True)

    async def _ask(
        self,
        method: str,
        pod_ip: str,
        path: str,
        *,
        target: Target | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> httpx.Response:
        host = f"[{pod_ip}]" if ":" in pod_ip else pod_ip
        headers = {VERSION_HEADER: str(target.version)} if target else {}
        try:
            answer = await self._client.request(
                method, f"http://{host}:{self._port}{path}", headers=headers, json=body
            )
        except httpx.HTTPError as error:
            detail = str(error) or type(error).__name__
            raise UnreachableError(f"{method} {path} at {pod_ip}: {detail}") from error
        if answer.status_code in _NOBODY_ANSWERS:
            raise UnreachableError(f"{method} {path} at {pod_ip}: {_describe(answer)}")
        if answer.status_code != HTTPStatus.OK:
            raise AnswerError(f"{method} {path}: {_describe(answer)}")
        if target:
            _check_origin(answer, target)
        return answer


def _check_origin(answer: httpx.Response, target: Target) -> None:
    """The headers that every server puts on its answers must name the version that was asked."""
    said = (answer.headers.get("x-regnant-version"), answer.headers.get("x-regnant-digest"))
    if said != (str(target.version), target.digest):
        raise AnswerError(
            f"version {target.version} ({target.digest}) was asked, "
            f"but version {said[0]} ({said[1]}) answered"
        )


def _document(answer: httpx.Response) -> dict[str, Any]:
    try:
        document = json.loads(answer.content)
    except ValueError as error:
        raise AnswerError(f"{answer.url.path}: the answer is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise AnswerError(f"{answer.url.path}: the answer is not a JSON object")
    return document


def _describe(answer: httpx.Response) -> str:
    return f"HTTP {answer.status_code}: {answer.text.strip()[:_LONGEST_DETAIL]}"
