"""buildah, with storage of its own under the cache and the machine's way to the network.

What this machine needs to reach its package index (a certificate authority of
its own, a mirror) is mounted over the files where pip and uv look for it while
a build runs, so no Dockerfile knows of it and no image holds it.
"""

from __future__ import annotations

import configparser
import json
import os
import shutil
from pathlib import Path

from .commands import run
from .layer_store import LayerStore
from .node_images import StoredImage

_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
_PIP_KEYS = ("index-url", "extra-index-url", "trusted-host", "timeout", "find-links")


class ImageBuilder:
    """Builds, names, reads and pushes images."""

    def __init__(self, cache: Path) -> None:
        self._folder = cache / "buildah"
        self._root = self._folder / "storage"
        self._root.mkdir(parents=True, exist_ok=True)

    @property
    def records(self) -> Path:
        """Where it is remembered from what each image was built."""
        folder = self._folder / "records"
        folder.mkdir(exist_ok=True)
        return folder

    def build(self, dockerfile: Path, context: Path, reference: str, *, base: str) -> None:
        """Build a Dockerfile as docker and podman would, on `base`."""
        flags = ["--layers", "--file", str(dockerfile), "--tag", reference]
        flags += ["--build-arg", f"PYTHON_IMAGE={base}", *self._machine_settings()]
        self._buildah("build", *flags, str(context))

    def import_tree(self, tree: Path, reference: str) -> None:
        """Make an image of a tar that holds a whole file system."""
        container = self._buildah("from", "scratch").strip()
        self._buildah("add", "--quiet", container, str(tree), "/")
        self._buildah("commit", "--quiet", "--rm", container, reference)

    def pull_archive(self, archive: Path) -> None:
        """Take an image archive into the storage, under the name that it carries."""
        self._buildah("pull", "--quiet", f"docker-archive:{archive}")

    def tag(self, reference: str, other: str) -> None:
        """Give an image a second name."""
        self._buildah("tag", reference, other)

    def has(self, reference: str) -> bool:
        """Whether an image of this name is in the storage."""
        listed = self._buildah("images", "--json")
        return any(reference in (image["names"] or ()) for image in json.loads(listed))

    def stored(self, reference: str) -> StoredImage:
        """The image as it was committed."""
        shown = ["--type", "image", "--format", "{{.Config}}"]
        configuration = self._buildah("inspect", *shown, reference).removesuffix("\n")
        return StoredImage(reference, configuration.encode())

    def layers(self) -> LayerStore:
        """A view of the layers that the storage holds now."""
        return LayerStore(self._root)

    def push(self, reference: str, *, plain_http: bool) -> None:
        """Push to the registry in the reference, with the credentials of the user's login."""
        secured = f"--tls-verify={'false' if plain_http else 'true'}"
        self._buildah("push", "--quiet", secured, reference, f"docker://{reference}")

    def _buildah(self, *words: str) -> str:
        storage = ["--root", str(self._root), "--runroot", str(self._folder / "run")]
        storage += ["--storage-driver", "overlay"]
        # chroot: a container of its own would need namespaces that a small machine may refuse.
        isolation = {"BUILDAH_ISOLATION": "chroot"}
        return run(["nice", "-n", "5", "buildah", *storage, *words], env=isolation)

    def _machine_settings(self) -> list[str]:
        """Mounts that make pip and uv in a build reach what they reach on this machine."""
        folder = self._folder / "settings"
        folder.mkdir(exist_ok=True)
        authorities = Path(os.environ.get("SSL_CERT_FILE") or _AUTHORITIES)
        shutil.copyfile(authorities, folder / "authorities.crt")
        pip = _pip_settings()
        (folder / "pip.conf").write_text(_pip_configuration(pip))
        (folder / "uv.toml").write_text(_uv_configuration(pip))
        mounts = {
            folder / "authorities.crt": str(_AUTHORITIES),
            folder / "pip.conf": "/etc/pip.conf",
            folder / "uv.toml": "/etc/uv/uv.toml",
        }
        wheels = [Path(word) for word in pip.get("find-links", "").split()]
        mounts |= {path: str(path) for path in wheels if path.is_dir()}
        return [f"--volume={source}:{target}:ro" for source, target in mounts.items()]


def _pip_settings() -> dict[str, str]:
    """The machine's settings of pip that say where packages come from."""
    parser = configparser.RawConfigParser()
    parser.read(["/etc/pip.conf", Path.home() / ".config" / "pip" / "pip.conf"])
    found = {}
    for key in _PIP_KEYS:
        variable = os.environ.get(f"PIP_{key.replace('-', '_').upper()}")
        value = variable or parser.get("global", key, fallback="")
        if value:
            found[key] = value
    timeout = os.environ.get("PIP_DEFAULT_TIMEOUT")
    return found | ({"timeout": timeout} if timeout else {})


def _pip_configuration(settings: dict[str, str]) -> str:
    lines = [f"{key} = {value}" for key, value in sorted(settings.items())]
    return "\n".join(["[global]", f"cert = {_AUTHORITIES}", *lines, ""])


def _uv_configuration(settings: dict[str, str]) -> str:
    lines = ["system-certs = true"]
    index = os.environ.get("UV_DEFAULT_INDEX") or settings.get("index-url")
    if index:
        lines.append(f"index-url = {json.dumps(index)}")
    extra = settings.get("extra-index-url", "").split()
    if extra:
        lines.append(f"extra-index-url = {json.dumps(extra)}")
    return "\n".join([*lines, ""])
