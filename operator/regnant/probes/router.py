"""Asking one router pod, on the listener that only the operator reaches.

That listener passes a question to exactly the version that a header names, without retries and
without the fallback that protects users, so that an answer is that version's own.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote

import aiohttp
from pydantic import ValidationError

from regnant.api.model_version import Interface
from regnant.manifests.router_config.place import VERIFICATION_PORT
from regnant.manifests.router_config.routes import VERSION_HEADER
from regnant.manifests.server import PORT as SERVER_PORT
from regnant.probes.comparison import Tensor, Tolerance, first_difference, read_tensors
from regnant.probes.errors import AnswerError
from regnant.probes.pods import Answer, Pods, open_session
from regnant.probes.server import Servers
from regnant.probes.statistics import Discovery, HostTries, read_discovery, read_tries

GOLDEN_ROWS = 16
PATIENCE = 5.0
"""Seconds that a pod may be silent."""


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
    """Asks routers by their addresses; `servers` asks servers."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        port: int = VERIFICATION_PORT,
        server_port: int = SERVER_PORT,
    ) -> None:
        self._routers = Pods(session, port)
        self.servers = Servers(session, port=server_port)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        *,
        port: int = VERIFICATION_PORT,
        server_port: int = SERVER_PORT,
        patience: float = PATIENCE,
    ) -> AsyncIterator[Self]:
        """A prober with a client of its own, which uses no proxy: pods are asked directly."""
        async with open_session(patience) as session:
            yield cls(session, port=port, server_port=server_port)

    async def verify(self, pod_ip: str, target: Target) -> ReplayResult:
        """Let a version answer golden rows of its own bundle through this router.

        Raises:
            UnreachableError: it could not be asked, which proves nothing about it.
        """
        try:
            return await self.replay(pod_ip, target, await self.golden_sample(pod_ip, target))
        except AnswerError as error:
            return ReplayResult(passed=False, message=str(error))

    async def golden_sample(
        self, pod_ip: str, target: Target, *, rows: int = GOLDEN_ROWS
    ) -> GoldenSample:
        """Golden rows of the version, as its server hands them out.

        Raises:
            UnreachableError: nobody answered.
            AnswerError: the answer came from another version, or is none.
        """
        path = f"/regnant/v1/golden?rows={rows}"
        answer = await self._ask_version("GET", pod_ip, path, target)
        document = answer.document()
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
        answer = await self.infer(pod_ip, target, json.dumps(sample.request).encode())
        got = read_tensors(answer.document(), "outputs")
        difference = first_difference(sample.expected, got, sample.tolerance)
        if difference:
            return ReplayResult(passed=False, message=f"golden rows: {difference}")
        return ReplayResult(passed=True)

    async def interface(self, pod_ip: str, target: Target) -> Interface:
        """The tensors that the version says it takes and gives.

        Raises:
            UnreachableError: nobody answered.
            AnswerError: the answer came from another version, or is none.
        """
        path = f"/v2/models/{target.model}"
        answer = await self._ask_version("GET", pod_ip, path, target)
        try:
            return Interface.model_validate(answer.document())
        except ValidationError as error:
            raise AnswerError(f"{path}: not the metadata of a model: {error}") from error

    async def infer(self, pod_ip: str, target: Target, body: bytes) -> Answer:
        """The answer of exactly this version to a question, through this router.

        Raises:
            UnreachableError: nobody answered.
            AnswerError: the answer came from another version, or is none.
        """
        path = f"/v2/models/{target.model}/infer"
        return await self._ask_version("POST", pod_ip, path, target, body)

    async def tries(self, pod_ip: str, clusters: Collection[str]) -> dict[str, HostTries]:
        """What this router counted at the hosts of these clusters.

        Raises:
            UnreachableError: it did not answer.
            AnswerError: the answer is not Envoy's.
        """
        wanted = "|".join(clusters)
        path = f"/envoy/clusters?format=json&filter={quote(f'^({wanted})$')}"
        return read_tries(await self._routers.ask("GET", pod_ip, path), clusters)

    async def sends_users(self, pod_ip: str, cluster: str) -> bool:
        """Whether this router holds a server of the cluster for healthy, and sends it requests.

        Raises:
            UnreachableError: it did not answer.
            AnswerError: the answer is not Envoy's.
        """
        hosts = (await self.tries(pod_ip, [cluster])).get(cluster, {})
        return any(not host.left_out for host in hosts.values())

    async def discovery(self, pod_ip: str) -> Discovery:
        """Which configuration this router took, and what it refused.

        Raises:
            UnreachableError: it did not answer.
            AnswerError: the answer is not Envoy's.
        """
        return read_discovery(await self._routers.ask("GET", pod_ip, "/envoy/discovery"))

    async def _ask_version(
        self,
        method: str,
        pod_ip: str,
        path: str,
        target: Target,
        body: bytes | None = None,
    ) -> Answer:
        headers = {VERSION_HEADER: str(target.version), "content-type": "application/json"}
        answer = await self._routers.ask(method, pod_ip, path, headers=headers, body=body)
        _check_origin(answer, target)
        return answer


def _check_origin(answer: Answer, target: Target) -> None:
    """The headers that every server puts on its answers must name the version that was asked."""
    said = (answer.headers.get("x-regnant-version"), answer.headers.get("x-regnant-digest"))
    if said != (str(target.version), target.digest):
        raise AnswerError(
            f"version {target.version} ({target.digest}) was asked, "
            f"but version {said[0]} ({said[1]}) answered"
        )
