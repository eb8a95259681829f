"""Which runtimes serve, and what is told of the one that does."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest

from regnant.serving.errors import RuntimeKnownWrong
from regnant.serving.runtime import check_runtime, runtime_note

if TYPE_CHECKING:
    from tests.unit.serving.running_server import RunningServer

INTEL = "processor\t: 0\nflags\t\t: fpu sse4_1 avx avx2 fma avx512f ht\n\nprocessor\t: 1\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd asimddp sve crc32\n"


@pytest.mark.parametrize("wrong", ["1.26.0", "1.26.1", "1.27.0", "1.27.0.dev20260101"])
def test_a_release_that_computes_wrongly_is_refused_with_the_remedy(wrong: str) -> None:
    with pytest.raises(RuntimeKnownWrong) as caught:
        check_runtime(wrong)
    assert caught.value.reason == "RuntimeKnownWrong"
    assert caught.value.message.startswith(f"onnxruntime {wrong}: it evaluates binary forests")
    assert "onnxruntime 1.28 or later" in caught.value.message


@pytest.mark.parametrize("right", ["1.25.1", "1.28.0", "1.31.1", "2.0.0", "1.260.0"])
def test_other_releases_serve(right: str) -> None:
    check_runtime(right)


@pytest.mark.parametrize(
    ("cpuinfo", "features"),
    [(INTEL, "sse4_1 avx avx2 fma avx512f"), (ARM, "asimd asimddp sve"), ("", "")],
)
def test_the_features_are_those_that_kernels_are_chosen_by(cpuinfo: str, features: str) -> None:
    assert runtime_note("1.31.1", cpuinfo) == {"onnxruntime": "1.31.1", "cpu_features": features}


def test_the_models_metadata_says_what_computes(doubling: RunningServer) -> None:
    told = doubling.client.get("/v2/models/churn").json()["parameters"]
    assert told["onnxruntime"] == version("onnxruntime")
    assert set(told) == {"onnxruntime", "cpu_features"}
