"""Models for the tests of serving, made and pushed in a second: good ones, and badly packed ones.

Each is a few nodes of ONNX, `prediction` = `features` . weights, packed and pushed by the project's
own code to the store of the installation; no training Job is needed to have a version to serve. A
bad one differs from a good one in exactly one thing. Whoever wants it served applies a
ModelVersion by hand, as any user may. Models that compute and fall ill are in `faults`.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from e2e.harness import Manifest
from e2e.installation import Installation
from e2e.python_pod import python_pod
from regnant.artifacts.bundle import MODEL, Bundle, build_manifest
from regnant.artifacts.canonical import canonical_json
from regnant.artifacts.reference import Repository
from regnant.artifacts.signature import Signature, Tensor
from regnant.artifacts.store import push

FEATURES = 4
ROWS = 40
FALSE_ROW = 17
_PATH = "models/e2e/line"
_FLIP_A_BIT = """
import sys
with open(sys.argv[1], "r+b") as file:
    file.seek(40)
    byte = file.read(1)[0]
    file.seek(40)
    file.write(bytes([byte ^ 1]))
"""


@dataclass(frozen=True)
class Model:
    """What a bundle is made of; the weights tell one version's answers from another's."""

    weight: float
    graph: bytes
    rows: Any
    """The golden questions."""
    false_row: int | None = None
    note: str = "made for a test"

    @property
    def answers(self) -> Any:
        """The golden answers, one of which may be false."""
        answers = self.rows.sum(axis=1) * self.weight
        if self.false_row is not None:
            answers[self.false_row] += 1.0
        return answers

    @property
    def features(self) -> int:
        """How many numbers a row has."""
        return int(self.rows.shape[1])

    def bundle(self) -> Bundle:
        """Pack it as a trainer would."""
        golden = {
            "inputs": [_tensor("features", self.rows)],
            "outputs": [_tensor("prediction", self.answers.reshape(-1, 1))],
            "tolerance": {"absolute": 1e-5, "relative": 1e-4},
        }
        signature = Signature(
            task="Regression",
            model_name="line",
            inputs=(Tensor(name="features", datatype="FP64", shape=(-1, self.features)),),
            outputs=(Tensor(name="prediction", datatype="FP64", shape=(-1, 1)),),
        )
        return Bundle(
            "line",
            self.graph,
            signature.to_json(),
            canonical_json(golden),
            card=self.note.encode(),
        )


def request(first: float = 1.0) -> dict[str, Any]:
    """One row to ask about."""
    row = np.array([[first, 1.0, 1.0, 1.0]])
    return {"inputs": [_tensor("features", row)]}


def good(weight: float, *, features: int = FEATURES) -> Model:
    """A model that is right."""
    rows = np.arange(float(ROWS * features)).reshape(ROWS, features)
    return Model(weight, graph(weight, features=features), rows)


def with_a_false_golden_row() -> Model:
    """One of its golden answers is not what the graph computes."""
    return replace(good(10.0), false_row=FALSE_ROW)


def broken() -> Model:
    """Its graph is cut off in the middle."""
    model = good(11.0)
    return replace(model, graph=model.graph[: len(model.graph) // 2])


class Shelf:
    """The store of an installation, as the test process reaches it."""

    def __init__(self, installation: Installation, host: str) -> None:
        self._installation, self._host = installation, host

    @classmethod
    @contextmanager
    def open(cls, installation: Installation) -> Iterator[Shelf]:
        """Reach the embedded registry for as long as the context lasts."""
        cluster, namespace = installation.cluster, installation.namespace
        with cluster.port_forward(f"service/{installation.registry}", 5000, namespace) as url:
            yield cls(installation, url.removeprefix("http://"))

    def put(self, model: Model) -> Manifest:
        """Push a model; returns the `spec.artifact` of a ModelVersion that names it."""
        where = Repository(self._host, _PATH)
        return self._artifact(push(model.bundle(), where, "e2e", plain_http=True).digest)

    def withhold(self, model: Model) -> Manifest:
        """The artifact of a model that was never pushed."""
        unique = replace(model, note=uuid.uuid4().hex)
        return self._artifact(build_manifest(unique.bundle()).descriptor.digest)

    def damage(self, model: Model) -> Manifest:
        """Push a model, and flip one bit of its graph where the store keeps it."""
        # Of its own in every run: a blob that was damaged once would be refused at the next push.
        bundle = replace(model, graph=model.graph + _padding()).bundle()
        where = Repository(self._host, _PATH)
        digest = push(bundle, where, "e2e", plain_http=True).digest
        layers = build_manifest(bundle).layers
        blob = next(one.descriptor for one in layers if one.descriptor.title == MODEL)
        self._flip_a_bit(blob.digest.removeprefix("sha256:"))
        return self._artifact(digest)

    def _artifact(self, digest: str) -> Manifest:
        host = f"{self._installation.registry}.{self._installation.namespace}.svc:5000"
        return {"uri": f"oci://{host}/{_PATH}", "digest": digest}

    def _flip_a_bit(self, blob: str) -> None:
        """By a pod that mounts the store's volume: the registry's image has no shell."""
        cluster, namespace = self._installation.cluster, self._installation.namespace
        path = f"/store/docker/registry/v2/blobs/sha256/{blob[:2]}/{blob}/data"
        name = f"damage-{blob[:8]}"
        store = {"persistentVolumeClaim": {"claimName": self._installation.registry}}
        cluster.apply(
            python_pod(name, "-c", _FLIP_A_BIT, path, volumes={"store": store}), namespace
        )
        cluster.wait_for_object(
            "pod", name, namespace, lambda pod: pod["status"]["phase"] == "Succeeded"
        )
        cluster.delete("pod", name, namespace, wait=False)


def graph(
    weight: float,
    also: Sequence[Any] = (),
    constants: Sequence[Any] = (),
    *,
    features: int = FEATURES,
) -> bytes:
    """`prediction`, to which the nodes of `also` may add their `nothing`."""
    weights = helper.make_tensor("weights", TensorProto.DOUBLE, [features, 1], [weight] * features)
    last = ["Add", ["product", "nothing"]] if also else ["Identity", ["product"]]
    nodes = [
        helper.make_node("MatMul", ["features", "weights"], ["product"]),
        *also,
        helper.make_node(*last, ["prediction"]),
    ]
    value_info = helper.make_tensor_value_info
    made = helper.make_graph(
        nodes,
        "line",
        [value_info("features", TensorProto.DOUBLE, [None, features])],
        [value_info("prediction", TensorProto.DOUBLE, [None, 1])],
        [weights, *constants],
    )
    opsets = [helper.make_opsetid("", 17)]
    model = helper.make_model(made, opset_imports=opsets, ir_version=8)
    return bytes(model.SerializeToString())


def _padding() -> bytes:
    """A field that ONNX does not know, and skips."""
    text = uuid.uuid4().hex.encode()
    # Field 1000 of type bytes, as protobuf spells it.
    return bytes([0xC2, 0x3E, len(text)]) + text


def _tensor(name: str, values: Any) -> dict[str, Any]:
    return {
        "name": name,
        "datatype": "FP64",
        "shape": list(values.shape),
        "data": values.ravel().tolist(),
    }
