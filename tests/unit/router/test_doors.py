"""What users reach, what only the operator reaches, and what neither does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from regnant.manifests.routing import Routing
from tests.unit.router.running_router import LOOPBACK, Server, running_router

if TYPE_CHECKING:
    from pathlib import Path

INFER = "/v2/models/churn/infer"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
EMPTY_SETTINGS = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
SETTINGS_TYPE = 4


def routing(*servers: Server, champion: Server | None = None) -> Routing:
    return Routing(
        service="churn",
        namespace="default",
        model="churn",
        variants=tuple(server.variant for server in servers),
        champion=champion.digest if champion else "",
    )


async def test_without_a_champion_users_are_told_so(tmp_path: Path, old: Server) -> None:
    async with running_router(tmp_path / "config", routing(old)) as router:
        answer = await router.users.post(INFER, json={})
        health = await router.users.get("/healthz")
    assert answer.status_code == 503
    assert answer.json()["error"] == "no version of model churn serves yet"
    assert answer.headers["content-type"] == "application/json"
    assert (health.status_code, old.answered) == (200, 0)


@pytest.mark.parametrize(
    "path",
    [
        "/alive",
        "/v2x",
        "/v1x",
        "/v12/models",
        "/v3",
        "/regnant/v1/golden",
        "/regnant/v1/stats",
        "/regnant/v1/outcomes?after=0",
        "/envoy/config_dump",
        "/envoy/discovery",
        "/stats",
    ],
)
async def test_users_reach_the_protocol_and_nothing_else(
    tmp_path: Path, old: Server, path: str
) -> None:
    async with running_router(tmp_path / "config", routing(old, champion=old)) as router:
        answer = await router.users.get(path)
        inside = await router.users.get("/v2/../regnant/v1/stats")
    assert (answer.status_code, answer.json()["error"]) == (404, "not found; start at /v2")
    assert (inside.status_code, old.answered) == (404, 0)


@pytest.mark.parametrize("path", ["/", "/v2", "/v2/models/churn", "/v1/models/churn:predict?x=/v3"])
async def test_users_reach_both_versions_of_the_protocol(
    tmp_path: Path, old: Server, path: str
) -> None:
    async with running_router(tmp_path / "config", routing(old, champion=old)) as router:
        answer = await router.users.get(path)
    assert (answer.status_code, old.answered) == (200, 1)


async def test_users_cannot_speak_as_regnant_or_envoy(
    tmp_path: Path, old: Server, new: Server
) -> None:
    claims = {
        "x-regnant-verify-version": "4",
        "x-regnant-door": "operator",
        "x-envoy-max-retries": "9",
        "x-envoy-retry-on": "5xx",
        "x-request-id": "mine",
    }
    old.status = 500
    async with running_router(tmp_path / "config", routing(old, new, champion=old)) as router:
        await router.users.post(INFER, json={}, headers=claims)
        admin = await router.users.get("/envoy/config_dump", headers=claims)
    assert (old.answered, new.answered, admin.status_code) == (1, 0, 404)
    assert not [name for name in old.headers[0] if name.startswith(("x-regnant-", "x-envoy-m"))]
    assert old.headers[0]["x-request-id"] == "mine"


async def test_every_answer_shows_the_revision(tmp_path: Path, old: Server) -> None:
    wanted = routing(old, champion=old)
    async with running_router(tmp_path / "config", wanted) as router:
        answers = [await router.users.get(path) for path in ("/v2", "/healthz", "/nowhere")]
        answers.append(await router.operator.get("/envoy/ready"))
        dump = (await router.operator.get("/envoy/config_dump")).text
    assert {answer.headers["x-regnant-route"] for answer in answers} == {wanted.revision}
    assert dump.count(f'"version_info": "{wanted.revision}"') >= 5


async def test_the_operator_asks_exactly_the_version_that_it_names(
    tmp_path: Path, old: Server, new: Server
) -> None:
    new.status = 500
    async with running_router(tmp_path / "config", routing(old, new, champion=old)) as router:
        await router.until_reached(new)
        answers = [
            await router.operator.get(
                "/regnant/v1/golden", headers={"x-regnant-verify-version": version}
            )
            for version in ("3", "4", "5")
        ]
    assert [answer.status_code for answer in answers] == [200, 500, 404]
    assert (old.answered, new.answered) == (1, 1)


async def test_a_path_is_not_smuggled_to_a_server_past_the_protocol(
    tmp_path: Path, old: Server
) -> None:
    ways = [
        b"/v2/..%2fregnant/v1/stats",
        b"/v2/%2e%2e/regnant/v1/stats",
        b"/v2/./../regnant/v1/stats",
        b"/v2//..//regnant/v1/stats",
        b"/v2/..\\regnant/v1/stats",
        b"http://127.0.0.1/regnant/v1/stats",
    ]
    async with running_router(tmp_path / "config", routing(old, champion=old)) as router:
        answers = [await exactly(router.place.users_port, way) for way in ways]
    assert [status for status, _ in answers] == [400, 404, 404, 200, 404, 404]
    assert '"/v2/regnant/v1/stats"' in answers[3][1]
    assert old.answered == 1


async def exactly(port: int, path: bytes) -> tuple[int, str]:
    """The answer to a GET of exactly these bytes, which a client would make tidy."""
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    writer.write(b"GET " + path + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    return int(head.split()[1]), body.decode()


async def test_the_operator_reads_five_pages_of_the_admin_interface_and_changes_nothing(
    tmp_path: Path, old: Server
) -> None:
    async with running_router(tmp_path / "config", routing(old, champion=old)) as router:
        read = [
            (await router.operator.get(f"/envoy/{page}")).status_code
            for page in ("stats/prometheus", "config_dump", "ready", "clusters", "discovery")
        ]
        other = [
            (await router.operator.post("/envoy/ready")).status_code,
            (await router.operator.get("/envoy/runtime")).status_code,
            (await router.operator.post("/quitquitquit")).status_code,
            (await router.operator.post("/regnant/v1/drain")).status_code,
        ]
    assert read == [200] * 5
    assert other == [404] * 4


async def test_http_2_without_tls_is_taken(tmp_path: Path, old: Server) -> None:
    async with running_router(tmp_path / "config", routing(old, champion=old)) as router:
        reader, writer = await asyncio.open_connection(LOOPBACK, router.place.users_port)
        writer.write(PREFACE + EMPTY_SETTINGS)
        frame = await reader.readexactly(9)
        writer.close()
        await writer.wait_closed()
    assert frame[3] == SETTINGS_TYPE


async def test_oversized_headers_are_refused(tmp_path: Path, old: Server) -> None:
    async with running_router(tmp_path / "config", routing(old, champion=old)) as router:
        answer = await router.users.get("/v2", headers={"x-long": "x" * 40_000})
    assert (answer.status_code, old.answered) == (431, 0)


async def test_a_router_that_drains_serves_on_and_closes_its_connections(
    tmp_path: Path, old: Server
) -> None:
    async with running_router(tmp_path / "config", routing(old, champion=old)) as router:
        await router.until_reached(old)
        before = await router.users.post(INFER, json={})
        drained = asyncio.create_task(router.operator.get("/regnant/v1/drain"))
        while "connection" not in (answer := await router.users.post(INFER, json={})).headers:
            assert not drained.done()
        last = await drained
    assert "connection" not in before.headers
    assert (answer.status_code, answer.headers["connection"]) == (200, "close")
    assert (last.status_code, last.text) == (200, "drained")
