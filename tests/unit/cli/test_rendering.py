"""Whatever a status holds, it is drawn, at any width, and nothing is wider than the terminal."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console, RenderableType

from regnant.api.rollout_status import MAX_CHECKS
from regnant.cli import documents, pages, tree
from regnant.cli.explanation import explain
from regnant.cli.service import Service, parse_service
from regnant.cli.standing import Standing, standing
from tests.unit.cli import situations
from tests.unit.cli.situations import NOW, SITUATIONS, STEPS, digest, document, serving, situation

Document = dict[str, Any]


def drawn(what: RenderableType, width: int) -> str:
    out = io.StringIO()
    Console(file=out, width=width, highlight=False, emoji=False, markup=False).print(what)
    return out.getvalue()


def all_faces(seen: Standing, width: int) -> list[str]:
    """Everything that is shown of a service."""
    console = Console(file=io.StringIO(), width=width)
    faces: list[RenderableType] = [
        tree.tree(seen, console),
        pages.services([seen], namespaces=True),
        pages.explanation(seen, explain(seen, "regnant")),
        pages.reigns(seen),
    ]
    json.dumps(documents.service_status(seen).to_json())
    json.dumps(documents.explanation(seen, explain(seen, "regnant")).to_json())
    return [drawn(face, width) for face in faces]


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("name", SITUATIONS)
def test_every_situation_fits_the_terminal(name: str, width: int) -> None:
    for face in all_faces(standing(situation(name), NOW), width):
        assert face.strip()
        assert max(len(line) for line in face.splitlines()) <= width


def test_a_wish_that_is_not_answered_is_shown() -> None:
    seen = standing(situation("asked and not answered"), NOW)
    assert "asked for: rollback by jane, not answered yet" in all_faces(seen, 80)[0]


def test_the_last_answer_is_shown() -> None:
    seen = standing(situation("answered an action"), NOW)
    assert "rollback by jane, 2m ago: Refused, there is no ModelVersion" in all_faces(seen, 100)[0]


words = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=120)
reasons = st.from_regex(r"\A[A-Z][A-Za-z0-9]{0,20}\Z")
versions = st.integers(1, 999_999)
counts = st.integers(0, 10**9)
lengths = st.floats(0, 10**7).map(lambda seconds: situations.ago(seconds=seconds))
numbers = st.one_of(
    st.just(""),
    st.floats(allow_nan=True).map(lambda value: f"{value:.4g}"),
    st.text(max_size=8),
)


def objects(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Document]:
    return st.fixed_dictionaries(fields)


def perhaps(
    needed: dict[str, st.SearchStrategy[Any]], **optional: st.SearchStrategy[Any]
) -> st.SearchStrategy[Document]:
    return st.fixed_dictionaries(needed, optional=optional)


served = versions.map(serving)
tallies = perhaps({}, tries=counts, failures=counts, timeouts=counts, nonFinite=counts)
checks = objects(
    name=st.sampled_from(["Requests", "Errors", "Latency", "Agreement", "NonFinite"]),
    verdict=st.sampled_from(["Pass", "Fail", "Inconclusive", "Error"]),
    estimate=numbers,
    low=numbers,
    high=numbers,
    limit=numbers,
    counted=counts,
    reading=words,
)
evidence = perhaps(
    {"since": lengths, "at": lengths},
    tally=perhaps(
        {},
        champion=tallies,
        challenger=tallies,
        pairs=objects(total=counts, agreeing=counts),
    ),
    checks=st.lists(checks, max_size=MAX_CHECKS),
)
steps = st.sampled_from([*STEPS, {"weight": 33}, {"weight": 100, "maxDuration": "10m"}])
stages = st.one_of(
    perhaps({"decidedAt": lengths, "step": steps}, evidence=evidence),
    perhaps(
        {"decidedAt": lengths, "shadow": st.sampled_from([{}, {"percent": 7}])}, evidence=evidence
    ),
)
returns = objects(
    outcome=st.sampled_from(["Rejected", "RolledBack", "Aborted", "Superseded", "Withdrawn"]),
    decidedAt=lengths,
    reason=reasons,
    message=words,
)
rollouts = perhaps(
    {"id": st.just("4-0a1b2c3d-1"), "to": served, "startedAt": lengths},
    paused=st.booleans(),
    byHand=st.booleans(),
    verifiedAt=lengths,
    stage=stages,
    promotingAt=lengths,
    promotedAt=lengths,
    watch=evidence,
    rollback=returns,
    waitingFor=words,
)
conditions = st.lists(
    objects(
        type=st.sampled_from(["Ready", "Available", "UpToDate"]),
        status=st.sampled_from(["True", "False", "Unknown"]),
        reason=reasons,
        message=words,
        lastTransitionTime=lengths,
    ),
    max_size=3,
)
readings = st.lists(words, max_size=3)
rejections = perhaps(
    {
        "version": versions,
        "digest": versions.map(digest),
        "reason": reasons,
        "message": words,
        "at": lengths,
    },
    evidence=readings,
    retryToken=words,
)
reigns = perhaps(
    {
        "version": versions,
        "digest": versions.map(digest),
        "since": lengths,
        "reason": reasons,
        "message": words,
    },
    until=lengths,
    evidence=readings,
)
shares = objects(version=versions, digest=versions.map(digest), percent=st.integers(0, 100))
actions = objects(
    id=st.just("a"),
    action=st.just("promote"),
    outcome=st.sampled_from(["Done", "Refused"]),
    message=words,
    by=words,
    at=lengths,
)
phases = st.sampled_from(
    [
        *("", "Waiting", "Preparing", "Verifying", "Shadowing", "Splitting", "Promoting"),
        *("Watching", "Serving", "RollingBack", "Degraded", "SomethingNew"),
    ]
)
statuses = perhaps(
    {"phase": phases, "conditions": conditions},
    observedGeneration=st.integers(0, 9),
    champion=served,
    previous=served,
    rollout=rollouts,
    floor=versions,
    lastAction=actions,
    history=st.lists(reigns, max_size=4),
    traffic=st.lists(shares, max_size=4),
    rejected=st.lists(rejections, max_size=5),
)
pins = versions.map(lambda version: {"version": version})
specs = perhaps(
    {},
    champion=pins,
    challenger=pins,
    rollout=perhaps(
        {},
        steps=st.sampled_from([[], STEPS, STEPS[:1]]),
        shadow=st.just({}),
        paused=st.booleans(),
        onInconclusive=st.sampled_from(["Hold", "Promote", "Reject"]),
        onNewVersion=st.sampled_from(["Wait", "Supersede"]),
        sticky=st.just({"header": "x-user-id"}),
        verify=st.just({"load": {}}),
    ),
)


@st.composite
def services(draw: st.DrawFn) -> Service:
    body = document(spec=draw(specs)) | {"status": draw(statuses)}
    return parse_service(body)


@given(service=services(), width=st.integers(40, 200))
@settings(max_examples=60, deadline=None)
def test_any_status_is_drawn_at_any_width(service: Service, width: int) -> None:
    for face in all_faces(standing(service, NOW), width):
        assert face.strip()
