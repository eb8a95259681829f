"""An open-loop load: requests leave at their times, whether or not earlier ones were answered.

A closed loop waits for a slow server and so hides what its users meet; this one does not. It runs
inside a pod, with nothing but the standard library: every request is counted by its outcome, and by
the version that answered. It stops by itself after its time, or at SIGTERM, and prints one line of
JSON at the end.

    python generator.py URL BODY_FILE REQUESTS_PER_SECOND SECONDS
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 30
MOST_CONNECTIONS = 512


class Load:
    """One run: a target, a schedule and what became of every request."""

    def __init__(self, url: str, body: bytes) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        path = parts.path or "/"
        head = (
            f"POST {path} HTTP/1.1\r\nhost: {self._host}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        self._request = head.encode() + body
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._slots = asyncio.Semaphore(MOST_CONNECTIONS)
        self.outcomes: Counter[str] = Counter()
        self.versions: Counter[str] = Counter()
        self.seconds: list[float] = []
        self.stopped = False

    async def run(self, rate: float, seconds: float) -> None:
        """Send for so long, at that rate; wait for every answer."""
        start = time.monotonic()
        tasks: set[asyncio.Task[None]] = set()
        for number in range(int(rate * seconds)):
            due = start + number / rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if self.stopped:
                break
            task = asyncio.create_task(self._one(due))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)

    async def _one(self, due: float) -> None:
        async with self._slots:
            try:
                outcome = await asyncio.wait_for(self._exchange(), TIMEOUT_SECONDS)
            except TimeoutError:
                outcome = "timeout"
            except (OSError, asyncio.IncompleteReadError, ValueError) as error:
                outcome = type(error).__name__
        self.outcomes[outcome] += 1
        # From the time it was due, not sent: waiting for a connection is the user's time too.
        self.seconds.append(time.monotonic() - due)

    async def _exchange(self) -> str:
        """One request on a kept connection; a new one when the server closed it in the meantime."""
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                break
        else:
            reader, writer = await asyncio.open_connection(self._host, self._port)
        writer.write(self._request)
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        status, headers = _parse(head)
        await reader.readexactly(int(headers.get("content-length", "0")))
        self.versions[headers.get("x-regnant-version", "none")] += 1
        if headers.get("connection") == "close":
            writer.close()
        else:
            self._idle.append((reader, writer))
        return status


def _parse(head: bytes) -> tuple[str, dict[str, str]]:
    lines = head.decode("latin-1").split("\r\n")
    pairs = (line.split(":", 1) for line in lines[1:] if ":" in line)
    return lines[0].split(" ", 2)[1], {name.lower(): value.strip() for name, value in pairs}


async def main(url: str, body: bytes, rate: str, seconds: str) -> None:
    """Run the load and print what became of it."""
    load = Load(url, body)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, setattr, load, "stopped", True)  # noqa: FBT003
    await load.run(float(rate), float(seconds))
    times = sorted(load.seconds)
    quantiles = {
        name: round(times[min(len(times) - 1, int(len(times) * part))] * 1000, 2)
        for name, part in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
        if times
    }
    said = {
        "sent": sum(load.outcomes.values()),
        "outcomes": load.outcomes,
        "versions": load.versions,
        "milliseconds": quantiles,
    }
    print(json.dumps(said), flush=True)


if __name__ == "__main__":
    target, body_file, *pace = sys.argv[1:]
    asyncio.run(main(target, Path(body_file).read_bytes(), *pace))
