"""`python -m regnant.handlers`: the operator."""

from __future__ import annotations

import asyncio
import os
import sys

from regnant.handlers import logs, process, settings


def main() -> int:
    """Run the operator; the exit code."""
    given = settings.parse(sys.argv[1:], os.environ)
    logs.set_up(given.log_format)
    try:
        return asyncio.run(process.run(given))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 0


if __name__ == "__main__":
    sys.exit(main())
