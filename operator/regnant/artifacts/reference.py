"""Where a bundle lives: `oci://host[:port]/path`, read once and never guessed.

Tools for images guess a registry when a host has no dot or port, so that `oci://registry/models`
becomes a path on somebody's public hub. Here the first segment is always the host.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from regnant.artifacts.errors import ReferenceInvalid

SCHEME: Final = "oci"
_SEGMENT: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH: Final = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*")
_HOST: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::[0-9]{1,5})?")
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True)
class Repository:
    """One repository of one registry."""

    host: str
    path: str

    def __str__(self) -> str:
        return f"{SCHEME}://{self.host}/{self.path}"

    def child(self, *segments: str) -> Repository:
        """Return a repository below this one."""
        return parse_repository("/".join((str(self), *segments)))


def parse_repository(uri: str) -> Repository:
    """Read an address, saying what is wrong with one that cannot be used."""
    parts = urlsplit(uri)
    path = parts.path.strip("/")
    if parts.scheme != SCHEME:
        raise ReferenceInvalid(f"uri {uri!r}: must start with {SCHEME}://")
    if not _HOST.fullmatch(parts.netloc):
        raise ReferenceInvalid(
            f"uri {uri!r}: {parts.netloc!r} is no host; write {SCHEME}://host:port/path"
        )
    if not _PATH.fullmatch(path) or parts.query or parts.fragment:
        raise ReferenceInvalid(
            f"uri {uri!r}: {path!r} is no repository; use lower-case letters, digits, '-', '_', "
            "'.' and '/', and give the tag or digest apart from it"
        )
    return Repository(parts.netloc, path)


def check_tag(tag: str) -> str:
    """Return the tag if a registry can take it."""
    if not _TAG.fullmatch(tag):
        raise ReferenceInvalid(f"tag {tag!r}: a registry takes letters, digits, '_', '.' and '-'")
    return tag
