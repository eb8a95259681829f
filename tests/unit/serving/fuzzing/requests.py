"""Requests that are wrong on purpose, each made of a seed's number and nothing else.

Half of them are whole requests of which some bytes are wrong, so most end in the HTTP parser. The
others are wrong in one layer and right in all around it, and so get as far as that layer: the JSON,
the raw bytes of tensors, what is compressed, the chunks, the path, the headers.
"""

from __future__ import annotations

import gzip
import json
import zlib
from functools import cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from tests.unit.serving.binary_client import FORMATS, binary, pack
from tests.unit.serving.bundles import MODEL_NAME, ONNX_TYPES, tensor
from tests.unit.serving.fuzzing.documents import STRANGE, changed
from tests.unit.serving.fuzzing.mutation import NASTY, mutate
from tests.unit.serving.running_server import INFER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

BODY_BYTES = 1024 * 1024
"""The most that the server under test is told to take."""
CORPUS = Path(__file__).parent / "requests"
PREDICT = f"/v1/models/{MODEL_NAME}:predict"
_VALUES: dict[str, tuple[Any, Any]] = {"BOOL": (True, False), "BYTES": ("a", "\u00e9")}
_PATHS = (
    "/",
    "//",
    "*",
    "/v2/../v2",
    "/v2/models",
    "/v2/models/%63hurn/infer",
    "/v2/models/churn/versions/3/infer",
    "/v2/models/churn/versions/%00/infer",
    "/v1/models/churn:explain",
    "/v1/models/churn%3Apredict",
    "/regnant/v1/outcomes?after=-1",
    "/regnant/v1/outcomes?after=1&after=2&limit=x",
    "/regnant/v1/golden?rows=99999999999999999999",
    "/regnant/v1/golden?%ff=%fe&;=&&",
    "/v2?" + "a=b&" * 500,
    "http://[::1/v2",
    "http://a",
    "a:1",
)
_HEADERS = (
    "Content-Length",
    "Transfer-Encoding",
    "Content-Encoding",
    "Content-Type",
    "Inference-Header-Content-Length",
    "Expect",
    "Connection",
    "Upgrade",
    "Host",
    "X-Request-Id",
    "X-Regnant-Shadow",
    "X-Regnant-Verify-Version",
    "Trailer",
)
_HEADER_VALUES = (
    b"",
    b" ",
    b"0",
    b"-0",
    b"+3",
    b"1 2",
    b"1,1",
    b"0x5",
    b"99999999",
    b"chunked",
    b"gzip, chunked",
    b"chunked, identity",
    b"gzip",
    b"br",
    b"close, keep-alive",
    b"Upgrade",
    b"websocket",
    b"100-continue",
    b"\xff\xfe",
    b"a\tb",
    b"x" * 200,
    b"application/json; charset=utf-16",
    b"multipart/form-data; boundary=x",
    *NASTY,
)


def corpus() -> dict[str, bytes]:
    """Requests that once found something, or are the kind that would, by their names."""
    return {path.stem: path.read_bytes() for path in sorted(CORPUS.glob("*.http"))}


def malformed(number: int, seed: int) -> bytes:
    """The request of this number."""
    random = Random(f"{seed}/{number}")
    if random.random() < 0.5:
        return mutate(random.choice(_SEEDS), random)
    return random.choice(_LAYERS)(random)


def post(path: str, body: bytes, headers: Mapping[str, object] | None = None) -> bytes:
    """A request whose frame is right."""
    given = {"Host": "a", "Content-Length": len(body), **(headers or {})}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def document() -> dict[str, Any]:
    """A request in V2 that is right."""
    return {
        "id": "one",
        "inputs": [
            tensor(f"in_{name.lower()}", name, [1, 2], _values(name)) for name in ONNX_TYPES
        ],
        "outputs": [{"name": "out_fp32", "parameters": {"binary_data": False}}],
        "parameters": {"binary_data_output": True},
    }


def rows() -> dict[str, Any]:
    """The same in V1."""
    row = {
        f"in_{name.lower()}[{index}]": _values(name)[index]
        for name in ONNX_TYPES
        for index in range(2)
    }
    return {"instances": [row, list(row.values())]}


def raw_tensors() -> tuple[dict[str, Any], bytes]:
    """The same as raw bytes, and the JSON before them."""
    inputs, parts = [], []
    for name in ONNX_TYPES:
        parts.append(pack(name, _values(name)))
        inputs.append(binary(f"in_{name.lower()}", name, [1, 2], parts[-1]))
    return {"inputs": inputs}, b"".join(parts)


def _values(datatype: str) -> list[Any]:
    return list(_VALUES.get(datatype, (1, 2)))


def _with_tail(text: bytes, tail: bytes, announced: object = None) -> bytes:
    length = len(text) if announced is None else announced
    return post(INFER, text + tail, {"Inference-Header-Content-Length": length})


def _wrong_json(random: Random) -> bytes:
    path, whole = random.choice(((INFER, document), (PREDICT, rows)))
    return post(path, json.dumps(changed(whole(), random)).encode())


