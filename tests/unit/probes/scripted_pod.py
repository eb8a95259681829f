"""A small HTTP server on loopback that answers as a test says."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

DIGEST = "sha256:" + "a" * 64


@dataclass
class Answer:
    """What one path answers; version and digest are the headers that every server sends."""

    body: Any
    status: int = 200
    version: str = "3"
    digest: str = DIGEST
    hangs: bool = False
    closes: bool = False


@dataclass
class Asked:
    """One request that came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class ScriptedPod:
    """Answers by path, and remembers what it was asked."""

    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request and close."""
        async with _gone_afterwards(writer):
            request = await _read(reader)
            self.asked.append(request)
            path = request.target.partition("?")[0]
            answer = self.answers.get(path, Answer({"error": "no such path"}, status=404))
            if answer.hangs:
                await reader.read()
                return
            if answer.closes:
                return
            body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body)
            data = body if isinstance(body, bytes) else body.encode()
            head = (
                f"HTTP/1.1 {answer.status} Scripted\r\ncontent-length: {len(data)}\r\n"
                f"x-regnant-version: {answer.version}\r\nx-regnant-digest: {answer.digest}\r\n"
                "connection: close\r\n\r\n"
            )
            writer.write(head.encode() + data)
            await writer.drain()


@contextlib.asynccontextmanager
async def _gone_afterwards(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    try:
        yield
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def scripted_pod(ip: str = "127.0.0.1", port: int = 0) -> AsyncIterator[ScriptedPod]:
    """A pod that listens."""
    pod = ScriptedPod()
    serving: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.create_task(pod.serve(reader, writer)))

    server = await asyncio.start_server(accept, ip, port)
    pod.port = server.sockets[0].getsockname()[1]
    async with server:
        yield pod
    await asyncio.gather(*serving)


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {
        name.lower(): value
        for name, _, value in (line.partition(": ") for line in head[1:] if line)
    }
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Asked(method, target, headers, body)
