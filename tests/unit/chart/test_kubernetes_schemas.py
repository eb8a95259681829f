"""Every object of the chart against the schemas of the Kubernetes that the project tests with.

kubeconform would fetch schemas from the network. Kubernetes' own module carries its OpenAPI
document, which the local cluster is built from anyway, so they are made from that.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from e2e.access import program
from e2e.cluster.settings import GO_MODULES, KUBERNETES_VERSIONS
from tests.unit.chart.rendering import INSTALLATIONS, render

# Their schemas are the Prometheus Operator's.
NOT_IN_KUBERNETES = "PodMonitor,ServiceMonitor"
_TEMPLATE = "{{.ResourceKind}}-{{.ResourceAPIVersion}}-{{.Group}}.json"


@pytest.fixture(scope="session")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("schemas")
    module = GO_MODULES / f"kubernetes-{KUBERNETES_VERSIONS[0]}"
    found = subprocess.run(
        ["go", "mod", "download", "-json", "k8s.io/kubernetes"],
        cwd=module,
        capture_output=True,
        check=True,
    )
    document = Path(json.loads(found.stdout)["Dir"]) / "api" / "openapi-spec" / "swagger.json"
    definitions: dict[str, dict[str, Any]] = json.loads(document.read_text())["definitions"]
    for definition in definitions.values():
        if "properties" in definition:
            definition["additionalProperties"] = False
        if definition.get("format") == "int-or-string":
            definition["type"] = ["integer", "string"]
    (folder / "definitions.json").write_text(json.dumps({"definitions": definitions}))
    for name, definition in definitions.items():
        for kind in definition.get("x-kubernetes-group-version-kind", []):
            # kubeconform takes the version of the core group for its name.
            group = kind["group"] or kind["version"]
            file = f"{kind['kind']}-{kind['version']}-{group}.json".lower()
            reference = {"$ref": f"definitions.json#/definitions/{name}"}
            (folder / file).write_text(json.dumps(reference))
    return folder


def conform(schemas: Path, text: str) -> str:
    finished = subprocess.run(
        [
            program("kubeconform"),
            "-strict",
            f"-schema-location={schemas}/{_TEMPLATE}",
            f"-skip={NOT_IN_KUBERNETES}",
            "-",
        ],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    return finished.stdout + finished.stderr


@pytest.mark.parametrize("installation", INSTALLATIONS)
def test_every_object_is_as_kubernetes_describes_it(schemas: Path, installation: str) -> None:
    assert conform(schemas, render(installation).text) == ""


def test_a_field_that_kubernetes_does_not_know_would_be_found(schemas: Path) -> None:
    wrong = render("all-namespaces").text.replace("imagePullPolicy:", "imagePolicy:")
    assert "imagePolicy" in conform(schemas, wrong)
