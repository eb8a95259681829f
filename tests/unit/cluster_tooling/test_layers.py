"""A layer is given back byte for byte, or not at all."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from e2e.cluster.errors import LayerError
from e2e.cluster.layer_store import LayerStore
from e2e.cluster.node_images import StoredImage
from e2e.cluster.scratch_image import ScratchImage

FILES = {"bin/tool": b"\x7fELF" + b"x" * 3000, "etc/empty": b"", "etc/conf": b"a = 1\n"}


def layer_tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in FILES.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    return buffer.getvalue()


def store_as_buildah_does(root: Path, tar: bytes) -> str:
    """Split a tar into its files and the stream of everything between their contents."""
    digest = f"sha256:{hashlib.sha256(tar).hexdigest()}"
    entries: list[dict[str, object]] = []
    position = 0
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        for member in opened:
            header = tar[position : member.offset_data]
            entries.append({"type": 2, "payload": base64.b64encode(header).decode()})
            entries.append({"type": 1, "name": member.name, "size": member.size})
            position = member.offset_data + member.size
    entries.append({"type": 2, "payload": base64.b64encode(tar[position:]).decode()})
    for name, content in FILES.items():
        file = root / "overlay" / "layer" / "diff" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    layers = root / "overlay-layers"
    layers.mkdir()
    described = {"id": "layer", "diff-digest": digest, "diff-size": len(tar)}
    (layers / "layers.json").write_text(json.dumps([described, {"id": "unfinished"}]))
    with gzip.open(layers / "layer.tar-split.gz", "wt") as stream:
        stream.writelines(json.dumps(entry) + "\n" for entry in entries)
    return digest


def test_a_layer_is_put_together_as_it_was_committed(tmp_path: Path) -> None:
    tar = layer_tar()
    digest = store_as_buildah_does(tmp_path, tar)
    written = io.BytesIO()
    LayerStore(tmp_path).write(digest, written)
    assert written.getvalue() == tar


def test_a_flipped_bit_in_the_storage_is_refused(tmp_path: Path) -> None:
    digest = store_as_buildah_does(tmp_path, layer_tar())
    file = tmp_path / "overlay" / "layer" / "diff" / "etc" / "conf"
    file.write_bytes(b"a = 0\n")
    with pytest.raises(LayerError):
        LayerStore(tmp_path).write(digest, io.BytesIO())


def test_a_manifest_names_configuration_and_layers_by_their_digests(tmp_path: Path) -> None:
    tar = layer_tar()
    digest = store_as_buildah_does(tmp_path, tar)
    configuration = json.dumps({"rootfs": {"type": "layers", "diff_ids": [digest]}}).encode()
    image = StoredImage("localhost/tool:dev", configuration)
    manifest = json.loads(image.manifest(LayerStore(tmp_path)))
    expected = f"sha256:{hashlib.sha256(configuration).hexdigest()}"
    assert manifest["config"]["digest"] == expected
    assert [(each["digest"], each["size"]) for each in manifest["layers"]] == [(digest, len(tar))]


def test_the_same_program_gives_the_same_image(tmp_path: Path) -> None:
    image = ScratchImage("localhost/tool:dev", FILES, entrypoint=["/bin/tool"])
    image.write(tmp_path / "one.tar")
    image.write(tmp_path / "two.tar")
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_an_image_of_one_program_runs_without_privileges(tmp_path: Path) -> None:
    ScratchImage("localhost/tool:dev", FILES, entrypoint=["/bin/tool"]).write(tmp_path / "a.tar")
    with tarfile.open(tmp_path / "a.tar") as tar:
        manifest = json.load(tar.extractfile("manifest.json") or io.BytesIO())
        configuration = json.load(tar.extractfile(manifest[0]["Config"]) or io.BytesIO())
    assert configuration["config"]["User"] == "65532"
    assert manifest[0]["RepoTags"] == ["localhost/tool:dev"]
