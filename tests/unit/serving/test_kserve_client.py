"""KServe's own client for Python, unchanged, in an environment of its own.

It cannot share ours: it asks for an older pandas, and holds back others. The environment is made
from the benchmark's locked file and kept in the cache.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from e2e.bench.serving.environments import python_environment
from tests.unit.serving.bundles import MODEL_NAME, ONNX_TYPES, customers_bundle
from tests.unit.serving.running_server import LOOPBACK, running_server

if TYPE_CHECKING:
    from tests.unit.serving.running_server import RunningServer

CALLS = Path(__file__).with_name("kserve_calls.py")


@pytest.fixture(scope="module")
def heard(echo: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """All that the client heard, asked once."""
    python = python_environment("kserve") / "bin" / "python"
    with running_server(customers_bundle(tmp_path_factory.mktemp("customers"))) as customers:
        urls = [f"http://{LOOPBACK}:{server.port}" for server in (echo, customers)]
        finished = subprocess.run(
            [python, CALLS, *urls, ",".join(ONNX_TYPES)],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    assert finished.returncode == 0, finished.stderr
    found: dict[str, Any] = json.loads(finished.stdout)
    return found


def test_health(heard: dict[str, Any]) -> None:
    assert heard["live"] is True
    assert heard["ready"] is True
    assert heard["model ready"] is True
    assert heard["other model ready"] is False


@pytest.mark.parametrize(
    "way", ["json", "binary", "binary to json", "json to binary", "as it comes"]
)
def test_every_datatype(heard: dict[str, Any], way: str) -> None:
    answer = heard[way]
    assert answer["id"] == "seven"
    assert answer["model"] == MODEL_NAME
    assert set(answer["values"]) == {f"out_{name.lower()}" for name in ONNX_TYPES}
    for name, values in answer["values"].items():
        words = name == "out_bytes"
        assert values == ([["naïve", ""], ["x", "☃"]] if words else [[1, 0], [0, 1]]), name


def test_a_refusal_is_its_exception_with_the_reason(heard: dict[str, Any]) -> None:
    assert heard["refused"]["status"] == 400
    assert 'tensor "in_bool" is missing' in heard["refused"]["message"]


def test_rows_by_name_in_the_first_version_of_the_protocol(heard: dict[str, Any]) -> None:
    assert heard["v1 live"] is True
    assert heard["v1 model ready"] is True
    customer = {"label": "pro", "probabilities": {"no": 40.5, "yes": 1}}
    assert heard["v1"] == {"predictions": [customer]}
