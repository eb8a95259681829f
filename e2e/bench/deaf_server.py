"""The model server without its reports, as what they cost is measured against it.

It counts nothing and keeps no outcome; all else is the server's own code.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

import uvloop

from regnant.serving import log
from regnant.serving.__main__ import prove
from regnant.serving.listener import Listener
from regnant.serving.reports import Reports
from regnant.serving.settings import parse_settings
from regnant.serving.statistics import Statistics

if TYPE_CHECKING:
    from regnant.serving.messages import Request
    from regnant.serving.routes import Routes
    from regnant.serving.settings import Settings


class _DeafStatistics(Statistics):
    def answered(self, request: Request, status: int) -> None:
        """Count nothing."""


class _DeafReports(Reports):
    def __init__(self, told: Reports, routes: Routes) -> None:
        super().__init__(routes.identity, told.outcomes)
        self.statistics = _DeafStatistics()

    def inferred(self, *_heard: object, **_named: object) -> bool:
        """Keep nothing, and look at nothing."""
        return True


def main() -> int:
    """Serve as the environment says."""
    log.set_up()
    settings = parse_settings(os.environ)
    routes = prove(settings)
    routes.reports = _DeafReports(routes.reports, routes)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, routes))
    return 0


async def _serve(settings: Settings, routes: Routes) -> None:
    listener = Listener(settings, routes)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, listener.stop)
    log.event("ready", port=await listener.open())
    await listener.run()
    routes.close()


if __name__ == "__main__":
    sys.exit(main())
