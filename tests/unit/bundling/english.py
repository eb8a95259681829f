"""The locale that ONNX's operators on text ask for, on machines that do not have it."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

NAME = "en_US.utf8"


def locale_settings(directory: Path) -> dict[str, str]:
    """The environment that has it; where the machine lacks it, it is made as the images make it."""
    known = subprocess.run(["locale", "-a"], capture_output=True, text=True, check=True).stdout
    if NAME in known.split():
        return {}
    directory.mkdir(exist_ok=True)
    (directory / NAME).symlink_to("/usr/lib/locale/C.utf8")
    return {"LOCPATH": str(directory)}
