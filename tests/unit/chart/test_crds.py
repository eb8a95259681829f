"""The chart brings the definitions, upgrades them and leaves them behind."""

from __future__ import annotations

import yaml

from tests.unit.chart.rendering import CHART, ROOT, Manifest, render


def definitions() -> dict[str, Manifest]:
    found = [yaml.safe_load(path.read_text()) for path in (ROOT / "crds").glob("*.yaml")]
    return {item["metadata"]["name"]: item for item in found}


def test_the_chart_brings_exactly_the_generated_definitions() -> None:
    rendered = render("all-namespaces").of_kind("CustomResourceDefinition")
    assert {c["metadata"]["name"]: c["spec"] for c in rendered} == {
        name: item["spec"] for name, item in definitions().items()
    }


def test_every_definition_survives_an_uninstall() -> None:
    rendered = render("all-namespaces").of_kind("CustomResourceDefinition")
    assert len(rendered) == 3
    for item in rendered:
        assert item["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


def test_definitions_are_upgraded_with_the_chart() -> None:
    # What helm finds in a folder `crds` it installs once and never again.
    assert not (CHART / "crds").exists()


def test_a_second_release_leaves_the_definitions_to_the_first() -> None:
    assert render("two-namespaces").of_kind("CustomResourceDefinition") == []
