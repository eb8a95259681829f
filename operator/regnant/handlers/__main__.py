"""`python -m regnant.handlers`: the operator."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from regnant.handlers import logs, process
from regnant.handlers.settings import Settings, parse


def main() -> int:
    """Run the operator; the exit code."""
    settings = parse(sys.argv[1:], os.environ)
    logs.set_up(settings.log_format)
    try:
        return asyncio.run(_run(settings))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 0


async def _run(settings: Settings) -> int:
    """End at once on a signal, until kopf takes over with an end that is graceful.

    A container's first process is not ended by a signal that it does not handle.
    """
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await process.run(settings)


if __name__ == "__main__":
    sys.exit(main())
