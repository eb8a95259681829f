"""The two images without which no pod runs and no name resolves: pause and CoreDNS.

Each holds one static program that was built here, so they need no image builder
and no base.
"""

from __future__ import annotations

from pathlib import Path

from .cache import cached_folder, content_key
from .commands import run
from .scratch_image import ScratchImage

PAUSE = "localhost/regnant-pause:dev"
COREDNS = "localhost/regnant-coredns:dev"
_PAUSE_SOURCE = Path(__file__).resolve().parent / "pause" / "pause.c"


def system_image_archives(cache: Path, coredns: Path) -> list[Path]:
    """Archives of both images, ready to be imported."""
    return [_pause_archive(cache), _coredns_archive(cache, coredns)]


def _pause_archive(cache: Path) -> Path:
    def fill(folder: Path) -> None:
        program = folder / "pause"
        run(["gcc", "-static", "-Os", "-s", "-o", program, _PAUSE_SOURCE])
        files = {"pause": program.read_bytes()}
        ScratchImage(PAUSE, files, entrypoint=["/pause"]).write(folder / "image.tar")

    key = content_key([_PAUSE_SOURCE.read_bytes(), _writer()])
    return cached_folder(_folder(cache), "pause", key, fill) / "image.tar"


def _coredns_archive(cache: Path, program: Path) -> Path:
    def fill(folder: Path) -> None:
        files = {"coredns": program.read_bytes()}
        image = ScratchImage(COREDNS, files, entrypoint=["/coredns"])
        image.write(folder / "image.tar")

    # The program's folder is named after what it was built from.
    key = content_key([program.parent.name, _writer()])
    return cached_folder(_folder(cache), "coredns", key, fill) / "image.tar"


def _writer() -> bytes:
    """How images are written is part of what they are made from."""
    return Path(__file__).with_name("scratch_image.py").read_bytes()


def _folder(cache: Path) -> Path:
    folder = cache / "images"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
