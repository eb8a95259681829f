"""A version that fails is answered for by another, as long as one is at hand."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import TYPE_CHECKING

from regnant.manifests.router_config import router_files
from regnant.manifests.routing import Routing
from tests.unit.router.running_router import Server, running_router, serving, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.router.running_router import Router

INFER = "/v2/models/churn/infer"


def takeover(old: Server, new: Server, timeout: timedelta = timedelta(seconds=60)) -> Routing:
    """The new version answers; the old one stands by."""
    return Routing(
        service="churn",
        namespace="default",
        model="churn",
        variants=(old.variant, new.variant),
        champion=new.digest,
        fallback=old.digest,
        request_timeout=timeout,
    )


async def test_a_version_that_fails_everything_costs_users_nothing(
    tmp_path: Path, old: Server, new: Server
) -> None:
    new.status = 500
    async with running_router(tmp_path / "config", takeover(old, new)) as router:
        answers = [await router.users.post(INFER, json={}) for _ in range(200)]
    assert [answer.status_code for answer in answers] == [200] * 200
    assert {answer.headers["x-regnant-version"] for answer in answers} == {"3"}
    assert new.answered > 0


async def test_a_version_that_fails_many_requests_at_the_same_moment_costs_users_nothing(
    tmp_path: Path, old: Server, new: Server
) -> None:
    # A server that dies takes all that it was working on along, and all of it is asked again.
    new.status, new.delay, old.delay = 500, 0.5, 0.5
    async with running_router(tmp_path / "config", takeover(old, new)) as router:
        asked = [router.users.post(INFER, json={}) for _ in range(100)]
        answers = await asyncio.gather(*asked)
    assert [answer.status_code for answer in answers] == [200] * 100
    assert old.answered == 100


async def test_a_version_whose_server_is_gone_costs_users_nothing(
    tmp_path: Path, old: Server
) -> None:
    async with serving(Server(4)) as new:
        routing = takeover(old, new)
        async with running_router(tmp_path / "config", routing) as router:
            await router.until_reached(new)
            first = await router.users.post(INFER, json={})
            # The port is closed while the router still believes in it.
            new.ready = False
            new.status = 503
            answers = [await router.users.post(INFER, json={}) for _ in range(100)]
    assert first.headers["x-regnant-version"] == "4"
    assert [answer.status_code for answer in answers] == [200] * 100


async def test_a_version_that_does_not_answer_in_time_costs_users_nothing(
    tmp_path: Path, old: Server, new: Server
) -> None:
    new.delay = 5
    routing = takeover(old, new, timedelta(seconds=1))
    async with running_router(tmp_path / "config", routing) as router:
        answer = await router.users.post(INFER, json={})
    assert (answer.status_code, answer.headers["x-regnant-version"]) == (200, "3")


async def test_a_large_request_is_sent_again_too(tmp_path: Path, old: Server, new: Server) -> None:
    new.status = 500
    body = b"x" * (4 * 1024 * 1024)
    async with running_router(tmp_path / "config", takeover(old, new)) as router:
        answer = await router.users.post(INFER, content=body)
    assert answer.status_code == 200
    assert old.bodies == [len(body)]


async def test_what_a_user_did_wrong_is_not_asked_of_another_version(
    tmp_path: Path, old: Server, new: Server
) -> None:
    new.status = 400
    async with running_router(tmp_path / "config", takeover(old, new)) as router:
        answer = await router.users.post(INFER, json={})
    assert (answer.status_code, new.answered, old.answered) == (400, 1, 0)


async def test_a_server_that_is_not_ready_gets_no_requests(
    tmp_path: Path, old: Server, new: Server
) -> None:
    async with running_router(tmp_path / "config", takeover(old, new)) as router:
        await router.until_reached(new)
        new.ready = False

        async def old_answers() -> bool:
            answer = await router.users.post(INFER, json={})
            assert answer.status_code == 200
            return answer.headers["x-regnant-version"] == "3"

        await until(old_answers, "the version that stands by answers")


async def test_without_another_version_a_failure_is_passed_on(tmp_path: Path, old: Server) -> None:
    old.status = 500
    routing = Routing("churn", "default", "churn", (old.variant,), old.digest)
    async with running_router(tmp_path / "config", routing) as router:
        answer = await router.users.post(INFER, json={})
    assert (answer.status_code, old.answered) == (500, 1)


async def test_without_another_version_what_a_dying_server_did_not_answer_is_asked_again(
    tmp_path: Path, old: Server
) -> None:
    """Of another server of the version where there is one, and of each request twice at most."""
    routing = Routing("churn", "default", "churn", (old.variant,), old.digest)
    async with running_router(tmp_path / "config", routing) as router:
        await router.until_reached(old)
        old.broken = old.answered + 2
        saved = await router.users.post(INFER, json={})
        assert saved.status_code == 200
        before = old.answered
        old.broken = before + 1000
        lost = await router.users.post(INFER, json={})
    assert lost.status_code == 503
    assert old.answered - before == 3


async def test_a_request_finds_the_server_that_lives_though_the_dead_one_looks_idle(
    tmp_path: Path, old: Server
) -> None:
    """What has died has the fewest requests, so it is chosen again and again."""
    old.delay = 0.1
    routing = Routing("churn", "default", "churn", (old.variant,), old.digest)
    async with (
        serving(Server(old.version, fault="reset")) as dead,
        running_router(tmp_path / "config", routing) as router,
    ):
        await router.until_reached(old)
        files = router_files(routing, router.place)
        router.directory.publish(files | {"cds.json": _beside(files["cds.json"], old, dead)})
        await until(lambda: _knows(router, dead), "the router knows of both servers")
        asked = (router.users.post(INFER, json={}) for _ in range(60))
        answers = await asyncio.gather(*asked)
    assert [answer.status_code for answer in answers] == [200] * 60
    assert dead.answered > 0


def _beside(text: str, server: Server, other: Server) -> str:
    """Clusters in which a version has another server beside its first, and none is left out."""
    document = json.loads(text)
    for cluster in document["resources"]:
        cluster.pop("outlier_detection", None)
        for part in cluster.get("load_assignment", {}).get("endpoints", []):
            first = json.dumps(part["lb_endpoints"][0])
            second = first.replace(str(server.port), str(other.port))
            part["lb_endpoints"].append(json.loads(second))
    return json.dumps(document)


async def _knows(router: Router, server: Server) -> bool:
    text = (await router.operator.get("/envoy/clusters")).text
    return f":{server.port}::health_flags::healthy" in text
