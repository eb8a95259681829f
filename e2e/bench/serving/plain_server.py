"""The least that could answer: a protocol on httptools and uvloop, and the session.

It checks nothing, bounds nothing, counts nothing and knows one question. What Regnant's server
costs beyond it is what its features cost.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import cast

import httptools
import numpy as np
import orjson
import uvloop

from e2e.bench.serving.peers.onnx_session import (
    INPUT,
    LABEL,
    MODEL_NAME,
    PORT_VARIABLE,
    PROBABILITIES,
    open_session,
)

_OUTPUTS = [LABEL, PROBABILITIES]
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: "
_SESSION = open_session()


class _Plain(asyncio.Protocol):
    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._body = b""

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        answer = _infer(self._body) if self._body else b"{}"
        self._transport.write(b"%b%d\r\n\r\n%b" % (_HEAD, len(answer), answer))


def _infer(body: bytes) -> bytes:
    asked = orjson.loads(body)["inputs"][0]
    features = np.array(asked["data"], np.float32).reshape(asked["shape"])
    label, probabilities = _SESSION.run(_OUTPUTS, {INPUT: features})
    outputs = [_tensor(LABEL, "INT64", label), _tensor(PROBABILITIES, "FP32", probabilities)]
    return orjson.dumps({"model_name": MODEL_NAME, "outputs": outputs})


def _tensor(name: str, datatype: str, array: np.ndarray) -> dict[str, object]:
    return {
        "name": name,
        "datatype": datatype,
        "shape": array.shape,
        "data": array.ravel().tolist(),
    }


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    port = int(os.environ[PORT_VARIABLE])
    server = await loop.create_server(_Plain, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    sys.exit(uvloop.run(_serve()))
