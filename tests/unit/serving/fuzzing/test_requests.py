"""Ten thousand malformed requests to one server: every one is answered or hung up on.

The requests are the same on every run. `REGNANT_FUZZ_SEED` makes others, and
`REGNANT_FUZZ_REQUESTS` more of them.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.serving.bundles import echo_bundle
from tests.unit.serving.fuzzing.answers import check_refusal, read_answers
from tests.unit.serving.fuzzing.requests import (
    BODY_BYTES,
    PREDICT,
    corpus,
    document,
    malformed,
    post,
    raw_tensors,
    rows,
)
from tests.unit.serving.running_server import INFER, LOOPBACK, read_all
from tests.unit.serving.started_server import proportional_kib
from tests.unit.serving.test_drain import started

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SEED = int(os.environ.get("REGNANT_FUZZ_SEED", "5"))
REQUESTS = int(os.environ.get("REGNANT_FUZZ_REQUESTS", "10000"))
REFUSALS = {400, 404, 405, 408, 411, 413, 415, 417, 431}
GROWTH_KIB = 4096
"""A server that kept half a kilobyte of each request would grow by more."""


class Fuzzed:
    """A server in its own process, and all that it logged."""

    def __init__(self, port: int, pid: int, log: list[dict[str, Any]]) -> None:
        self.port = port
        self.pid = pid
        self.log = log

    def answer(self, sent: bytes) -> bytes:
        """Send all, say that nothing more comes, and read what is answered until the end."""
        with socket.create_connection((LOOPBACK, self.port), timeout=20) as raw:
            try:
                raw.sendall(sent)
                raw.shutdown(socket.SHUT_WR)
            except (BrokenPipeError, ConnectionResetError):
                return b""
            return read_all(raw)

    def failures(self) -> list[dict[str, Any]]:
        return [event for event in self.log if event["level"] != "INFO"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzed]:
    bundle = echo_bundle(tmp_path_factory.mktemp("echo"))
    given = {"REGNANT_THREADS": "1", "REGNANT_MAX_BODY_BYTES": str(BODY_BYTES)}
    with started(bundle, "0", **given) as (process, client), _listening(process) as log:
        assert client.base_url.port
        yield Fuzzed(client.base_url.port, process.pid, log)
        assert process.poll() is None


@contextmanager
def _listening(process: Any) -> Iterator[list[dict[str, Any]]]:
    """Read the log as it is written, so that the server never waits for its reader."""
    log: list[dict[str, Any]] = []
    reader = threading.Thread(target=lambda: log.extend(map(json.loads, process.stderr)))
    reader.start()
    yield log
    process.terminate()
    reader.join(20)


def check(server: Fuzzed, name: str, sent: bytes) -> list[int]:
    """Send something wrong, and see that what comes back is in order; returns the statuses."""
    received = server.answer(sent)
    try:
        answers = read_answers(received, bodiless=b"HEAD" in sent)
        for answer in answers:
            assert answer.status in REFUSALS | {100, 200}
            if answer.status in REFUSALS:
                check_refusal(answer)
    except AssertionError as error:
        raise AssertionError(f"{name}: {sent[:2000]!r} got {received[:2000]!r}") from error
    return [answer.status for answer in answers]


def answers_right(server: Fuzzed) -> bool:
    text, tail = json.dumps(raw_tensors()[0]).encode(), raw_tensors()[1]
    headers = {"Inference-Header-Content-Length": len(text)}
    asked = (
        post(INFER, json.dumps(document()).encode()),
        post(INFER, text + tail, headers),
        post(PREDICT, json.dumps(rows()).encode()),
    )
    answers = read_answers(server.answer(b"".join(asked)))
    return [answer.status for answer in answers] == [200] * 3


def test_what_once_failed_is_refused(server: Fuzzed) -> None:
    found = {name: check(server, name, sent) for name, sent in corpus().items()}
    assert all(statuses and statuses[-1] in REFUSALS for statuses in found.values()), found
    assert answers_right(server)


def test_no_request_makes_the_server_fail_or_grow(server: Fuzzed) -> None:
    told = ask_all(server, range(REQUESTS))
    warm = proportional_kib(server.pid)
    ask_all(server, range(REQUESTS))
    grown = proportional_kib(server.pid) - warm
    assert answers_right(server)
    assert not server.failures()
    assert grown < GROWTH_KIB
    # The requests are worth their while only if most are wrong, and wrong in many ways.
    assert told.keys() >= REFUSALS - {408, 431, 417}
    assert told[200] < REQUESTS / 3


def ask_all(server: Fuzzed, numbers: Iterable[int]) -> Counter[int]:
    told: Counter[int] = Counter()
    for number in numbers:
        told.update(check(server, f"seed {SEED}, request {number}", malformed(number, SEED)))
        if number % 1000 == 0:
            assert answers_right(server)
    return told
