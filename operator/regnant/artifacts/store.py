"""Bundles into a store and out of it, verified both ways.

A registry is believed as little as a disk. After a push every blob and the manifest are read back
and hashed before the tag is trusted. A fetch works in a hidden directory of the target volume,
follows the digest that the operator named, and moves files into place only when all of them
matched: a server never sees half a bundle, and a failed fetch leaves nothing behind.
"""

from __future__ import annotations

import errno
import hashlib
import shutil
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from regnant.artifacts.bundle import (
    CONFIG,
    MANIFEST,
    BuiltManifest,
    Bundle,
    Descriptor,
    Layer,
    Manifest,
    build_manifest,
    parse_manifest,
)
from regnant.artifacts.canonical import is_digest, sha256_digest
from regnant.artifacts.credentials import StoreCredentials
from regnant.artifacts.errors import (
    ArtifactFailure,
    DigestMismatch,
    ReferenceInvalid,
    StoreUnavailable,
    VolumeFull,
)
from regnant.artifacts.layout import OpenedBundle, open_bundle, verify_file
from regnant.artifacts.reference import Repository, check_tag
from regnant.artifacts.registry import RegistryClient
from regnant.artifacts.retry import DEFAULT_RETRY, Retry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

INCOMING: Final = ".incoming"
ANONYMOUS: Final = StoreCredentials()


def push(
    bundle: Bundle,
    repository: Repository,
    tag: str,
    *,
    credentials: StoreCredentials = ANONYMOUS,
    plain_http: bool = False,
    retry: Retry = DEFAULT_RETRY,
) -> Descriptor:
    """Store a bundle under a tag and return the descriptor that names it."""
    check_tag(tag)
    built = build_manifest(bundle)
    client = RegistryClient(repository, credentials, plain_http=plain_http)
    for layer in (built.config, *built.layers):
        retry(lambda layer=layer: _put_verified(client, layer))  # type: ignore[misc]
    retry(lambda: _put_manifest_verified(client, built, tag))
    return built.descriptor


def _put_verified(client: RegistryClient, layer: Layer) -> None:
    """Upload a blob unless it is there, and read it back either way."""
    if not client.has_blob(layer.descriptor):
        client.put_blob(layer.descriptor, layer.content)
    found = hashlib.sha256()
    with client.blob(layer.descriptor) as (_, chunks):
        for chunk in chunks:
            found.update(chunk)
    digest = f"sha256:{found.hexdigest()}"
    if digest != layer.descriptor.digest:
        raise DigestMismatch(
            f"{layer.descriptor.title or CONFIG}: the store gives back {digest} for "
            f"{layer.descriptor.digest}; its blob is damaged: delete it there and run again"
        )


def _put_manifest_verified(client: RegistryClient, built: BuiltManifest, tag: str) -> None:
    client.put_manifest(tag, built.content)
    found = sha256_digest(client.manifest(tag))
    if found != built.descriptor.digest:
        raise DigestMismatch(
            f"{client.repository}:{tag}: the store gives back manifest {found} for "
            f"{built.descriptor.digest}; does someone else push to this tag?"
        )


def fetch(
    repository: Repository,
    digest: str,
    directory: Path,
    *,
    credentials: StoreCredentials = ANONYMOUS,
    plain_http: bool = False,
    retry: Retry = DEFAULT_RETRY,
) -> OpenedBundle:
    """Bring a bundle into a directory; a bundle that is already there and whole is kept."""
    if not is_digest(digest):
        raise ReferenceInvalid(f"digest {digest!r}: must be sha256: and 64 hexadecimal digits")
    directory.mkdir(parents=True, exist_ok=True)
    try:
        return open_bundle(directory, digest)
    except ArtifactFailure:
        pass  # empty, of another version, or damaged: fetched anew below
    client = RegistryClient(repository, credentials, plain_http=plain_http)
    incoming = directory / INCOMING
    with ExitStack() as cleanup:
        shutil.rmtree(incoming, ignore_errors=True)
        cleanup.callback(shutil.rmtree, incoming, ignore_errors=True)
        incoming.mkdir()
        manifest = _fetch_manifest(client, digest, incoming, retry)
        for name, descriptor in {CONFIG: manifest.config, **manifest.files}.items():
            _fetch_blob(client, descriptor, incoming / name, retry)
        for name in (*manifest.files, CONFIG, MANIFEST):
            (incoming / name).replace(directory / name)
    return open_bundle(directory, digest)


def _fetch_manifest(client: RegistryClient, digest: str, incoming: Path, retry: Retry) -> Manifest:
    content = retry(lambda: client.manifest(digest))
    found = sha256_digest(content)
    if found != digest:
        raise DigestMismatch(
            f"manifest: {client.repository} gives {found} for {digest}; the store is damaged: "
            "push the bundle again"
        )
    manifest = parse_manifest(content)
    free = shutil.disk_usage(incoming).free
    if manifest.size_bytes > free:
        raise VolumeFull(
            f"volume {incoming.parent}: {free} bytes are free, the bundle has "
            f"{manifest.size_bytes}; raise the volume's size limit"
        )
    (incoming / MANIFEST).write_bytes(content)
    return manifest


def _fetch_blob(client: RegistryClient, descriptor: Descriptor, path: Path, retry: Retry) -> None:
    """Download with resumption; what was resumed and does not match is downloaded once more."""
    retry(_downloader(client, descriptor, path))
    verify_file(path, descriptor)


def _downloader(client: RegistryClient, descriptor: Descriptor, path: Path) -> Callable[[], None]:
    """Return an action that continues where an interrupted one stopped."""

    def download() -> None:
        offset = path.stat().st_size if path.exists() else 0
        with client.blob(descriptor, offset=offset) as (start, chunks):
            _write_chunks(path, start, chunks, descriptor)
        if offset and path.stat().st_size == descriptor.size:
            _restart_unless_whole(path, descriptor)

    return download


def _restart_unless_whole(path: Path, descriptor: Descriptor) -> None:
    try:
        verify_file(path, descriptor)
    except DigestMismatch as error:
        path.unlink()
        raise StoreUnavailable(f"{path.name}: the resumed download does not match") from error


def _write_chunks(path: Path, start: int, chunks: Iterator[bytes], descriptor: Descriptor) -> None:
    """Write no more than the descriptor promises, whatever the store sends."""
    try:
        with path.open("r+b" if start else "wb") as file:
            file.seek(start)
            for chunk in chunks:
                if file.tell() + len(chunk) > descriptor.size:
                    raise DigestMismatch(
                        f"{path.name}: the store sends more than {descriptor.size} bytes; its blob "
                        "is damaged: push the bundle again"
                    )
                file.write(chunk)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise VolumeFull(
            f"volume {path.parent.parent}: no space left while writing {path.name}; raise the "
            "volume's size limit"
        ) from error
