"""Work that goes on beside a test, and whose failure is the test's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager


@asynccontextmanager
async def beside(*work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Run what has no end until the context ends; if any of it fails, the context does."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
            yield
            for task in tasks:
                task.cancel()
    except ExceptionGroup as several:
        # What came first; the others follow from it, and a group in a group cannot be read.
        raise several.exceptions[0] from None
