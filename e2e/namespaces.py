"""Namespaces of one test or module: fresh, for restricted pods only, dumped if something failed."""

from __future__ import annotations

import re
import shutil
import uuid
from pathlib import Path

from e2e.harness import Cluster
from e2e.installation import NAMESPACE

ARTIFACTS = Path(__file__).resolve().parent / "artifacts"


class Namespaces:
    """Call it for a fresh namespace of the test."""

    def __init__(self, cluster: Cluster, test: str) -> None:
        self._cluster = cluster
        self._test = test
        self._made: list[str] = []

    def __call__(self) -> str:
        """Make one, named after the test."""
        word = re.sub(r"[^a-z0-9]+", "-", self._test.removeprefix("test_").lower())
        name = f"e2e-{word[:32].strip('-')}-{uuid.uuid4().hex[:6]}"
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        self._cluster.apply(
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": name, "labels": labels},
            }
        )
        self._made.append(name)
        return name

    def dump(self, failure: str) -> None:
        """Leave what is needed to see why it failed, and what the operator did meanwhile."""
        folder = ARTIFACTS / re.sub(r"[^A-Za-z0-9_.-]+", "-", self._test)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "failure.txt").write_text(failure)
        self._cluster.dump([*self._made, NAMESPACE], folder)

    def delete(self) -> None:
        """Delete them, without waiting until they are gone."""
        for name in self._made:
            self._cluster.delete("namespace", name, wait=False)
