"""The blocks of docs/guides/bring-your-own-model.md, run one after the other as a reader would.

But for the one that trains a network: PyTorch is no dependency of the tests, so the network that
the next blocks bundle is the one that lies here.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.unit.artifacts.registry_process import running_registry
from tests.unit.bundling.english import locale_settings
from tests.unit.bundling.made import MODELS
from tests.unit.programs import program
from tests.unit.serving.bundles import MODEL_NAME, Written
from tests.unit.serving.running_server import LOOPBACK, running_server

if TYPE_CHECKING:
    from collections.abc import Iterator

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "bring-your-own-model.md"
BLOCKS = re.findall(r"^```(python|bash)\n(.*?)^```$", GUIDE.read_text(), re.DOTALL | re.MULTILINE)
APPLY = "| kubectl apply -n ml -f -"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_registry(program("registry"), tmp_path_factory.mktemp("registry")) as running:
        yield running.host


def run(language: str, text: str, directory: Path, environment: dict[str, str]) -> str:
    commands = {"bash": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-c"]}
    ran = subprocess.run(
        [*commands[language], text],
        cwd=directory,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout + ran.stderr


def test_the_blocks_work_as_they_are_pasted(tmp_path: Path, registry: str) -> None:
    environment = locale_settings(tmp_path / "locales")
    said: dict[str, str] = {}
    asks = ""
    for language, text in BLOCKS:
        if "import torch" in text:
            shutil.copy(MODELS / "convolution.onnx", tmp_path / "digits.onnx")
            shutil.copy(MODELS / "convolution.npz", tmp_path / "digits.npz")
        elif "localhost:8080" in text:
            asks = text
        else:
            pasted = text.replace("localhost:5000", registry).replace(APPLY, "> version.yaml")
            said[text] = run(language, pasted, tmp_path, environment)
    proofs = [words for text, words in said.items() if "--golden" in text]
    assert len(proofs) == 5
    assert all("as the framework that trained it does" in words for words in proofs)
    version = yaml.safe_load((tmp_path / "version.yaml").read_text())
    assert version["metadata"]["name"] == "digits-1"
    assert asks
    written = Written(tmp_path / "digits", version["spec"]["artifact"]["digest"])
    with running_server(written) as server:
        pasted = asks.replace("localhost:8080", f"{LOOPBACK}:{server.port}")
        answer = run(
            "python", pasted.replace("models/digits", f"models/{MODEL_NAME}"), tmp_path, {}
        )
    assert "'name': 'probabilities'" in answer
