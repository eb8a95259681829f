"""One question to one pod over HTTP, and its whole answer or one of our errors.

Everything that is asked of pods goes through here, so every answer is bounded in size and time, and
whatever the client raises has become a `ProbeError`. What an answer means is read elsewhere.

While a rollout is open every pod of it is asked each second, so a question must be cheap: with
aiohttp it costs a tenth of what it does with httpx, and its pool does not grow slow with its size.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import aiohttp
from yarl import URL

from regnant.probes.errors import AnswerError, NoAnswerError, UnreachableError

MAX_ANSWER_BYTES = 8 * 1024 * 1024
"""More than any page that is read here has; whoever sends more is not whom we meant to ask."""
_NOBODY_ANSWERS = {
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}
_SILENT = aiohttp.SocketTimeoutError
_LONGEST_DETAIL = 512


@dataclass(frozen=True, slots=True)
class Answer:
    """All of what a pod answered."""

    path: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    def document(self) -> dict[str, Any]:
        """The JSON object that it is.

        Raises:
            AnswerError: it is none.
        """
        try:
            document = json.loads(self.body)
        except ValueError as error:
            raise AnswerError(f"{self.path}: the answer is not JSON: {error}") from error
        if not isinstance(document, dict):
            raise AnswerError(f"{self.path}: the answer is not a JSON object")
        return document

    def __str__(self) -> str:
        return f"HTTP {self.status}: {self.body.decode(errors='replace').strip()[:_LONGEST_DETAIL]}"


@asynccontextmanager
async def open_session(patience: float) -> AsyncIterator[aiohttp.ClientSession]:
    """A client for all pods; one that is silent for so many seconds has not answered."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=1.0, sock_read=patience),
    ) as session:
        yield session


class Pods:
    """Pods that listen on the same port."""

    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self._session = session
        self._port = port

    async def ask(
        self,
        method: str,
        pod_ip: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """The answer of a pod, which is 200.

        Raises:
            UnreachableError: it could not be asked.
            NoAnswerError: it did not answer in time, or says that nobody does.
            AnswerError: any other status, or more than can be meant.
        """
        host = f"[{pod_ip}]" if ":" in pod_ip else pod_ip
        url = URL(f"http://{host}:{self._port}{path}", encoded=True)
        try:
            async with self._session.request(
                method, url, headers=headers, data=body, allow_redirects=False
            ) as response:
                answer = Answer(path, response.status, response.headers, await _whole(response))
        except (aiohttp.ClientError, OSError) as error:
            kind = NoAnswerError if isinstance(error, _SILENT) else UnreachableError
            detail = str(error) or type(error).__name__
            raise kind(f"{method} {path} at {pod_ip}: {detail}") from error
        if answer.status in _NOBODY_ANSWERS:
            raise NoAnswerError(f"{method} {path} at {pod_ip}: {answer}")
        if answer.status != HTTPStatus.OK:
            raise AnswerError(f"{method} {path}: {answer}")
        return answer


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise AnswerError(f"the answer is longer than {MAX_ANSWER_BYTES} bytes")
    return bytes(body)
