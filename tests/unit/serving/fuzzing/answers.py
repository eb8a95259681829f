"""A reader of answers that takes nothing but what HTTP/1.1 and the server's promises allow."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ([A-Za-z -]+)\r\n")
_HEADER = re.compile(rb"([a-z0-9-]+): ([\t\x20-\x7e\x80-\xff]*)\r\n")
_SENTENCE = re.compile(r"\S+ \S+")


class Answer(NamedTuple):
    """One answer."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


def read_answers(received: bytes, *, bodiless: bool = False) -> list[Answer]:
    """Take a connection's bytes apart; `bodiless` if some may answer a HEAD."""
    answers, at = [], 0
    while at < len(received):
        status = _STATUS.match(received, at)
        assert status, received[at : at + 200]
        at, headers = status.end(), dict[bytes, bytes]()
        while line := _HEADER.match(received, at):
            assert line[1] not in headers, line[1]
            headers[line[1]] = line[2]
            at = line.end()
        assert received[at : at + 2] == b"\r\n", received[at : at + 200]
        at += 2
        code = int(status[1])
        length = int(headers.get(b"content-length", b"0")) if code >= 200 else 0
        if bodiless and (at == len(received) or received.startswith(b"HTTP/1.1 ", at)):
            length = 0
        body = received[at : at + length]
        assert len(body) == length, (code, length, len(body))
        at += length
        answers.append(Answer(code, headers, body))
    return answers


def check_refusal(answer: Answer) -> None:
    """A refusal is JSON with one sentence."""
    assert answer.headers[b"content-type"] == b"application/json"
    if not answer.body:
        return
    told = json.loads(answer.body)
    assert list(told) == ["error"]
    assert _SENTENCE.search(told["error"]), told
    assert len(told["error"]) < 40_000
