"""The router and the model server, each the real one, together."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import pytest

from regnant.manifests.routing import Routing, Variant
from tests.unit.router.running_router import LOOPBACK, running_router, until
from tests.unit.router.test_routes_change_without_errors import OpenLoop
from tests.unit.serving.bundles import doubling_bundle, tensor
from tests.unit.serving.running_server import INFER
from tests.unit.serving.test_drain import started

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from subprocess import Popen

QUESTION = {"inputs": [tensor("features", "FP64", [1, 3], [1, 2, 3])]}
TOO_LARGE = 17 * 1024 * 1024


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[tuple[Popen[str], Popen[str]], Routing]]:
    """A champion and the version that stands by, and the routing between them."""
    one = doubling_bundle(tmp_path / "one")
    other = doubling_bundle(tmp_path / "two", factor=4.0, golden_factor=4.0)
    with (
        started(one, "3") as (champion, champion_client),
        started(other, "3") as (fallback, fallback_client),
    ):
        variants = (
            Variant(LOOPBACK, 3, one.digest, champion_client.base_url.port or 0),
            Variant(LOOPBACK, 3, other.digest, fallback_client.base_url.port or 0),
        )
        routing = Routing("churn", "default", "churn", variants, one.digest, other.digest)
        yield (champion, fallback), routing


async def test_a_server_that_is_stopped_under_load_fails_no_request(
    tmp_path: Path, servers: tuple[tuple[Popen[str], Popen[str]], Routing]
) -> None:
    (champion, _), routing = servers
    digests = [variant.digest for variant in routing.variants]
    async with running_router(tmp_path / "config", routing) as router:
        load = OpenLoop(router.users, QUESTION, "x-regnant-digest")
        sending = asyncio.create_task(load.run())

        async def champion_answers() -> bool:
            return digests[0] in load.outcomes

        async def champion_is_gone() -> bool:
            return champion.poll() is not None

        await until(champion_answers, "the champion answers")
        champion.send_signal(signal.SIGTERM)
        await until(champion_is_gone, "the champion has stopped")
        await sending_more(load)
        outcomes = await load.stop()
        await sending
    assert set(outcomes) == set(digests)
    assert champion.returncode == 0


async def test_what_a_server_refuses_reaches_the_user_as_it_is(
    tmp_path: Path, servers: tuple[tuple[Popen[str], Popen[str]], Routing]
) -> None:
    _, routing = servers
    async with running_router(tmp_path / "config", routing) as router:
        wrong = await router.users.post(INFER, json={}, headers={"x-request-id": "mine"})
        large = await announce(router.place.users_port, TOO_LARGE)
        unknown = await router.users.get("/v2/models/other")
    assert (wrong.status_code, large, unknown.status_code) == (400, 413, 404)
    assert wrong.headers.get_list("x-request-id") == ["mine"]
    assert wrong.headers["x-regnant-digest"] == routing.champion
    assert "inputs: must be a list of tensors" in wrong.json()["error"]


async def announce(port: int, size: int) -> int:
    """The status that a body of this size gets, which is known before it is sent."""
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    writer.write(f"POST {INFER} HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n".encode())
    status = int((await reader.readline()).split()[1])
    writer.close()
    await writer.wait_closed()
    return status


async def sending_more(load: OpenLoop) -> None:
    """Wait for answers to questions that were asked from now on."""
    already = load.asked

    async def went_on() -> bool:
        return len(load.outcomes) > already

    await until(went_on, "later requests are answered")
