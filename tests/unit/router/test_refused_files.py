"""A configuration that a router refuses is seen, and costs nobody an answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from regnant.manifests.router_config import router_files
from regnant.manifests.routing import Routing
from tests.unit.router.running_router import PARTS, Router, Server, running_router, until

if TYPE_CHECKING:
    from pathlib import Path

INFER = "/v2/models/churn/infer"
WRONG: dict[str, dict[str, Any]] = {
    "cds.json": {"lb_policy": "CLUSTER_PROVIDED"},
    "lds.json": {"address": {}},
    "rds.json": {"virtual_hosts": [{"name": "users", "domains": []}]},
}


def routing(server: Server) -> Routing:
    return Routing("churn", "default", "churn", (server.variant,), server.digest)


async def discovery(router: Router) -> dict[str, str | int]:
    answer = await router.operator.get("/envoy/discovery")
    return {one["name"]: one["value"] for one in answer.json()["stats"]}


def with_next_revision(files: dict[str, str], changes: dict[str, dict[str, Any]]) -> dict[str, str]:
    """The files at revision `next`, some of them with a first resource that is wrong."""
    changed = {}
    for name in PARTS:
        document = json.loads(files[name]) | {"version_info": "next"}
        document["resources"][0] |= changes.get(name, {})
        changed[name] = json.dumps(document)
    return {**files, **changed}


async def test_each_part_shows_the_revision_that_was_accepted(tmp_path: Path, old: Server) -> None:
    wanted = routing(old)
    async with running_router(tmp_path / "config", wanted) as router:
        shown = await discovery(router)
    for part in PARTS.values():
        assert shown[f"{part}.version_text"] == wanted.revision
        assert shown[f"{part}.update_rejected"] == shown[f"{part}.update_failure"] == 0
    assert len(shown) == 3 * len(PARTS)


@pytest.mark.parametrize("file", PARTS)
async def test_a_part_that_is_refused_stays_as_it_was_and_is_counted(
    tmp_path: Path, old: Server, file: str
) -> None:
    wanted = routing(old)
    async with running_router(tmp_path / "config", wanted) as router:
        await router.until_reached(old)
        files = router_files(wanted, router.place)
        router.directory.publish(with_next_revision(files, {file: WRONG[file]}))

        async def others_are_new() -> bool:
            shown = await discovery(router)
            others = [shown[f"{part}.version_text"] for name, part in PARTS.items() if name != file]
            return others == ["next"] * 2 and shown[f"{PARTS[file]}.update_rejected"] == 1

        await until(others_are_new, "two parts are accepted and one is refused")
        shown = await discovery(router)
        answer = await router.users.post(INFER, json={})
    assert shown[f"{PARTS[file]}.version_text"] == wanted.revision
    assert answer.status_code == 200


async def test_a_file_that_is_not_json_is_counted_as_a_failure(tmp_path: Path, old: Server) -> None:
    wanted = routing(old)
    async with running_router(tmp_path / "config", wanted) as router:
        await router.until_reached(old)
        router.directory.publish({**router_files(wanted, router.place), "cds.json": "{"})

        async def is_counted() -> bool:
            return (await discovery(router))["cluster_manager.cds.update_failure"] == 1

        await until(is_counted, "the failure is counted")
        answer = await router.users.post(INFER, json={})
    assert answer.status_code == 200
