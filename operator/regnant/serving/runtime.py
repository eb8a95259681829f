"""Which ONNX Runtime computes the answers, and by which features of the processor.

Some releases are known to compute wrongly. The golden rows would find most of that, but not for a
model whose golden rows happen to be right; so a server with such a release does not start. And
ONNX Runtime chooses its kernels by what the processor can do, so two machines may answer with other
last digits: the model's metadata says what was chosen by.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import onnxruntime as ort

from regnant.serving.errors import RuntimeKnownWrong

KNOWN_WRONG: Final = {
    "1.26": "it evaluates binary forests wrongly: 41 % of labels flip",
    "1.27": "it evaluates binary forests wrongly: 41 % of labels flip",
}
"""Releases, by their first two numbers, and what is wrong with them."""
_CHOSEN_BY: Final = (
    *("sse4_1", "avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512dq", "avx512vl"),
    *("avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16"),
    *("asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve"),
)
"""The features by which kernels are chosen, on both kinds of processors, as Linux calls them."""
_FLAGS = frozenset({"flags", "Features"})


def check_runtime(version: str = ort.__version__) -> None:
    """Refuse a release that is known to compute wrongly."""
    release = ".".join(version.split(".")[:2])
    if release in KNOWN_WRONG:
        raise RuntimeKnownWrong(
            f"onnxruntime {version}: {KNOWN_WRONG[release]}; "
            "serve with an image that has onnxruntime 1.28 or later"
        )


def runtime_note(version: str, cpuinfo: str) -> dict[str, str]:
    """Say in metadata what computes the answers; V2 takes no lists as parameters."""
    flags: set[str] = set()
    for line in cpuinfo.splitlines():
        name, _, words = line.partition(":")
        if name.strip() in _FLAGS:
            flags = set(words.split())
            break
    features = " ".join(feature for feature in _CHOSEN_BY if feature in flags)
    return {"onnxruntime": version, "cpu_features": features}


def this_runtime() -> dict[str, str]:
    """Say it of this process, as far as the kernel tells of its processors."""
    try:
        cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        cpuinfo = ""
    return runtime_note(ort.__version__, cpuinfo)