def _wrong_text(random: Random) -> bytes:
    path, whole = random.choice(((INFER, document), (PREDICT, rows)))
    return post(path, mutate(json.dumps(whole()).encode(), random))


def _deep_json(random: Random) -> bytes:
    deep = random.choice((20, 200, 300, 900, 5000))
    nested = random.choice((b"[" * deep + b"]" * deep, b'{"a":' * deep + b"1" + b"}" * deep))
    whole = json.dumps(random.choice((document, rows))()).encode()
    values = [place for place in range(len(whole) - 1) if whole[place : place + 1] in b":[,"]
    place = random.choice(values) + 1
    rest = whole[place:].partition(b",")[2]
    return post(random.choice((INFER, PREDICT)), whole[:place] + nested + b"," + rest)


def _wrong_tail(random: Random) -> bytes:
    head, tail = raw_tensors()
    text = json.dumps(head).encode()
    match random.randrange(4):
        case 0:
            return _with_tail(text, mutate(tail, random))
        case 1:
            return _with_tail(json.dumps(changed(head, random)).encode(), tail)
        case 2:
            lengths = (
                0,
                -1,
                1,
                2**63,
                10**30,
                "1.5",
                " 7 ",
                len(text) - 1,
                len(text) + 1,
                "9" * 9000,
            )
            return _with_tail(text, tail, random.choice(lengths))
        case _:
            chosen = random.choice(head["inputs"])
            chosen["parameters"]["binary_data_size"] = random.choice((*STRANGE, 7, 9))
            chosen["datatype"] = random.choice((chosen["datatype"], *FORMATS))
            return _with_tail(json.dumps(head).encode(), tail)


def _wrong_compression(random: Random) -> bytes:
    body = json.dumps(document()).encode()
    packed = random.choice((gzip.compress(body, mtime=0), zlib.compress(body), _bomb()))
    encoding = random.choice(("gzip", "deflate", "GZIP", "identity", "x-gzip", "gzip, gzip"))
    return post(INFER, mutate(packed, random), {"Content-Encoding": encoding})


@cache
def _bomb() -> bytes:
    """What grows to more than a body may be."""
    return zlib.compress(bytes(2 * BODY_BYTES))


def _wrong_chunks(random: Random) -> bytes:
    body = json.dumps(document()).encode()
    size = random.choice((1, 7, 100, 5000))
    chunks = [
        b"%x\r\n%b\r\n" % (len(part), part)
        for part in (body[start : start + size] for start in range(0, len(body), size))
    ]
    chunks.append(random.choice((b"0\r\n\r\n", b"0\r\nX: y\r\n\r\n", b"00\r\n", b"0;a=b\r\n\r\n")))
    at = random.randrange(len(chunks))
    chunks[at] = random.choice(
        (
            mutate(chunks[at], random),
            b"ffffffffffffffff\r\n",
            b"-1\r\n",
            b"5;" + b"x" * 500 + b"\r\nhello\r\n",
            b"0\r\n" + b"X: " + b"y" * random.choice((10, 40_000)),
        )
    )
    head = f"POST {INFER} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head.encode() + b"".join(chunks)


def _wrong_path(random: Random) -> bytes:
    path = random.choice((*_PATHS, INFER, PREDICT)).encode()
    if random.random() < 0.5:
        path = mutate(path, random)
    method = random.choice((b"GET", b"HEAD", b"POST", b"PUT", b"OPTIONS", b"PROPFIND", b"get"))
    return method + b" " + path + b" HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"


def _wrong_header(random: Random) -> bytes:
    body = json.dumps(document()).encode()
    name, value = random.choice(_HEADERS).encode(), random.choice(_HEADER_VALUES)
    line = random.choice((b"%b: %b\r\n", b"%b:%b\r\n", b"%b : %b\r\n", b"%b: %b\n")) % (name, value)
    head = post(INFER, body)[: -len(body)]
    if random.random() < 0.5:
        head = head.replace(b"Content-Length", b"X-Length")
    place = head.index(b"\r\n") + 2
    return head[:place] + line * random.choice((1, 1, 2, 400)) + head[place:] + body


_LAYERS: tuple[Callable[[Random], bytes], ...] = (
    _wrong_json,
    _wrong_json,
    _wrong_text,
    _deep_json,
    _wrong_tail,
    _wrong_tail,
    _wrong_compression,
    _wrong_chunks,
    _wrong_path,
    _wrong_header,
)
_SEEDS = (
    post(INFER, json.dumps(document()).encode()),
    post(PREDICT, json.dumps(rows()).encode()),
    _with_tail(json.dumps(raw_tensors()[0]).encode(), raw_tensors()[1]),
    post(
        INFER, gzip.compress(json.dumps(document()).encode(), mtime=0), {"Content-Encoding": "gzip"}
    ),
    post(INFER, b"{}", {"Expect": "100-continue"}),
    b"GET /v2/health/ready HTTP/1.1\r\nHost: a\r\n\r\n" * 3,
    b"HEAD /v2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"GET /regnant/v1/golden?rows=2 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    f"POST {INFER} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    "2;a=b\r\n{}\r\n0\r\nX: y\r\n\r\n".encode(),
)
