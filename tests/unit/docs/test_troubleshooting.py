"""Whatever reason a user may meet is explained."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import regnant.artifacts.errors
import regnant.serving.errors
import regnant.training.errors  # noqa: F401 - the leaves of the tree are made by importing it
from regnant.artifacts.termination import Failure
from regnant.cluster.errors import ClusterError

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()
REASON_AT = {"Fault": 0, "Verdict": 1, "Announcement": 1}


def leaves(failure: type[Failure]) -> set[str]:
    below = failure.__subclasses__()
    return set().union(*map(leaves, below)) if below else {failure.reason}


def said_by_decisions() -> Iterator[str]:
    """The reasons that stand as words in calls of Fault, Verdict and Announcement."""
    for module in (ROOT / "operator" / "regnant" / "lifecycle").glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            position = REASON_AT.get(node.func.id)
            if position is None or len(node.args) <= position:
                continue
            reason = node.args[position]
            if isinstance(reason, ast.Constant) and reason.value:
                yield str(reason.value)


def test_every_failure_of_a_pod_is_explained() -> None:
    assert {reason for reason in leaves(Failure) if f"`{reason}`" not in PAGE} == set()


def test_every_reason_of_a_decision_is_explained() -> None:
    said = set(said_by_decisions())
    assert {"Promoted", "GateNotMet", "OutOfMemory"} <= said
    assert {reason for reason in said if f"`{reason}`" not in PAGE} == set()


def test_every_refusal_of_the_cluster_that_lasts_is_explained() -> None:
    lasting = {error.reason for error in ClusterError.__subclasses__() if not error.transient}
    unseen = {"NotFound"}  # a child's namespace is there as long as its owner is
    assert {reason for reason in lasting - unseen if f"`{reason}`" not in PAGE} == set()
