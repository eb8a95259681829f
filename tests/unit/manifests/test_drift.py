"""A child is written when it is not what was asked for, and only then."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regnant.manifests.drift import STAMP, is_current, stamped
from tests.unit.manifests.installations import (
    GUARDED,
    PLACEMENT,
    Manifest,
    one_version,
    routers,
    servers,
)

Path = tuple[str | int, ...]

MADE = [
    stamped(manifest)
    for manifest in (
        *servers(platform=GUARDED, placement=PLACEMENT).values(),
        *routers(routing=one_version()).values(),
    )
]
ids = [f"{manifest['kind']} {manifest['metadata']['name']}" for manifest in MADE]


def leaves(value: Any, path: Path = ()) -> Iterator[Path]:
    """The way to every value that is neither a map nor a list with something in it."""
    items: Iterator[tuple[str | int, Any]] = iter(())
    if isinstance(value, dict):
        items = iter(value.items())
    elif isinstance(value, list):
        items = iter(enumerate(value))
    below = [(*path, key, *rest) for key, inner in items for rest in leaves(inner)]
    return iter(below or [path])


def at(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value


def defaulted(value: Any) -> Any:
    """What the API server makes of an object: every map has gained fields."""
    if isinstance(value, dict):
        return {**{key: defaulted(inner) for key, inner in value.items()}, "defaulted": "x"}
    if isinstance(value, list):
        return [defaulted(inner) for inner in value]
    return value


cases = st.sampled_from(MADE).flatmap(
    lambda made: st.tuples(st.just(made), st.sampled_from(sorted(leaves(made), key=str)))
)


@pytest.mark.parametrize("made", MADE, ids=ids)
def test_what_the_api_server_adds_is_accepted(made: Manifest) -> None:
    assert is_current(defaulted(made), made)


@given(cases, st.one_of(st.none(), st.integers(), st.text(max_size=5), st.booleans()))
def test_any_changed_value_is_noticed(case: tuple[Manifest, Path], value: Any) -> None:
    made, path = case
    if value == at(made, path):
        return
    live = copy.deepcopy(made)
    at(live, path[:-1])[path[-1]] = value
    assert not is_current(live, made)


@given(cases)
def test_any_missing_value_is_noticed(case: tuple[Manifest, Path]) -> None:
    made, path = case
    live = copy.deepcopy(made)
    del at(live, path[:-1])[path[-1]]
    assert not is_current(live, made)


@pytest.mark.parametrize("made", MADE, ids=ids)
def test_a_field_that_is_no_longer_asked_for_is_noticed_by_the_stamp(made: Manifest) -> None:
    more = copy.deepcopy(made)
    more["spec" if "spec" in made else "data"]["another"] = "field"
    assert not is_current(stamped(more), made)


def test_a_stamp_keeps_other_annotations_and_does_not_change_its_input() -> None:
    manifest = {"metadata": {"name": "a", "annotations": {"mine": "1"}}, "data": {}}
    before = copy.deepcopy(manifest)
    annotations = stamped(manifest)["metadata"]["annotations"]
    assert manifest == before
    assert annotations["mine"] == "1"
    assert len(annotations[STAMP]) == 32


@pytest.mark.parametrize(
    ("asked", "stored"),
    [
        ("0.5", "500m"),
        ("1000m", "1"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("1000M", "1G"),
        ("2", "2"),
    ],
)
def test_a_quantity_in_another_spelling_is_the_same(asked: str, stored: str) -> None:
    wanted = {"resources": {"requests": {"cpu": asked}, "limits": {"memory": asked}}}
    live = {"resources": {"requests": {"cpu": stored}, "limits": {"memory": stored}}}
    assert is_current(live, wanted)


@pytest.mark.parametrize("stored", ["501m", "5", "0.5Gi", "half", None])
def test_another_quantity_is_noticed(stored: str | None) -> None:
    wanted = {"resources": {"requests": {"cpu": "0.5"}}}
    assert not is_current({"resources": {"requests": {"cpu": stored}}}, wanted)


def test_an_empty_text_is_stored_as_nothing() -> None:
    assert is_current(
        {"tolerations": [{"operator": "Exists"}]},
        {"tolerations": [{"operator": "Exists", "key": ""}]},
    )
    assert not is_current({"key": "x"}, {"key": ""})


def test_resources_that_were_cleared_are_noticed() -> None:
    wanted = {"resources": {"requests": {"cpu": "1"}, "limits": {}}}
    assert not is_current({"resources": {"requests": None, "limits": {}}}, wanted)
    assert not is_current({"resources": {}}, wanted)
