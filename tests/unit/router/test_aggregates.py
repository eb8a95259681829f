"""An aggregate cluster whose members could not answer is found."""

from __future__ import annotations

import json
from typing import Any

import pytest

from regnant.manifests.router_config import router_files
from regnant.manifests.router_config.check import check
from regnant.manifests.routing import Routing, Variant

ONE = Variant("churn-1", 1, "sha256:" + "a" * 64, 8080)
FILES = router_files(Routing("churn", "ns", "churn", variants=(ONE,), champion=ONE.digest))


def with_members(*names: str) -> dict[str, str]:
    clusters: dict[str, Any] = json.loads(FILES["cds.json"])
    for cluster in clusters["resources"]:
        if "cluster_type" in cluster and "clusters" in cluster["cluster_type"]["typed_config"]:
            cluster["cluster_type"]["typed_config"]["clusters"] = list(names)
    return {**FILES, "cds.json": json.dumps(clusters)}


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        (["gone"], "its member gone is not defined"),
        (["version-1-aaaaaaaa-or-fallback"], "it is its own member"),
    ],
)
def test_a_member_that_cannot_answer_is_found(members: list[str], problem: str) -> None:
    assert any(problem in found for found in check(with_members(*members)))


def test_the_files_as_they_are_have_no_problem() -> None:
    assert check(FILES) == []
    assert check(with_members("version-1-aaaaaaaa")) == []
