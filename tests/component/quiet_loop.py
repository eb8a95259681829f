"""Telling when the connections of an event loop are really gone.

aiohttp ends a TLS connection that a stream was read from in the background, and tells nobody when
that is done. A loop that is closed before leaves sockets to the garbage collector, whose complaint
then fails whichever test runs at that moment.
"""

from __future__ import annotations

import asyncio
from selectors import BaseSelector

_ITS_OWN = 1
"""The pipe by which other threads wake a loop."""


async def until_quiet() -> None:
    """Return when the running loop waits for no socket any more."""
    selector: BaseSelector = asyncio.get_running_loop()._selector  # type: ignore[attr-defined]
    async with asyncio.timeout(60):
        # A selector can only be asked.
        while len(selector.get_map()) > _ITS_OWN:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    # A transport is told of the end of its socket one turn of the loop later.
    await asyncio.sleep(0)
