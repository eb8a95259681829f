"""A model that nobody trained here: bundled by the command, registered by what it prints, served.

A network of PyTorch's and a pipeline on text; the second needs the locale that the server's image
has. Each is pushed to the store of the installation through a forwarded port, as a person would.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skl2onnx import to_onnx
from skl2onnx.common.data_types import StringTensorType
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from e2e.access import run
from e2e.harness import Cluster
from e2e.installation import Installation
from e2e.serving import Asker, Service
from tests.unit.bundling.english import locale_settings
from tests.unit.bundling.made import MODELS, tensor

REGNANT = Path(sys.executable).parent / "regnant"
TEXTS = np.array(["it was great", "a great joy", "it was a bore", "boring and bad"])


@dataclass(frozen=True)
class World:
    """A namespace, and the store of the installation as this process reaches it."""

    regnant: Installation
    namespace: str
    store: str
    asker: Asker

    def register(self, name: str, model: Path, golden: Path, scratch: Path) -> Service:
        """Bundle a model as its first version, and have it served."""
        locale = [f"{key}={value}" for key, value in locale_settings(scratch / "here").items()]
        words = [str(model), f"--golden={golden}", f"--name={name}", *self._store_words(name)]
        printed = run(["env", *locale, str(REGNANT), "bundle", *words])
        self.regnant.cluster.apply(printed, self.namespace)
        service = Service(self.regnant.cluster, self.namespace, name, name)
        service.apply()
        service.wait_for_champion(1)
        return service

    def ask(self, service: Service, **inputs: Any) -> dict[str, Any]:
        """What the model behind the service's URL answers."""
        request = {"inputs": [tensor(name, array) for name, array in inputs.items()]}
        answer = self.asker.infer(service.url, request)
        assert answer.status == 200, answer.text
        return {one["name"]: one["data"] for one in answer.json["outputs"]}

    def _store_words(self, name: str) -> list[str]:
        path = f"models/{self.namespace}/{name}"
        inside = f"{self.regnant.registry}.{self.regnant.namespace}.svc:5000"
        return [
            f"--push=oci://{self.store}/{path}:1",
            "--plain-http",
            f"--cluster-uri=oci://{inside}/{path}",
        ]


@pytest.fixture(scope="module")
def world(regnant: Installation, cluster: Cluster, shared_namespace: str) -> Iterator[World]:
    """The store, and a pod that asks."""
    asker = Asker(cluster, shared_namespace).start()
    registry = f"service/{regnant.registry}"
    with cluster.port_forward(registry, 5000, regnant.namespace) as url:
        yield World(regnant, shared_namespace, url.removeprefix("http://"), asker)


def test_a_network_answers_in_the_cluster_as_pytorch_does(world: World, tmp_path: Path) -> None:
    service = world.register(
        "seeing", MODELS / "convolution.onnx", MODELS / "convolution.npz", tmp_path
    )
    expected = np.load(MODELS / "convolution.npz")
    answers = world.ask(service, image=expected["image"][:4])
    assert answers["label"] == expected["label"][:4].tolist()
    shares = expected["probabilities"][:4].ravel().tolist()
    assert answers["probabilities"] == pytest.approx(shares, abs=1e-5)


def test_a_model_on_text_answers_in_the_cluster_as_scikit_learn_does(
    world: World, tmp_path: Path
) -> None:
    fitted = make_pipeline(TfidfVectorizer(), LogisticRegression())
    fitted.fit(TEXTS, ["good", "good", "bad", "bad"])
    onnx = to_onnx(
        fitted,
        initial_types=[("text", StringTensorType([None]))],
        options={"zipmap": False},
        target_opset=17,
    )
    model, golden = tmp_path / "mood.onnx", tmp_path / "mood.npz"
    model.write_bytes(onnx.SerializeToString())
    shares = fitted.predict_proba(TEXTS)
    np.savez(golden, text=TEXTS, label=fitted.predict(TEXTS), probabilities=shares)
    service = world.register("mood", model, golden, tmp_path)
    answers = world.ask(service, text=TEXTS.astype(object))
    assert answers["label"] == ["good", "good", "bad", "bad"]
    assert answers["probabilities"] == pytest.approx(shares.ravel().tolist(), abs=1e-5)
