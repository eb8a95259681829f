"""Who may use the cluster at the same time: modules side by side, but for those that run alone.

Most modules have a namespace of their own and disturb nobody. A module that is marked `exclusive`
changes what all share (the operator, its store, the node, the control plane), or goes by time, so
nothing else runs meanwhile, in this run or in another one of this machine. Locks are files: whoever
is killed gives them back.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from e2e.cluster.settings import Settings


@contextmanager
def side_by_side() -> Iterator[None]:
    """As long as nobody wants to be alone."""
    with _held("cluster", fcntl.LOCK_SH):
        yield


@contextmanager
def alone() -> Iterator[None]:
    """Once everybody else is done."""
    with _held("cluster", fcntl.LOCK_EX):
        yield


@contextmanager
def installing() -> Iterator[None]:
    """One at a time, and while nobody is alone: a release can be changed by one only."""
    with side_by_side(), _held("installation", fcntl.LOCK_EX):
        yield


@contextmanager
def _held(name: str, how: int) -> Iterator[None]:
    folder = Settings.from_environment().cache / "turns"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("w") as file:
        fcntl.flock(file, how)
        yield
