"""A bundle as a directory, which is never believed without its digests.

The fetcher fills the directory, or whoever made the bundle does; the server reads it, and between
them lies a volume and a restart. So `open_bundle` starts from the one digest that the operator
named and follows it down: manifest, then every file. Reading hashes as it goes; nothing is returned
before all of it matched.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from regnant.artifacts.bundle import (
    CARD,
    CONFIG,
    GOLDEN,
    MANIFEST,
    MODEL,
    PROFILE,
    SIGNATURE,
    Bundle,
    Descriptor,
    Manifest,
    build_manifest,
    parse_manifest,
)
from regnant.artifacts.canonical import sha256_digest
from regnant.artifacts.errors import BundleNotFound, DigestMismatch
from regnant.artifacts.signature import Signature, parse_signature

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class OpenedBundle:
    """A directory whose every file matched its digest when it was opened."""

    directory: Path
    digest: str
    manifest: Manifest
    signature: Signature

    @property
    def model(self) -> Path:
        """The ONNX graph."""
        return self.directory / MODEL

    @property
    def golden(self) -> Path:
        """The golden requests and answers."""
        return self.directory / GOLDEN

    @property
    def profile(self) -> Path | None:
        """The reference histograms, where the trainer made them."""
        return self.directory / PROFILE if PROFILE in self.manifest.files else None

    @property
    def card(self) -> Path | None:
        """The model card, where the trainer made one."""
        return self.directory / CARD if CARD in self.manifest.files else None


def write_bundle(directory: Path, bundle: Bundle) -> str:
    """Write a bundle's files as a fetch leaves them; the digest that it is opened by."""
    built = build_manifest(bundle)
    directory.mkdir(parents=True, exist_ok=True)
    about = {CONFIG: built.config.content, MANIFEST: built.content}
    for name, content in {**bundle.files(), **about}.items():
        (directory / name).write_bytes(content)
    return built.descriptor.digest


def open_bundle(directory: Path, digest: str) -> OpenedBundle:
    """Verify a directory against a manifest digest and open it."""
    content = _read(directory / MANIFEST)
    found = sha256_digest(content)
    if found != digest:
        raise DigestMismatch(
            f"{MANIFEST}: the digest is {found}, not {digest}; fetch the bundle again"
        )
    manifest = parse_manifest(content)
    for name, descriptor in {**manifest.files, CONFIG: manifest.config}.items():
        verify_file(directory / name, descriptor)
    signature = parse_signature(_read(directory / SIGNATURE))
    return OpenedBundle(directory, digest, manifest, signature)


def verify_file(path: Path, descriptor: Descriptor) -> None:
    """Compare a file's size and sha256 with its descriptor."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise BundleNotFound(f"{path.name}: {error.strerror}; fetch the bundle again") from error
    if size != descriptor.size:
        raise DigestMismatch(
            f"{path.name}: {size} bytes, not {descriptor.size}; fetch the bundle again"
        )
    found = file_digest(path)
    if found != descriptor.digest:
        raise DigestMismatch(
            f"{path.name}: the digest is {found}, not {descriptor.digest}; fetch the bundle again"
        )


def file_digest(path: Path) -> str:
    """Name a file's bytes by their sha256 without holding them in memory."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BundleNotFound(f"{path.name}: {error.strerror}; fetch the bundle again") from error
