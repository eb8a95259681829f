"""`python -m e2e.bench.memory`: a server's memory over a million requests; no cluster is used.

The requests are what a server meets: JSON and raw bytes, V1 and V2, with ids of their own, and one
in five is wrong, each in another way. What a server keeps of them for a while (outcomes, counts)
is full after the first tens of thousands; from then on its memory should stay as it is.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import struct
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

from e2e.bench.closed_loop import LOOPBACK, answer_length
from e2e.bench.machine import circumstances, cores
from e2e.bench.model_server import model_server
from e2e.bench.report import Table, insert
from e2e.cluster.settings import CHECKOUT
from tests.unit.serving.bundles import MODEL_NAME, classifier_bundle, tensor
from tests.unit.serving.started_server import proportional_kib

PAGE = CHECKOUT / "docs" / "benchmarks.md"
BEGIN = "<!-- measured: written by `python -m e2e.bench.memory` -->"
END = "<!-- measured: end of the memory -->"
_SHARES = (0.01, 0.1, 0.25, 0.5, 1.0)
"""When the memory is read, as shares of all requests."""
_PIPELINED = 10
_CONNECTIONS = 8


def main() -> int:
    """Measure on this machine, print, and put it into docs/benchmarks.md."""
    asked = _arguments()
    load = [os.getloadavg()[0]]
    _, core = cores()
    with TemporaryDirectory(prefix="regnant-bench-") as directory:
        bundle = classifier_bundle(Path(directory) / "bundle")
        with model_server(bundle, core) as target:
            began = time.monotonic()
            rows = uvloop.run(_measure(target.port, target.pid, asked.requests))
            took = time.monotonic() - began
    load.append(os.getloadavg()[0])
    command = f"python -m e2e.bench.memory --requests={asked.requests}"
    measured = f"{circumstances(command, load)}\n\n{_table(rows, took).markdown()}"
    print(f"\n{measured}\n")
    if asked.write:
        insert(PAGE, measured, BEGIN, END)
        print(f"{PAGE.relative_to(CHECKOUT)} is written.")
    return 0


async def _measure(port: int, pid: int, requests: int) -> list[tuple[int, int]]:
    """How much memory the server has after how many requests."""
    streams = [await asyncio.open_connection(LOOPBACK, port) for _ in range(_CONNECTIONS)]
    rows, sent = [(0, proportional_kib(pid))], 0
    for share in _SHARES:
        while sent < requests * share:
            await asyncio.gather(
                *(
                    _ask(reader, writer, sent + place * _PIPELINED)
                    for place, (reader, writer) in enumerate(streams)
                )
            )
            sent += _CONNECTIONS * _PIPELINED
        rows.append((sent, proportional_kib(pid)))
    for _, writer in streams:
        writer.close()
    return rows


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, first: int) -> None:
    """Send some requests at once, and read as many answers."""
    kinds = [(number, _KINDS[number % len(_KINDS)]) for number in range(first, first + _PIPELINED)]
    writer.write(b"".join(make(number) for number, (make, _) in kinds))
    received = b""
    for _, (_, status) in kinds:
        while (length := answer_length(received)) is None or len(received) < length:
            part = await reader.read(65536)
            if not part:
                raise ConnectionError("the server hung up")
            received += part
        if not received.startswith(b"HTTP/1.1 %d " % status):
            raise ValueError(f"not answered with {status}: {received[:300]!r}")
        received = received[length:]


def _post(number: int, body: bytes, *, path: str = "infer", headers: str = "") -> bytes:
    target = f"/v1/models/{MODEL_NAME}:predict" if path == "predict" else _INFER
    return (
        f"POST {target} HTTP/1.1\r\nhost: a\r\nx-request-id: {number:08x}-8f0d-4f0a-9a53\r\n"
        f"content-length: {len(body)}\r\n{headers}\r\n"
    ).encode() + body


def _raw(number: int) -> bytes:
    tensors = [
        {
            "name": "features",
            "datatype": "FP64",
            "shape": [1, 3],
            "parameters": {"binary_data_size": 24},
        }
    ]
    text = json.dumps({"inputs": tensors}).encode()
    header = f"inference-header-content-length: {len(text)}\r\n"
    return _post(number, text + struct.pack("<3d", number, 1, 2), headers=header)


def _missing(number: int) -> bytes:
    return f"GET /v2/models/{MODEL_NAME}/{number} HTTP/1.1\r\nhost: a\r\n\r\n".encode()


_INFER = f"/v2/models/{MODEL_NAME}/infer"
_GOOD = json.dumps(
    {"id": "one", "inputs": [tensor("features", "FP64", [1, 3], [1, 2, 3])]}
).encode()
_WRONG = json.dumps({"inputs": [tensor("features", "FP64", [1, 3], [1, 2, "x"])]}).encode()
_ROWS = json.dumps({"instances": [[1, 2, 3], [4, 5, 6]]}).encode()
_KINDS: Sequence[tuple[Callable[[int], bytes], int]] = (
    (lambda number: _post(number, _GOOD), 200),
    (_raw, 200),
    (lambda number: _post(number, _ROWS, path="predict"), 200),
    (lambda number: _post(number, _GOOD), 200),
    (lambda number: _post(number, _WRONG), 400),
    (lambda number: _post(number, _GOOD), 200),
    (_raw, 200),
    (lambda number: _post(number, _ROWS, path="predict"), 200),
    (lambda number: _post(number, _GOOD), 200),
    (_missing, 404),
)


def _table(rows: Sequence[tuple[int, int]], took: float) -> Table:
    warm_after, warm = rows[2]
    return Table(
        "A server's memory over many requests",
        ["requests", "memory (PSS)", f"more than after {warm_after:,}"],
        [
            [f"{asked:,}", f"{kib / 1024:.1f} MiB", "" if kib == warm else f"{kib - warm:+,} KiB"]
            for asked, kib in rows
        ],
        f"{_CONNECTIONS} connections, each with {_PIPELINED} requests at once; of ten requests "
        "four are JSON, two raw bytes, two rows of V1, and two are refused. "
        f"All took {took:.0f} s.",
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m e2e.bench.memory", description=__doc__)
    add = parser.add_argument
    add("--requests", type=int, default=1_000_000, help="how many are asked in all")
    add("--write", action="store_true", help="put the table into docs/benchmarks.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
