"""One request to the API server: sent, timed out and judged here and nowhere else.

Bodies are dicts and answers are bytes: the library's typed models raise when the server knows a
field or an enum value that they do not, and would make custom kinds a second path.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

import aiohttp
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.exceptions import OpenApiException

from regnant.cluster.connection import Access, configuration
from regnant.cluster.errors import UnavailableError, error_from_answer

Query = Iterable[tuple[str, str]]
Lines = aiohttp.StreamReader

JSON = "application/json"
_FIRST_ERROR = 300


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long one request may take, in seconds; `idle` is a stream's longest silence."""

    connect: float = 10
    request: float = 30
    idle: float = 90


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of the API server."""

    method: str
    path: str
    query: Query = ()
    body: Any = None
    content_type: str = JSON
    accept: str = JSON

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Transport:
    """A connection pool to one API server."""

    def __init__(self, api: ApiClient, timeouts: Timeouts) -> None:
        self._api = api
        self._timeouts = timeouts

    @classmethod
    async def connect(cls, access: Access, timeouts: Timeouts) -> Self:
        """Prepare the pool; connections are made as requests need them."""
        api = ApiClient(await configuration(access))
        api.user_agent = "regnant"
        return cls(api, timeouts)

    async def close(self) -> None:
        """End all connections."""
        await self._api.close()

    async def send(self, request: Request) -> bytes:
        """The body of a successful answer.

        Raises:
            ClusterError: there was no answer, or it is an error.
        """
        limits = aiohttp.ClientTimeout(
            total=self._timeouts.request, sock_connect=self._timeouts.connect
        )
        async with self._answer(request, limits) as answer:
            return await answer.read()

    @asynccontextmanager
    async def lines(self, request: Request) -> AsyncIterator[Lines]:
        """The answer line by line as they come, for as long as the server sends.

        Raises:
            ClusterError: there was no answer, it is an error, or it broke off.
        """
        limits = aiohttp.ClientTimeout(
            total=None, sock_connect=self._timeouts.connect, sock_read=self._timeouts.idle
        )
        async with self._answer(request, limits) as answer:
            yield answer.content

    @asynccontextmanager
    async def _answer(
        self, request: Request, limits: aiohttp.ClientTimeout
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            method, url, headers, body, _ = await self._api.param_serialize(
                request.method,
                request.path,
                query_params=list(request.query),
                header_params={"Accept": request.accept, "Content-Type": request.content_type},
                body=request.body,
                auth_settings=["BearerToken"],
            )
            wrapped = await self._api.call_api(method, url, headers, body, _request_timeout=limits)
            async with wrapped.response as answer:
                if answer.status >= _FIRST_ERROR:
                    raise error_from_answer(str(request), answer.status, await answer.read())
                yield answer
        except (aiohttp.ClientError, OSError, OpenApiException) as error:
            # A time-out is an OSError too.
            detail = str(error) or type(error).__name__
            raise UnavailableError(f"{request}: {detail}") from error
