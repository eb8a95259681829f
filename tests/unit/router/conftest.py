"""Two versions' servers, for the tests that run a real router."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.router.running_router import Server, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def old() -> AsyncIterator[Server]:
    async with serving(Server(3)) as server:
        yield server


@pytest.fixture
async def new() -> AsyncIterator[Server]:
    async with serving(Server(4)) as server:
        yield server
