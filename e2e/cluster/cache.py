"""A folder of results, each under a key made of everything that went into it.

An entry is built in a temporary folder beside its final place and renamed when
it is complete: an interrupted build leaves nothing that could be mistaken for a
result. A lock per entry keeps two processes from building the same thing twice.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


def content_key(parts: Iterable[str | bytes]) -> str:
    """A digest of the parts; each is preceded by its length, so no two lists collide."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()[:20]


def file_parts(root: Path, paths: Iterable[Path]) -> list[str | bytes]:
    """Name, executable bit and content of each file, in an order that does not vary."""
    parts: list[str | bytes] = []
    for path in sorted(set(paths)):
        parts.append(f"{path.relative_to(root)}:{os.access(path, os.X_OK)}")
        parts.append(path.read_bytes())
    return parts


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on `path` while the enclosed work is done."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def cached_folder(root: Path, name: str, key: str, build: Callable[[Path], None]) -> Path:
    """The folder `root/name-key`; `build` fills it when it does not exist yet."""
    entry = root / f"{name}-{key}"
    if entry.is_dir():
        return entry
    with locked(root / ".locks" / f"{name}-{key}"):
        if entry.is_dir():
            return entry
        for leftover in root.glob(f".partial-{name}-{key}-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        partial = Path(tempfile.mkdtemp(dir=root, prefix=f".partial-{name}-{key}-"))
        try:
            build(partial)
            partial.chmod(0o755)
            partial.rename(entry)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    return entry
