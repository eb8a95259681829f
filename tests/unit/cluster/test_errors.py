"""What an answer of the API server means, whoever gave it."""

from __future__ import annotations

import json

import pytest

from regnant.cluster.errors import (
    AlreadyExistsError,
    ClusterError,
    ConflictError,
    ExpiredError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    UnavailableError,
    error_from_answer,
    error_from_status,
)


@pytest.mark.parametrize(
    ("code", "reason", "leaf"),
    [
        (400, "BadRequest", InvalidError),
        (401, "Unauthorized", ForbiddenError),
        (403, "Forbidden", ForbiddenError),
        (404, "NotFound", NotFoundError),
        (409, "AlreadyExists", AlreadyExistsError),
        (409, "Conflict", ConflictError),
        (410, "Expired", ExpiredError),
        (413, "RequestEntityTooLarge", InvalidError),
        (422, "Invalid", InvalidError),
        (429, "TooManyRequests", UnavailableError),
        (500, "InternalError", UnavailableError),
        (504, "Timeout", UnavailableError),
    ],
)
def test_every_code_has_its_error(code: int, reason: str, leaf: type[ClusterError]) -> None:
    body = json.dumps({"kind": "Status", "code": code, "reason": reason, "message": "so it is"})
    error = error_from_answer("GET /x", code, body.encode())
    assert type(error) is leaf
    assert error.message == "GET /x: so it is"


@pytest.mark.parametrize("body", [b"<html>bad gateway</html>", b'"text"', b"", b"\xff"])
def test_a_proxy_that_answers_in_its_own_words_is_understood_by_the_code(body: bytes) -> None:
    assert type(error_from_answer("GET /x", 502, body)) is UnavailableError


def test_a_message_is_never_longer_than_a_condition_may_be() -> None:
    assert len(error_from_answer("GET /x", 400, b"x" * 100_000).message) == 1024


def test_a_status_inside_a_stream_is_understood_too() -> None:
    status = {"code": 410, "reason": "Expired", "message": "too old resource version"}
    assert type(error_from_status("the watch", status)) is ExpiredError
    assert type(error_from_status("the watch", {"message": "?"})) is UnavailableError


def test_what_waiting_may_cure_is_told_apart() -> None:
    cured = {leaf for leaf in ClusterError.__subclasses__() if leaf.transient}
    assert cured == {ConflictError, ExpiredError, UnavailableError}
