"""Bundles that the command makes, and the server that answers from them."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from regnant.artifacts.layout import OpenedBundle, open_bundle
from regnant.bundling.making import make
from regnant.bundling.order import Order
from tests.unit.serving.bundles import MODEL_NAME, Written
from tests.unit.serving.running_server import RunningServer, running_server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MODELS = Path(__file__).parent / "models"
DATATYPES = {
    np.dtype(np.float32): "FP32",
    np.dtype(np.float64): "FP64",
    np.dtype(np.int64): "INT64",
    np.dtype(object): "BYTES",
}


@dataclass(frozen=True)
class Made:
    """A bundle in a directory, with what was said while it was made."""

    bundle: OpenedBundle
    said: str

    @contextmanager
    def served(self) -> Iterator[RunningServer]:
        with running_server(Written(self.bundle.directory, self.bundle.digest)) as server:
            yield server


def network(name: str) -> Order:
    """A network of PyTorch's, with PyTorch's own answers."""
    return Order(MODELS / f"{name}.onnx", MODELS / f"{name}.npz")


def made(order: Order, directory: Path) -> Made:
    """Carry an order out into a directory."""
    said: list[str] = []
    order = replace(order, name=MODEL_NAME, into=directory / "made")
    digest = make(order, said.append).strip()
    return Made(open_bundle(directory / "made", digest), "\n".join(said))


def tensor(name: str, array: Any) -> dict[str, Any]:
    """Spell an array as V2 does."""
    return {
        "name": name,
        "datatype": DATATYPES[array.dtype],
        "shape": list(array.shape),
        "data": array.ravel().tolist(),
    }


def ask(server: RunningServer, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What the served model answers, as numpy's arrays."""
    request = {"inputs": [tensor(name, array) for name, array in inputs.items()]}
    answer = server.infer(request)
    assert answer.status_code == 200, answer.text
    return {
        one["name"]: np.array(one["data"]).reshape(one["shape"]) for one in answer.json()["outputs"]
    }


def names_in(text: str) -> set[str]:
    """The words in quotes."""
    return set(re.findall(r'"([^"]+)"', text))
