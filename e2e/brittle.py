"""A copy of a served model that breaks on what it never saw: for the demo, as no real one waits.

It answers every golden row as the original does, so it is verified. But it looks its answer up in a
table that ends a little beyond the greatest value it was proven on, and the runtime raises for
whoever asks about more: a fault that only traffic shows.
"""

from __future__ import annotations

import json
import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from regnant.artifacts.bundle import GOLDEN, MODEL, SIGNATURE, Bundle
from regnant.artifacts.reference import Repository
from regnant.artifacts.store import fetch, push

_CARD = b"Trained elsewhere. Right on every row that it was tried on.\n"


def release_brittle(host: str, path: str, digest: str, model_name: str) -> tuple[str, float]:
    """Push a brittle copy of a bundle; its digest, and a first feature that it breaks on."""
    repository = Repository(host, path)
    with tempfile.TemporaryDirectory() as directory:
        original = Path(directory)
        fetch(repository, digest, original, plain_http=True)
        golden = (original / GOLDEN).read_bytes()
        edge = _greatest(json.loads(golden))
        bundle = Bundle(
            model_name,
            _brittle_graph((original / MODEL).read_bytes(), edge),
            (original / SIGNATURE).read_bytes(),
            golden,
            card=_CARD,
        )
    return push(bundle, repository, "brittle", plain_http=True).digest, 2 * edge


def _greatest(golden: dict[str, Any]) -> float:
    """The greatest first feature among the golden rows."""
    (tensor,) = golden["inputs"]
    rows = np.array(tensor["data"], dtype=float).reshape(tensor["shape"])
    found = rows[:, 0]
    return float(found[np.isfinite(found)].max())


def _brittle_graph(content: bytes, edge: float) -> bytes:
    """The same graph, and a table that is looked up by how far a row is beyond the edge."""
    model = onnx.load_from_string(content)
    graph = model.graph
    scores = graph.output[-1].name
    inner = f"{scores}_before_the_table"
    for node in graph.node:
        node.output[:] = [inner if name == scores else name for name in node.output]
    graph.initializer.extend(
        [
            numpy_helper.from_array(np.array([0], dtype=np.int64), "table_column"),
            numpy_helper.from_array(np.array(math.nextafter(edge, math.inf)), "table_edge"),
            numpy_helper.from_array(np.array([0.0]), "table"),
        ]
    )
    graph.node.extend(
        [
            helper.make_node("Gather", [graph.input[0].name, "table_column"], ["size"], axis=1),
            helper.make_node("Greater", ["size", "table_edge"], ["is_beyond"]),
            helper.make_node("Cast", ["is_beyond"], ["place"], to=TensorProto.INT64),
            helper.make_node("Gather", ["table", "place"], ["nothing"]),
            helper.make_node("CastLike", ["nothing", inner], ["correction"]),
            helper.make_node("Add", [inner, "correction"], [scores]),
        ]
    )
    return bytes(model.SerializeToString())
