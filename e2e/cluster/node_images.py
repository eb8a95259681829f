"""Handing an image from buildah's storage to the node, without what the node has.

containerd takes an OCI image layout as a tar on its standard input, and a layer
that it already holds need not be in it. So a rebuilt image costs what changed,
not what it weighs.
"""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from .commands import environment, run
from .errors import CommandError
from .layer_store import LayerStore

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"


@dataclass(frozen=True)
class StoredImage:
    """An image in buildah's storage: its name, and its configuration as committed."""

    reference: str
    configuration: bytes

    @property
    def layers(self) -> list[str]:
        """The digests of the layers' tars, the lowest first."""
        listed = json.loads(self.configuration)["rootfs"]["diff_ids"]
        return [str(digest) for digest in listed]

    def manifest(self, store: LayerStore) -> bytes:
        """The manifest that names the layers as they are stored: not compressed."""
        content = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": _descriptor(_CONFIG, self.configuration),
            "layers": [
                {"mediaType": _LAYER, "digest": digest, "size": store.size(digest)}
                for digest in self.layers
            ],
        }
        return json.dumps(content, sort_keys=True).encode()


class NodeImages:
    """The images of the node's containerd."""

    def __init__(self, ctr: list[str], snapshotter: str) -> None:
        self._ctr = ctr
        self._snapshotter = snapshotter

    def has(self, reference: str, manifest: bytes) -> bool:
        """Whether the name stands for exactly this manifest."""
        listed = run([*self._ctr, "images", "list", f"name=={reference}"])
        return _digest(manifest) in listed

    def load_archive(self, archive: Path) -> None:
        """Import a docker-archive or OCI archive that was written by anyone."""
        unpack = ["--snapshotter", self._snapshotter]
        run([*self._ctr, "images", "import", *unpack, str(archive)])

    def load(self, image: StoredImage, store: LayerStore) -> bool:
        """Bring the node's image up to date; say whether anything had to be done."""
        manifest = image.manifest(store)
        if self.has(image.reference, manifest):
            return False
        present = set(run([*self._ctr, "content", "list", "--quiet"]).split())
        command = [*self._ctr, "images", "import", "--snapshotter", self._snapshotter, "-"]
        importer = subprocess.Popen(
            command,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        assert importer.stdin is not None
        assert importer.stderr is not None
        try:
            _write_layout(importer.stdin, image, manifest, store, present)
        except BrokenPipeError:
            pass
        finally:
            _, complaint = importer.communicate()
        if importer.returncode != 0:
            raise CommandError(command, importer.returncode, complaint.decode(errors="replace"))
        return True


def _write_layout(
    target: IO[bytes], image: StoredImage, manifest: bytes, store: LayerStore, present: set[str]
) -> None:
    entry = _descriptor(_MANIFEST, manifest)
    entry["annotations"] = {"io.containerd.image.name": image.reference}
    index = json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()
    with tarfile.open(fileobj=target, mode="w|") as tar:
        _add(tar, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        _add(tar, "index.json", index)
        for content in (manifest, image.configuration):
            _add(tar, _blob(_digest(content)), content)
        for digest in image.layers:
            if digest not in present:
                header = tarfile.TarInfo(_blob(digest))
                header.size = store.size(digest)
                tar.addfile(header)
                _append(tar, store, digest, header.size)


def _append(tar: tarfile.TarFile, store: LayerStore, digest: str, size: int) -> None:
    """Write a layer behind its header, in chunks: `addfile` would want it as a file."""
    target = tar.fileobj
    assert target is not None
    store.write(digest, target)
    target.write(b"\0" * (-size % tarfile.BLOCKSIZE))
    tar.offset += size + -size % tarfile.BLOCKSIZE


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    header = tarfile.TarInfo(name)
    header.size = len(content)
    tar.addfile(header, io.BytesIO(content))


def _descriptor(media_type: str, content: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": _digest(content), "size": len(content)}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"
