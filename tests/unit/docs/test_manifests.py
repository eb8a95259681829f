"""What the documents tell people to apply is what the resources take."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from regnant.api.meta import API_VERSION
from tests.unit.api.crd_schemas import resource_type

ROOT = Path(__file__).resolve().parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_BLOCK = re.compile(r"```yaml\n(.*?)```", re.DOTALL)


def manifests() -> Iterator[tuple[str, dict[str, Any]]]:
    for page in PAGES:
        for block in _BLOCK.findall(page.read_text()):
            for document in yaml.safe_load_all(block):
                if isinstance(document, dict) and document.get("apiVersion") == API_VERSION:
                    yield page.name, document


def unknown(written: Any, taken: Any, path: str) -> Iterator[str]:
    """The fields that were written and that nothing took."""
    if isinstance(written, Mapping):
        for name, value in written.items():
            if not isinstance(taken, Mapping) or name not in taken:
                yield f"{path}.{name}"
            else:
                yield from unknown(value, taken[name], f"{path}.{name}")
    elif isinstance(written, list):
        for position, value in enumerate(written):
            yield from unknown(value, taken[position], f"{path}[{position}]")


@pytest.mark.parametrize(("page", "manifest"), list(manifests()))
def test_every_manifest_in_the_documents_is_taken_whole(
    page: str, manifest: dict[str, Any]
) -> None:
    row = resource_type(manifest["kind"])
    taken = row.spec.model_validate(manifest["spec"]).to_json()
    assert list(unknown(manifest["spec"], taken, "spec")) == []


def test_there_are_manifests_to_check() -> None:
    assert len(list(manifests())) >= 2


_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    targets = [link for link in _LINK.findall(page.read_text()) if "://" not in link]
    assert [target for target in targets if not (page.parent / target).exists()] == []
