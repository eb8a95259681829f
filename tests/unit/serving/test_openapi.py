"""The OpenAPI document holds, as an independent tool reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.unit.serving.bundles import customers_bundle, doubling_bundle
from tests.unit.serving.running_server import LOOPBACK, running_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.unit.serving.bundles import Written
    from tests.unit.serving.running_server import RunningServer

EXAMPLES = 25
"""Requests of each kind to each path."""
BUNDLES: dict[str, Callable[[Path], Written]] = {
    "customers": customers_bundle,
    "doubling": doubling_bundle,
}


@pytest.fixture(scope="module", params=BUNDLES)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    with running_server(BUNDLES[request.param](tmp_path_factory.mktemp(request.param))) as made:
        yield made


@pytest.fixture(scope="module")
def document(server: RunningServer) -> dict[str, Any]:
    found: dict[str, Any] = server.client.get("/v2/openapi.json").json()
    return found


@pytest.fixture(scope="module")
def described(server: RunningServer) -> Any:
    return schemathesis.openapi.from_url(f"http://{LOOPBACK}:{server.port}/v2/openapi.json")


def test_every_example_is_answered(server: RunningServer, document: dict[str, Any]) -> None:
    asked = 0
    for path, operations in document["paths"].items():
        if "post" not in operations:
            continue
        example = operations["post"]["requestBody"]["content"]["application/json"]["example"]
        answer = server.client.post(path, json=example)
        assert answer.status_code == 200, (path, answer.text)
        asked += 1
    assert asked >= 2


def test_every_path_of_the_document_is_there(
    server: RunningServer, document: dict[str, Any]
) -> None:
    for path, operations in document["paths"].items():
        for method in operations:
            assert server.client.request(method, path).status_code not in {404, 405}, path


@pytest.mark.parametrize("mode", GenerationMode)
def test_what_is_not_allowed_is_refused_and_every_answer_is_one_that_it_tells(
    described: Any, mode: GenerationMode
) -> None:
    for result in described.get_all_operations():
        operation = result.ok()
        if operation.method == "get" and mode is GenerationMode.NEGATIVE:
            continue

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow]
        )
        def is_as_told(case: schemathesis.Case[Any]) -> None:
            # The number of elements that a shape asks for cannot be told in JSON Schema.
            case.call_and_validate(excluded_checks=[positive_data_acceptance])

        is_as_told()
