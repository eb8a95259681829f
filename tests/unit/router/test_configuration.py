"""What a router is told, for every routing that there may be."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regnant.manifests.router_config import Place, RouterFilesError, router_files
from regnant.manifests.router_config.check import check
from regnant.manifests.router_config.clusters import (
    answering_cluster,
    clusters,
    servers_cluster,
)
from regnant.manifests.routing import Routing, Sticky, Variant
from tests.unit.router.running_router import envoy_binary

if TYPE_CHECKING:
    from pathlib import Path

A = Variant("churn-3-aaaaaaaa", 3, "sha256:" + "a" * 64, 8080)
B = Variant("10.0.0.7", 4, "sha256:" + "b" * 64, 8080)
C = Variant("fd00::7", 5, "sha256:" + "c" * 64, 8080)
EMPTY = Routing("churn", "default", "churn")
COMPARED = replace(EMPTY, variants=(A, B), champion=A.digest, challenger=B.digest)
COOKIE = Sticky(cookie="b%y", cookie_ttl=timedelta(hours=1))
SHAPES = {
    "nothing runs": EMPTY,
    "none serves": replace(EMPTY, variants=(A,)),
    "one serves": replace(EMPTY, variants=(A,), champion=A.digest),
    "a candidate beside it": replace(EMPTY, variants=(A, B), champion=A.digest),
    "a takeover": replace(EMPTY, variants=(A, B), champion=B.digest, fallback=A.digest),
    "a challenger without requests": COMPARED,
    "copies for a challenger": replace(COMPARED, shadow=50),
    "a split": replace(COMPARED, weight=10, attempt_timeout=timedelta(milliseconds=50)),
    "a split by header": replace(COMPARED, weight=10, shadow=100, sticky=Sticky(header="x-user")),
    "a split by cookie": replace(COMPARED, weight=99, shadow=1, sticky=COOKIE),
    "everything to a challenger": replace(COMPARED, weight=100, shadow=100, sticky=COOKIE),
    "a takeover with a challenger": replace(
        EMPTY,
        variants=(A, B, C),
        champion=B.digest,
        fallback=A.digest,
        challenger=C.digest,
        shadow=50,
    ),
    "others retire": replace(EMPTY, variants=(A, B, C), champion=C.digest, fallback=B.digest),
}
digests = st.integers(0, 2**256 - 1).map(lambda number: f"sha256:{number:064x}")
hosts = st.from_regex(r"[a-z]([a-z0-9-]{0,60}[a-z0-9])?", fullmatch=True) | st.ip_addresses().map(
    str
)


@st.composite
def routings(draw: st.DrawFn) -> Routing:
    count = draw(st.integers(0, 5))
    named = draw(st.lists(digests, min_size=count, max_size=count, unique=True))
    variants = tuple(
        Variant(draw(hosts), version, digest, draw(st.integers(1, 65535)))
        for version, digest in enumerate(named, 1)
    )
    champion = draw(st.sampled_from(["", *named]))
    others = [digest for digest in named if digest != champion]
    fallback = draw(st.sampled_from(["", *others])) if champion else ""
    rest = [digest for digest in others if digest != fallback]
    challenger = draw(st.sampled_from(["", *rest])) if champion else ""
    return Routing(
        "churn",
        "default",
        draw(st.text(max_size=20)),
        variants,
        champion,
        fallback,
        challenger=challenger,
        weight=draw(st.integers(0, 100)) if challenger else 0,
        shadow=draw(st.integers(0, 100)) if challenger else 0,
        sticky=draw(st.sampled_from([None, Sticky(header="x-user"), COOKIE])),
    )


@settings(deadline=None)
@given(routings())
def test_every_routing_gives_files_that_hold_together(routing: Routing) -> None:
    assert check(router_files(routing)) == []


@settings(deadline=None)
@given(routings(), routings())
def test_only_clusters_and_routes_depend_on_the_routing(one: Routing, other: Routing) -> None:
    first, second = router_files(one), router_files(other)
    assert first["envoy.json"] == second["envoy.json"]
    assert _resources(first["lds.json"]) == _resources(second["lds.json"])


@settings(deadline=None)
@given(routings())
def test_a_promotion_of_a_known_version_adds_and_removes_no_cluster(routing: Routing) -> None:
    for variant in routing.variants:
        if variant.digest != routing.champion:
            assert _users_clusters(_promoted(routing, variant)) == _users_clusters(routing)


@settings(deadline=None)
@given(routings())
def test_a_version_has_its_stand_in_before_it_has_traffic(routing: Routing) -> None:
    """The champion of today is who stands in for the champion of tomorrow."""
    for variant in routing.variants:
        if routing.champion and variant.digest != routing.champion:
            promoted = _promoted(routing, variant)
            assert _answering(promoted, variant) == _answering(routing, variant)


@settings(deadline=None)
@given(routings())
def test_no_stage_of_a_rollout_changes_a_cluster_of_servers(routing: Routing) -> None:
    """What is counted would start anew, and every connection be closed."""
    for variant in routing.variants:
        found = [routing, *_stages(routing, variant), _promoted(routing, variant)]
        assert all(_servers(one) == _servers(routing) for one in found)


@settings(deadline=None)
@given(routings())
def test_from_stage_to_stage_routes_alone_change(routing: Routing) -> None:
    for variant in routing.variants:
        found = [clusters(stage) for stage in _stages(routing, variant)]
        assert all(one == found[0] for one in found)


@settings(deadline=None)
@given(routings())
def test_the_champion_is_never_tried_at_its_challenger(routing: Routing) -> None:
    champion, challenger = routing.variant(routing.champion), routing.variant(routing.challenger)
    if champion and challenger:
        members = _answering(routing, champion)["cluster_type"]["typed_config"]["clusters"]
        assert servers_cluster(challenger) not in members


@pytest.mark.parametrize("routing", SHAPES.values(), ids=SHAPES)
async def test_envoy_accepts_every_shape(tmp_path: Path, routing: Routing) -> None:
    configuration = tmp_path / "whole.json"
    configuration.write_text(json.dumps(_all_in_one(router_files(routing, Place(str(tmp_path))))))
    process = await asyncio.create_subprocess_exec(
        *(str(envoy_binary()), "--mode", "validate", "-c", str(configuration)),
        *("--log-level", "warning"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    assert b"warning" not in output, output.decode()


@pytest.mark.parametrize(
    ("file", "found", "instead", "problem"),
    [
        ("cds.json", '"version-4-bbbbbbbb"', '"version-9-99999999"', "is not defined"),
        ("cds.json", '"version-4-bbbbbbbb"', '"version-3-aaaaaaaa"', "is defined 2 times"),
        ("rds.json", '"version-4-bbbbbbbb-or-fallback"', '"gone"', "cluster gone is not defined"),
        ("rds.json", '"weight": 100', '"weight": 90', "are not parts of 100"),
        ("rds.json", '"name": "routes"', '"name": "other"', "are not in rds.json"),
        ("rds.json", '"version_info": "', '"version_info": "0', "different revisions"),
        ("rds.json", '"version-5-cccccccc-shadow"', '"gone"', "cluster gone is not defined"),
        ("lds.json", "{", "", "lds.json: not JSON"),
        ("cds.json", '"resources"', '"resource"', "not of the form"),
    ],
)
def test_files_that_do_not_hold_together_are_found(
    file: str, found: str, instead: str, problem: str
) -> None:
    files = router_files(SHAPES["a takeover with a challenger"])
    assert found in files[file]
    problems = check({**files, file: files[file].replace(found, instead)})
    assert any(problem in one for one in problems), problems


def test_a_header_that_steers_no_copies_names_no_cluster() -> None:
    files = router_files(SHAPES["copies for a challenger"])
    routes = json.loads(files["rds.json"])
    note = {"header": {"key": "x-note", "value": "not a cluster"}}
    for route in routes["resources"][0]["virtual_hosts"][0]["routes"]:
        for share in route.get("route", {}).get("weighted_clusters", {}).get("clusters", []):
            share.setdefault("request_headers_to_add", []).append(note)
    changed = json.dumps(routes)
    assert "not a cluster" in changed
    assert check({**files, "rds.json": changed}) == []


def test_a_missing_file_is_found() -> None:
    files = router_files(EMPTY)
    del files["rds.json"]
    assert check(files) == ["rds.json: the file is missing"]


def test_files_that_do_not_hold_together_are_not_returned() -> None:
    """Two variants of one version and of nearly one digest would share a cluster's name."""
    twin = replace(A, digest=A.digest[:-1] + "b")
    with pytest.raises(RouterFilesError) as refused:
        router_files(replace(EMPTY, variants=(A, twin)))
    assert refused.value.reason == "RouterConfigurationInvalid"
    assert "default/churn" in refused.value.message
    assert "version-3-aaaaaaaa is defined 2 times" in refused.value.message


