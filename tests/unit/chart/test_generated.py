"""What is made from the chart is current: the plain manifest and the table of values."""

from __future__ import annotations

import yaml

from charts.generate import MANIFEST, README, manifest, readme
from tests.unit.chart.rendering import render


def test_the_plain_manifest_is_current() -> None:
    assert MANIFEST.read_text() == manifest(), "run: python charts/generate.py"


def test_the_table_of_values_is_current() -> None:
    assert README.read_text() == readme(), "run: python charts/generate.py"


def test_the_plain_manifest_installs_what_the_chart_installs() -> None:
    plain = [d for d in yaml.safe_load_all(MANIFEST.read_text()) if d["kind"] != "Namespace"]
    charted = render().objects
    assert [(d["kind"], d.get("spec")) for d in plain] == [
        (d["kind"], d.get("spec")) for d in charted
    ]


def test_the_plain_manifest_says_nothing_of_helm() -> None:
    body = MANIFEST.read_text().partition("---\n")[2]
    assert "helm" not in body.lower()
