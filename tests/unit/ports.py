"""Ports for programs that must be told one before they start.

A port that the system hands out is free only until somebody else asks: the next connection may come
from it. So these lie below the range of such ports, and each worker of a run has its own of them.
"""

from __future__ import annotations

import itertools
import os
import socket

_LOWEST, _EACH, _WORKERS = 20_000, 1_200, 10
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
_PORTS = itertools.cycle(range(_LOWEST + _WORKER * _EACH, _LOWEST + (_WORKER + 1) * _EACH))


def free_port() -> int:
    """A port of the loopback address that nobody has, and nobody is given by chance."""
    return next(port for port in itertools.islice(_PORTS, _EACH) if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as attempt:
        # As those do who are to have it: what a closed connection left behind is in nobody's way.
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
