"""A real router and real model servers, each at an address of its own, as pods have them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from regnant.controllers.scrape import Variant
from regnant.manifests import routing
from tests.unit.serving.bundles import MODEL_NAME, Written

CHAMPION_IP, CHALLENGER_IP = "127.0.0.2", "127.0.0.3"
INFER = f"/v2/models/{MODEL_NAME}/infer"


@dataclass(frozen=True)
class Pod:
    """A version's one server."""

    version: int
    written: Written
    ip: str
    port: int
    process: asyncio.subprocess.Process

    @property
    def variant(self) -> Variant:
        return Variant(self.version, self.written.digest, (self.ip,))

    @property
    def routed(self) -> routing.Variant:
        return routing.Variant(self.ip, self.version, self.written.digest, self.port)


@asynccontextmanager
async def server_pod(version: int, written: Written, ip: str, port: int) -> AsyncIterator[Pod]:
    """A model server, from when it is ready until it is killed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "regnant.serving"),
        env={
            **os.environ,
            "REGNANT_BUNDLE_DIR": str(written.directory),
            "REGNANT_BUNDLE_DIGEST": written.digest,
            "REGNANT_MODEL_NAME": MODEL_NAME,
            "REGNANT_MODEL_VERSION": str(version),
            "REGNANT_HOST": ip,
            "REGNANT_PORT": str(port),
            "REGNANT_DRAIN_SECONDS": "0",
        },
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr
    try:
        async for line in process.stderr:
            if json.loads(line)["message"] == "ready":
                break
        yield Pod(version, written, ip, port, process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
