"""The client's side of the binary extension, written from the protocol's text and not from ours."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.unit.serving.running_server import INFER

if TYPE_CHECKING:
    import httpx

    from tests.unit.serving.running_server import RunningServer

JSON_LENGTH = "Inference-Header-Content-Length"
FORMATS = {
    "BOOL": "?",
    "INT8": "b",
    "INT16": "h",
    "INT32": "i",
    "INT64": "q",
    "UINT8": "B",
    "UINT16": "H",
    "UINT32": "I",
    "UINT64": "Q",
    "FP16": "e",
    "FP32": "f",
    "FP64": "d",
}
"""What `struct` calls the types of numbers."""


def pack(datatype: str, values: list[Any]) -> bytes:
    """The raw bytes of a tensor."""
    if datatype == "BYTES":
        texts = [value.encode() for value in values]
        return b"".join(struct.pack("<I", len(text)) + text for text in texts)
    return struct.pack(f"<{len(values)}{FORMATS[datatype]}", *values)


def unpack(datatype: str, content: bytes) -> list[Any]:
    """The elements of a tensor."""
    if datatype != "BYTES":
        width = struct.calcsize(f"<{FORMATS[datatype]}")
        return list(struct.unpack(f"<{len(content) // width}{FORMATS[datatype]}", content))
    texts = []
    while content:
        (length,) = struct.unpack("<I", content[:4])
        texts.append(content[4 : 4 + length].decode())
        content = content[4 + length :]
    return texts


def binary(name: str, datatype: str, shape: list[int], content: bytes) -> dict[str, Any]:
    """The JSON of a tensor whose bytes follow."""
    size = {"binary_data_size": len(content)}
    return {"name": name, "datatype": datatype, "shape": shape, "parameters": size}


def post(
    server: RunningServer, document: object, *contents: bytes, **headers: str
) -> httpx.Response:
    """Send a document with what follows it."""
    text = json.dumps(document).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return server.client.post(
        INFER,
        content=b"".join([text, *contents]),
        headers={JSON_LENGTH: str(len(text))} | named,
    )


def outputs_of(answer: httpx.Response) -> dict[str, list[Any]]:
    """Every output's elements, wherever in the answer they are."""
    assert answer.status_code == 200, answer.text
    length = int(answer.headers.get(JSON_LENGTH, len(answer.content)))
    rest = answer.content[length:]
    found = {}
    for output in json.loads(answer.content[:length])["outputs"]:
        size = output.get("parameters", {}).get("binary_data_size")
        if size is None:
            found[output["name"]] = output["data"]
            continue
        assert "data" not in output
        found[output["name"]] = unpack(output["datatype"], rest[:size])
        assert len(found[output["name"]]) == np.prod(output["shape"])
        rest = rest[size:]
    assert not rest
    return found
