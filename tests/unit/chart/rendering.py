"""The chart, rendered by helm, as objects that tests can ask about.

Each rendering is made once a session: helm takes longer than all that is asked about its output.
"""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from e2e.access import program
from e2e.cluster.settings import KUBERNETES_VERSIONS
from e2e.installation import NAMESPACE, RELEASE

ROOT = Path(__file__).resolve().parents[3]
CHART = ROOT / "charts" / "regnant"
VALUES = Path(__file__).parent / "values"
INSTALLATIONS = tuple(sorted(path.stem for path in VALUES.glob("*.yaml")))

# Without a version each helm takes the one that it was built with.
_TEMPLATE = ("template", RELEASE, str(CHART), f"--kube-version={KUBERNETES_VERSIONS[0]}")

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Rendering:
    """All objects of one installation."""

    text: str
    objects: tuple[Manifest, ...]

    def of_kind(self, *kinds: str) -> list[Manifest]:
        """The objects of some kinds."""
        return [item for item in self.objects if item["kind"] in kinds]

    def one(self, kind: str, ending: str = "") -> Manifest:
        """The only object of a kind whose name ends so."""
        (item,) = [i for i in self.of_kind(kind) if i["metadata"]["name"].endswith(ending)]
        return item

    @property
    def operator(self) -> Manifest:
        """The operator's Deployment."""
        return self.one("Deployment", "-operator")

    @property
    def registry(self) -> Manifest:
        """The registry's Deployment."""
        return self.one("Deployment", "-registry")

    @property
    def operator_arguments(self) -> list[str]:
        """The arguments that the operator is started with."""
        arguments: list[str] = container(self.operator)["args"]
        return arguments


def container(deployment: Manifest) -> Manifest:
    """The only container of a Deployment."""
    (found,) = deployment["spec"]["template"]["spec"]["containers"]
    result: Manifest = found
    return result


def render(installation: str = "", *words: str) -> Rendering:
    """What `helm template` makes of one of the values files, or of the defaults."""
    return _render(installation, words)


@functools.cache
def _render(installation: str, words: tuple[str, ...]) -> Rendering:
    chosen = [f"--values={VALUES / installation}.yaml"] if installation else []
    text = helm(*_TEMPLATE, f"--namespace={NAMESPACE}", *chosen, *words)
    return Rendering(text, tuple(_documents(text)))


@functools.cache
def notes(installation: str = "") -> str:
    """What helm tells the user after an installation."""
    chosen = [f"--values={VALUES / installation}.yaml"] if installation else []
    place = f"--namespace={NAMESPACE}"
    said = helm("install", RELEASE, str(CHART), place, "--dry-run=client", *chosen)
    return said.partition("\nNOTES:\n")[2]


def refusal(*words: str) -> str:
    """What helm says of values that the chart must refuse."""
    finished = _helm(*_TEMPLATE, *words)
    assert finished.returncode != 0, "helm accepted what the chart must refuse"
    return finished.stderr


def helm(*words: str) -> str:
    """Run helm and return what it printed."""
    finished = _helm(*words)
    assert finished.returncode == 0, finished.stderr or finished.stdout
    return finished.stdout


def _helm(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [_program(), *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@functools.cache
def _program() -> Path:
    return program("helm")


def _documents(text: str) -> Iterator[Manifest]:
    yield from (document for document in yaml.safe_load_all(text) if document)
