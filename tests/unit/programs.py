"""The programs that unit tests talk to: those of the local cluster, built once a machine."""

from __future__ import annotations

from pathlib import Path

from e2e.cluster.programs import build_programs
from e2e.cluster.settings import Settings


def program(name: str) -> Path:
    """One of them, built if the cache does not have it."""
    return build_programs(Settings.from_environment(), [name])[name]
