"""Bodies that come compressed, and what hides in them."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib
from typing import TYPE_CHECKING

import pytest

from regnant.serving.inflation import inflate
from regnant.serving.messages import RequestRefused
from regnant.serving.settings import MIB, Limits
from tests.unit.serving.binary_client import JSON_LENGTH, binary, outputs_of, pack
from tests.unit.serving.bundles import doubling_bundle, tensor
from tests.unit.serving.running_server import INFER, running_server

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import httpx

    from tests.unit.serving.running_server import RunningServer

DOCUMENT = json.dumps({"inputs": [tensor("features", "FP64", [1, 3], [1, 2, 3])]}).encode()
# The same whenever it is made: it is part of the names of tests.
ZIPPED = gzip.compress(DOCUMENT, mtime=0)
FORMATS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}


def post(server: RunningServer, body: bytes, encoding: str, **headers: str) -> httpx.Response:
    return server.client.post(INFER, content=body, headers={"content-encoding": encoding} | headers)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "GZIP", "identity"])
def test_a_compressed_body_is_read(doubling: RunningServer, encoding: str) -> None:
    compress = FORMATS.get(encoding.lower(), bytes)
    assert outputs_of(post(doubling, compress(DOCUMENT), encoding)) == {"prediction": [2, 4, 6]}


def test_raw_bytes_may_be_compressed_with_their_json(doubling: RunningServer) -> None:
    content = pack("FP64", [1, 2, 3])
    text = json.dumps({"inputs": [binary("features", "FP64", [1, 3], content)]}).encode()
    body = gzip.compress(text + content)
    answer = post(doubling, body, "gzip", **{JSON_LENGTH: str(len(text))})
    assert outputs_of(answer) == {"prediction": [2, 4, 6]}


@pytest.mark.parametrize(
    ("body", "encoding", "sentence"),
    [
        (DOCUMENT, "gzip", "the body is not gzip"),
        (ZIPPED, "deflate", "the body is not deflate"),
        (ZIPPED[:-1], "gzip", "the body ends before its gzip does"),
        (ZIPPED + b"xy", "gzip", "2 bytes follow the gzip"),
        (b"", "gzip", "the body ends before its gzip does"),
    ],
)
def test_what_cannot_be_read_is_told(
    doubling: RunningServer, body: bytes, encoding: str, sentence: str
) -> None:
    answer = post(doubling, body, encoding)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(f"content-encoding: {sentence}")


def test_a_format_that_is_not_served_is_told(doubling: RunningServer) -> None:
    answer = post(doubling, DOCUMENT, "br")
    assert answer.status_code == 415
    assert answer.headers["accept-encoding"] == "gzip, deflate, identity"


def test_a_refusal_leaves_the_connection_to_the_next_request(doubling: RunningServer) -> None:
    for _ in range(2):
        assert post(doubling, DOCUMENT, "gzip").status_code == 400
        assert post(doubling, gzip.compress(DOCUMENT), "gzip").status_code == 200


def test_a_body_that_grows_too_much_is_refused_before_it_has_grown() -> None:
    bomb = zlib.compress(bytes(64 * MIB), 9)
    tracemalloc.start()
    with pytest.raises(RequestRefused) as caught:
        inflate(bomb, b"deflate", MIB)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.status == 413
    assert peak < 8 * MIB


def test_what_a_body_has_grown_to_is_held_against_the_room_of_all(tmp_path: Path) -> None:
    padded = DOCUMENT + b" " * 20_000
    limits = Limits(buffered_bytes=10_000)
    with running_server(doubling_bundle(tmp_path), limits) as server:
        for _ in range(3):
            answer = post(server, gzip.compress(padded), "gzip")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert post(server, gzip.compress(DOCUMENT), "gzip").status_code == 200
        assert server.listener.admission.buffered == 0
