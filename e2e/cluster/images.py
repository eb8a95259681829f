"""Regnant's images: what each is made from, and bringing all that changed up to date.

The four images of the project are built from their Dockerfiles; where no
registry can be reached they stand on a base that is made here from Debian's
packages. The registry's image is one program. A digest of everything that an
image is made from is kept beside it, so an unchanged one costs nothing and is
not even handed to the builder.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .cache import content_key, file_parts, locked
from .commands import run
from .errors import UnknownNameError
from .image_builder import ImageBuilder
from .node_images import NodeImages
from .packages import install_packages
from .programs import build_programs
from .progress import long_step, say, step
from .scratch_image import ScratchImage
from .settings import CHECKOUT, Settings

_DOCKERFILES = CHECKOUT / "operator" / "images"
_LOCKED = ("pyproject.toml", "uv.lock")
_PROJECT = (*_LOCKED, "README.md", "LICENSE")
PYTHON = "python"
REGISTRY = "registry"
PROJECT_IMAGES = ("trainer", "operator", "server", "router")
IMAGES = (PYTHON, *PROJECT_IMAGES, REGISTRY)

# The base is the same whatever the images are called.
_BASE = "localhost/regnant-python:dev"
_DEBIAN = "bookworm"
_BASE_OPTIONS = (
    "--variant=minbase",
    "--include=python3,python3-venv",
    *(f"--dpkgopt=path-exclude=/usr/share/{part}/*" for part in ("doc", "info", "locale", "man")),
)
_REGISTRY_CONFIGURATION = """\
version: 0.1
log:
  level: info
storage:
  filesystem:
    rootdirectory: /var/lib/registry
  delete:
    enabled: true
http:
  addr: :5000
health:
  storagedriver:
    enabled: true
"""


@dataclass(frozen=True)
class Built:
    """An image that is up to date."""

    name: str
    reference: str


class Images:
    """All images under the prefix and tag that the settings name."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._builder = ImageBuilder(settings.cache)
        # A base of the user's is taken as it is; ours is made when none is named.
        self._foreign_base = os.environ.get("PYTHON_IMAGE")
        self._base = self._foreign_base or _BASE

    def build(self, names: Iterable[str]) -> list[Built]:
        """Bring the named images up to date, two at a time; all of them when none is named."""
        wanted = list(names) or list(IMAGES)
        for name in wanted:
            if name not in IMAGES:
                raise UnknownNameError("image", name, IMAGES)
        install_packages()
        with self._alone():
            built = [] if self._foreign_base else [self._build_base()]
            rest = [name for name in wanted if name != PYTHON]
            with ThreadPoolExecutor(max_workers=2) as pool:
                built += pool.map(self._build_one, rest)
        return [each for each in built if each.name in wanted]

    def load(self, built: Iterable[Built], node: NodeImages) -> None:
        """Bring the node's images up to date with these, or with what was built since."""
        with self._alone():
            layers = self._builder.layers()
            for each in built:
                image = self._builder.stored(each.reference)
                with step(f"image {each.name} is on the node"):
                    node.load(image, layers)

    def push(self, built: Iterable[Built], *, plain_http: bool) -> None:
        """Push to the registry that the prefix names."""
        for each in built:
            with step(f"image {each.name} is pushed as {each.reference}"):
                self._builder.push(each.reference, plain_http=plain_http)

    def report_sizes(self, built: Iterable[Built]) -> None:
        """Print what each image weighs, and each of its layers."""
        layers = self._builder.layers()
        for each in built:
            sizes = [layers.size(digest) for digest in self._builder.stored(each.reference).layers]
            parts = " + ".join(f"{size / 1e6:.1f}" for size in sizes)
            print(f"{each.reference:<44}{sum(sizes) / 1e6:8.1f} MB   ({parts})")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else builds meanwhile: names and layers belong together."""
        with locked(self._settings.cache / ".locks" / "images"):
            yield

    def _build_one(self, name: str) -> Built:
        return self._build_registry() if name == REGISTRY else self._build_project(name)

    def _build_base(self) -> Built:
        """Debian with its Python: the least that a virtual environment stands on."""

        def make(reference: str) -> None:
            tree = self._settings.cache / "images" / f".base-{os.getpid()}.tar"
            tree.parent.mkdir(parents=True, exist_ok=True)
            try:
                run(["nice", "-n", "5", "mmdebstrap", *_BASE_OPTIONS, _DEBIAN, tree])
                self._builder.import_tree(tree, reference)
            finally:
                tree.unlink(missing_ok=True)

        return self._bring_up_to_date(PYTHON, content_key([_DEBIAN, *_BASE_OPTIONS]), make)

    def _build_project(self, name: str) -> Built:
        dockerfile = _DOCKERFILES / name / "Dockerfile"
        key = content_key(
            [
                dockerfile.read_bytes(),
                self._foreign_base or self._recorded_key(PYTHON),
                *file_parts(CHECKOUT, _context(name)),
            ]
        )
        return self._bring_up_to_date(
            name,
            key,
            lambda reference: self._builder.build(dockerfile, CHECKOUT, reference, base=self._base),
        )

    def _build_registry(self) -> Built:
        program = build_programs(self._settings, ["registry"])["registry"]
        key = content_key([program.parent.name, _REGISTRY_CONFIGURATION])

        def make(reference: str) -> None:
            archive = self._settings.cache / "images" / f".registry-{os.getpid()}.tar"
            archive.parent.mkdir(parents=True, exist_ok=True)
            # The same paths and words as in the image `registry:3`: the chart takes either.
            image = ScratchImage(
                reference,
                files={
                    "bin/registry": program.read_bytes(),
                    "etc/distribution/config.yml": _REGISTRY_CONFIGURATION.encode(),
                },
                entrypoint=["/bin/registry"],
                command=["serve", "/etc/distribution/config.yml"],
                labels={"org.opencontainers.image.title": "regnant-registry"},
                folders=["var/lib/registry", "tmp"],
            )
            try:
                image.write(archive)
                self._builder.pull_archive(archive)
            finally:
                archive.unlink(missing_ok=True)

        return self._bring_up_to_date(REGISTRY, key, make)

    def _bring_up_to_date(self, name: str, key: str, make: Callable[[str], None]) -> Built:
        reference = self._reference(name)
        if self._recorded_key(name) == key and self._builder.has(reference):
            say(f"          image {name} is unchanged")
            return Built(name, reference)
        with long_step(f"building the image {name}", f"image {name} is built"):
            make(reference)
        self._record_file(name).write_text(json.dumps({"key": key}) + "\n")
        return Built(name, reference)

    def _recorded_key(self, name: str) -> str:
        try:
            return str(json.loads(self._record_file(name).read_text())["key"])
        except (FileNotFoundError, ValueError, KeyError):
            return ""

    def _record_file(self, name: str) -> Path:
        return self._builder.records / f"{content_key([self._reference(name)])}.json"

    def _reference(self, name: str) -> str:
        return _BASE if name == PYTHON else self._settings.image(name)


def _context(name: str) -> list[Path]:
    """The files of the checkout that the image's Dockerfile copies."""
    if name == "router":
        return [CHECKOUT / file for file in _LOCKED]
    sources = (CHECKOUT / "operator" / "regnant").rglob("*")
    return [
        *(CHECKOUT / file for file in _PROJECT),
        *(
            path
            for path in sources
            if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
        ),
    ]
