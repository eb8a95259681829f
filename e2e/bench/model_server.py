"""A model server in a process of its own, on one core, and what it is asked.

The model is a linear classifier of three numbers: the least that a server can have to do, so
whatever comes on top of it weighs most.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from e2e.bench.closed_loop import LOOPBACK, Target
from e2e.bench.machine import on_core
from tests.unit.serving.bundles import MODEL_NAME, Written, tensor

VERSION = 3
_QUESTION = {"inputs": [tensor("features", "FP64", [1, 3], [1, 2, 3])]}
_DIFFERENT = 10_000


@contextmanager
def model_server(
    bundle: Written, core: int, module: str = "regnant.serving", **environment: str
) -> Iterator[Target]:
    """Start a server, and stop it at the end."""
    with on_core(core):
        process = subprocess.Popen(
            [sys.executable, "-m", module],
            env={**os.environ, **settings(bundle), **environment},
            stderr=subprocess.PIPE,
            text=True,
        )
    try:
        yield Target(_port(process), process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate()


def settings(bundle: Written, port: int = 0) -> dict[str, str]:
    """What its environment says, as in a pod; everything else is left as it comes."""
    return {
        "REGNANT_BUNDLE_DIR": str(bundle.directory),
        "REGNANT_BUNDLE_DIGEST": bundle.digest,
        "REGNANT_MODEL_NAME": MODEL_NAME,
        "REGNANT_MODEL_VERSION": str(VERSION),
        "REGNANT_HOST": LOOPBACK,
        "REGNANT_PORT": str(port),
        "REGNANT_METRICS_PORT": "0",
        "REGNANT_DRAIN_SECONDS": "0",
        "REGNANT_THREADS": "1",
    }


def requests(*, with_ids: bool) -> list[bytes]:
    """Many requests that ask the same, of different people; with ids, as a router gives them."""
    body = json.dumps(_QUESTION).encode()
    found = []
    for number in range(_DIFFERENT):
        identity = f"x-request-id: {number:08x}-8f0d-4f0a-9a53-2d1b7a0c11e2\r\n" if with_ids else ""
        head = (
            f"POST /v2/models/{MODEL_NAME}/infer HTTP/1.1\r\nhost: {MODEL_NAME}\r\n"
            f"content-type: application/json\r\nx-user: person-{number % 100}\r\n{identity}"
            f"content-length: {len(body)}\r\n\r\n"
        )
        found.append(head.encode() + body)
    return found


def _port(process: subprocess.Popen[str]) -> int:
    assert process.stderr
    said: list[dict[str, Any]] = []
    for line in process.stderr:
        said.append(json.loads(line))
        if said[-1]["message"] == "ready":
            port: int = said[-1]["port"]
            return port
    raise RuntimeError(f"the server did not start: {said}")
