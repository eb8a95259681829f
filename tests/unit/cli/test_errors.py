"""What an error of the API server means is said in one line, with what to do about it."""

from __future__ import annotations

import json

import pytest

from regnant.cli.errors import explained
from regnant.cluster.errors import error_from_answer

FORBIDDEN = (
    'inferenceservices.regnant.dev is forbidden: User "jane" cannot list resource '
    '"inferenceservices" in API group "regnant.dev" at the cluster scope'
)


def status(message: str, **more: str) -> bytes:
    return json.dumps({"kind": "Status", "message": message, **more}).encode()


@pytest.mark.parametrize(
    ("code", "body", "said"),
    [
        (403, status(FORBIDDEN), "jane may not list inferenceservices.regnant.dev in all"),
        (403, status("admission says no"), "the cluster forbids it: GET /x: admission says no"),
        (401, status("Unauthorized"), "does not accept your credentials; log in again"),
        (404, b"404 page not found\n", "does not know regnant.dev: Regnant is not installed"),
        (404, status("the server could not find the requested resource"), "is not installed"),
        (404, status('namespaces "shop" not found'), 'namespaces "shop" not found'),
        (503, b"<html>\n<p>no\n</html>", "the cluster cannot be reached: GET /x"),
        (422, status("spec: invalid"), "spec: invalid"),
    ],
)
def test_it_is_told_in_one_line(code: int, body: bytes, said: str) -> None:
    ended = explained(error_from_answer("GET /x", code, body))
    assert ended.code == 3
    assert said in ended.message
    assert "\n" not in ended.message
