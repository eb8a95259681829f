"""Whatever reason a user may meet is explained."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import regnant.artifacts.errors
import regnant.serving.errors
import regnant.training.errors  # noqa: F401 - the leaves of the tree are made by importing it
from regnant.artifacts.termination import Failure
from regnant.cluster.errors import ClusterError
from regnant.lifecycle.serving_state import Phase

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()
REASON_AT = {"Fault": 0, "Verdict": 1, "Announcement": 1}
FINDINGS = {"Finding", "finding"}
REASON = re.compile(r"[A-Z][A-Za-z0-9]+")


def leaves(failure: type[Failure]) -> set[str]:
    below = failure.__subclasses__()
    return set().union(*map(leaves, below)) if below else {failure.reason}


def reason_of(call: ast.Call, name: str) -> ast.AST:
    """What the call gives as the reason: a word, or a choice between several."""
    position = REASON_AT.get(name, len(call.args))
    if position < len(call.args):
        return call.args[position]
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    return given.get("reason", call.func) if name in FINDINGS else call.func


def said_by_decisions() -> Iterator[str]:
    """The reasons that stand as words in calls of Fault, Verdict, Announcement and Finding."""
    for module in (ROOT / "operator" / "regnant" / "lifecycle").glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            for part in ast.walk(reason_of(node, node.func.id)):
                if isinstance(part, ast.Constant) and REASON.fullmatch(str(part.value)):
                    yield str(part.value)


def test_every_failure_of_a_pod_is_explained() -> None:
    assert {reason for reason in leaves(Failure) if f"`{reason}`" not in PAGE} == set()


def test_every_reason_of_a_decision_is_explained() -> None:
    said = set(said_by_decisions())
    assert {"Promoted", "GateNotMet", "OutOfMemory", "RunFailed", "NotReached", "NextUp"} <= said
    assert {reason for reason in said if f"`{reason}`" not in PAGE} == set()


def test_every_phase_of_a_takeover_is_explained() -> None:
    told = set(Phase) - {Phase.WAITING}
    assert {phase for phase in told if f"`{phase}`" not in PAGE} == set()


def test_every_refusal_of_the_cluster_that_lasts_is_explained() -> None:
    lasting = {error.reason for error in ClusterError.__subclasses__() if not error.transient}
    unseen = {"NotFound"}  # a child's namespace is there as long as its owner is
    assert {reason for reason in lasting - unseen if f"`{reason}`" not in PAGE} == set()
