"""Images that are one static program and nothing else, written without a builder.

A docker-archive is a tar of a configuration and a layer. Every field that could
vary (times, owners) is fixed, so the same program gives the same digest.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

NON_ROOT = 65532
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class ScratchImage:
    """What the image holds and how it is started."""

    reference: str
    files: Mapping[str, bytes]
    """Path in the image, without the leading slash -> content; all are executable."""
    entrypoint: Sequence[str]
    command: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    folders: Sequence[str] = ()
    """Folders that the image's user may write to."""

    def write(self, archive: Path) -> None:
        """Write the image as a docker-archive."""
        layer = self._layer()
        digest = hashlib.sha256(layer).hexdigest()
        configuration = json.dumps(self._configuration(digest), sort_keys=True).encode()
        name = f"{hashlib.sha256(configuration).hexdigest()}.json"
        manifest = [{"Config": name, "RepoTags": [self.reference], "Layers": [f"{digest}.tar"]}]
        partial = archive.with_name(f".{archive.name}.partial")
        with tarfile.open(partial, "w") as tar:
            _add(tar, name, configuration, mode=0o644)
            _add(tar, f"{digest}.tar", layer, mode=0o644)
            _add(tar, "manifest.json", json.dumps(manifest).encode(), mode=0o644)
        partial.rename(archive)

    def _layer(self) -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for folder in self.folders:
                entry = tarfile.TarInfo(folder)
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                entry.uid = entry.gid = NON_ROOT
                tar.addfile(entry)
            for path, content in sorted(self.files.items()):
                _add(tar, path, content, mode=0o755)
        return buffer.getvalue()

    def _configuration(self, layer_digest: str) -> dict[str, object]:
        return {
            "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": {
                "User": str(NON_ROOT),
                "Entrypoint": list(self.entrypoint),
                "Cmd": list(self.command),
                "Labels": dict(self.labels),
                "Env": ["PATH=/usr/local/bin:/usr/bin:/bin"],
            },
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]},
            "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "regnant"}],
        }


def _add(tar: tarfile.TarFile, name: str, content: bytes, *, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    tar.addfile(entry, io.BytesIO(content))
