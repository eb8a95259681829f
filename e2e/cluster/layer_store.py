"""Reading single layers out of buildah's storage, byte for byte as they were committed.

Exporting an image writes all of it: 8 s for the trainer, when a change of the
sources made one layer of a megabyte. The storage keeps beside each layer's
files a `tar-split` stream: the headers of its tar, with a mark wherever a file's
content stood. Both together give the layer back; its digest proves it.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from .errors import LayerError

_CHUNK = 1 << 20
_FILE, _SEGMENT = 1, 2


class Sink(Protocol):
    """Anything that takes bytes: a pipe, a file, a tar that is being written."""

    def write(self, data: bytes, /) -> object:
        """Take the bytes."""


class LayerStore:
    """The layers under buildah's storage root, by the digest of their tar."""

    def __init__(self, root: Path) -> None:
        self._root = root
        listed = json.loads((root / "overlay-layers" / "layers.json").read_text())
        self._layers: dict[str, str] = {
            layer["diff-digest"]: layer["id"] for layer in listed if "diff-digest" in layer
        }
        self._sizes: dict[str, int] = {
            layer["diff-digest"]: layer["diff-size"] for layer in listed if "diff-size" in layer
        }

    def size(self, digest: str) -> int:
        """How many bytes the layer's tar has."""
        return self._sizes[digest]

    def write(self, digest: str, target: Sink) -> None:
        """Write the layer's tar; raise LayerError if it is not what the digest names."""
        seen = hashlib.sha256()
        for chunk in self._chunks(self._layers[digest]):
            seen.update(chunk)
            target.write(chunk)
        if f"sha256:{seen.hexdigest()}" != digest:
            raise LayerError(digest)

    def _chunks(self, layer: str) -> Iterator[bytes]:
        files = self._root / "overlay" / layer / "diff"
        with gzip.open(self._root / "overlay-layers" / f"{layer}.tar-split.gz") as stream:
            for line in stream:
                entry = json.loads(line)
                if entry["type"] == _SEGMENT:
                    yield base64.b64decode(entry["payload"])
                elif entry["type"] == _FILE and entry.get("size", 0) > 0:
                    yield from _content(files, entry)


def _content(files: Path, entry: dict[str, str]) -> Iterator[bytes]:
    # A name that is not valid UTF-8 is kept as base64 beside the readable field.
    raw = entry.get("name_raw")
    name = base64.b64decode(raw) if raw else entry["name"].encode()
    with (files / os.fsdecode(name.lstrip(b"/"))).open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