def test_files_that_no_configmap_can_hold_are_not_returned() -> None:
    many = tuple(
        replace(A, version=version, digest=f"sha256:{version << 224:064x}")
        for version in range(1, 400)
    )
    with pytest.raises(RouterFilesError, match="more than the"):
        router_files(replace(EMPTY, variants=many))


def _promoted(routing: Routing, variant: Variant) -> Routing:
    """The variant's takeover, after which its rollout is over."""
    return replace(
        routing,
        champion=variant.digest,
        fallback=routing.champion if routing.champion != variant.digest else "",
        challenger="",
        weight=0,
        shadow=0,
    )


def _stages(routing: Routing, variant: Variant) -> list[Routing]:
    """The variant's way up as a challenger, if there is a champion to compare it with."""
    if variant.digest in {routing.champion, routing.fallback} or not routing.champion:
        return []
    return [
        replace(routing, challenger=variant.digest, shadow=shadow, weight=weight)
        for shadow, weight in ((0, 0), (100, 0), (20, 10), (0, 10), (0, 50), (0, 100))
    ]


def _servers(routing: Routing) -> dict[str, dict[str, Any]]:
    names = {servers_cluster(variant) for variant in routing.variants}
    return {one["name"]: one for one in clusters(routing) if one["name"] in names}


def _resources(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(text)["resources"]
    return found


def _users_clusters(routing: Routing) -> set[str]:
    """Those that users may be sent to; copies may be lost when the last one is made."""
    return {one["name"] for one in clusters(routing) if not one["name"].endswith("-shadow")}


def _answering(routing: Routing, variant: Variant) -> dict[str, Any]:
    name = answering_cluster(variant)
    return next(one for one in clusters(routing) if one["name"] == name)


def _all_in_one(files: dict[str, str]) -> dict[str, Any]:
    """One static configuration, because Envoy validates no file that it would only watch."""
    bootstrap: dict[str, Any] = json.loads(files["envoy.json"])
    static = bootstrap["static_resources"]
    routes = _bare(_resources(files["rds.json"])[0])
    static["listeners"] = [_bare(one) for one in _resources(files["lds.json"])]
    static["clusters"] += [_bare(one) for one in _resources(files["cds.json"])]
    for listener in static["listeners"]:
        manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
        del manager["rds"]
        manager["route_config"] = {**routes, "validate_clusters": True}
    del bootstrap["dynamic_resources"]
    return bootstrap


def _bare(resource: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in resource.items() if name != "@type"}
