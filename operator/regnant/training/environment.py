"""What must hold of the process before anything is trained.

Each check is a silent fault that was measured: the same run gives other bytes when Python's hash
seed is random, histogram boosting cannot be exported with protobuf 7, and two releases of ONNX
Runtime flip 41 % of a binary forest's labels.
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from typing import Final

from regnant.training.errors import SpecInvalid

HASH_SEED: Final = "PYTHONHASHSEED"
WRONG_FORESTS: Final = ("1.26.", "1.27.")
FIRST_WRONG_PROTOBUF: Final = 7
RECORDED: Final = ("numpy", "onnx", "onnxruntime", "pandas", "scikit-learn", "skl2onnx")


def fix_hash_seed(arguments: list[str]) -> None:
    """Start the process again with a fixed hash seed, unless it has one."""
    if os.environ.get(HASH_SEED) == "0":
        return
    environment = {**os.environ, HASH_SEED: "0"}
    command = [sys.executable, "-m", "regnant.training", *arguments]
    os.execve(sys.executable, command, environment)  # noqa: S606 - ourselves, without a shell


def check_packages() -> None:
    """Refuse package versions that train or export wrongly."""
    runtime = version("onnxruntime")
    if runtime.startswith(WRONG_FORESTS):
        raise SpecInvalid(
            f"trainer image: onnxruntime {runtime} evaluates binary forests wrongly; build the "
            "image with 1.28 or newer"
        )
    protobuf = version("protobuf")
    if int(protobuf.split(".", maxsplit=1)[0]) >= FIRST_WRONG_PROTOBUF:
        raise SpecInvalid(
            f"trainer image: protobuf {protobuf} breaks the export of histogram boosting; build "
            "the image with protobuf<7"
        )


def packages() -> dict[str, str]:
    """Return the versions that a training depends on."""
    python = ".".join(str(part) for part in sys.version_info[:3])
    return {"python": python, **{name: version(name) for name in RECORDED}}


def runtime_packages() -> dict[str, str]:
    """Return the versions that replaying a finished model depends on."""
    return {name: version(name) for name in ("numpy", "onnxruntime")}
