"""Servers that many tests share; none of them changes what it serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.serving.bundles import doubling_bundle, echo_bundle
from tests.unit.serving.running_server import running_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.serving.running_server import RunningServer


@pytest.fixture(scope="session")
def doubling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(doubling_bundle(tmp_path_factory.mktemp("doubling"))) as server:
        yield server


@pytest.fixture(scope="session")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(echo_bundle(tmp_path_factory.mktemp("echo"))) as server:
        yield server
