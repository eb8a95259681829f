"""One question to one pod over HTTP, and its whole answer or one of our errors.

Everything that is asked of pods goes through here, so every answer is bounded in size and time, and
whatever httpx raises has become a `ProbeError`. What an answer means is read elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx

from regnant.probes.errors import AnswerError, NoAnswerError, UnreachableError

MAX_ANSWER_BYTES = 8 * 1024 * 1024
"""More than any page that is read here has; whoever sends more is not whom we meant to ask."""
_NOBODY_ANSWERS = {
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}
_LONGEST_DETAIL = 512


@dataclass(frozen=True, slots=True)
class Answer:
    """All of what a pod answered."""

    path: str
    status: int
    headers: httpx.Headers
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


class Pods:
    """Pods that listen on the same port."""

    def __init__(self, client: httpx.AsyncClient, port: int) -> None:
        self._client = client
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
        request = self._client.build_request(
            method, f"http://{host}:{self._port}{path}", headers=headers, content=body
        )
        try:
            answer = await self._send(request, path)
        except httpx.HTTPError as error:
            kind = NoAnswerError if isinstance(error, httpx.ReadTimeout) else UnreachableError
            detail = str(error) or type(error).__name__
            raise kind(f"{method} {path} at {pod_ip}: {detail}") from error
        if answer.status in _NOBODY_ANSWERS:
            raise NoAnswerError(f"{method} {path} at {pod_ip}: {answer}")
        if answer.status != HTTPStatus.OK:
            raise AnswerError(f"{method} {path}: {answer}")
        return answer

    async def _send(self, request: httpx.Request, path: str) -> Answer:
        response = await self._client.send(request, stream=True)
        try:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    raise AnswerError(f"{path}: the answer is longer than {MAX_ANSWER_BYTES} bytes")
        finally:
            await response.aclose()
        return Answer(path, response.status_code, response.headers, bytes(body))
