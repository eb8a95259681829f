"""What is asked for, in one record; nothing heavy is imported to read a command line into it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class Order:
    """One bundle, as it was asked for; an option that was left out is empty or None."""

    model: Path
    golden: Path
    name: str = ""
    number: int | None = None
    task: Literal["Classification", "Regression", "Other"] | None = None
    classes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    card: Path | None = None
    metrics: tuple[str, ...] = ()
    """NAME=VALUE each."""
    absolute: float | None = None
    relative: float | None = None
    into: Path | None = None
    push: str = ""
    """`oci://HOST[:PORT]/REPOSITORY[:TAG]`"""
    cluster_uri: str = ""
    """The repository as the cluster reaches it."""
    pull_secret: str = ""
    credentials: Path | None = None
    """A Docker configuration with logins."""
    ca_file: Path | None = None
    plain_http: bool = False
    namespace: str = ""
    output: Literal["yaml", "json"] = "yaml"
