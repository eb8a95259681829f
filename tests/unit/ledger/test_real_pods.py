"""From a request at the router's door to the tally, through a real Envoy and real model servers."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from regnant.api.rollout_status import Tally
from regnant.controllers.ledger import Ledger
from regnant.controllers.scrape import look
from regnant.manifests.routing import Routing
from regnant.probes import Prober
from tests.unit.ledger.real_pods import CHALLENGER_IP, CHAMPION_IP, INFER, Pod, server_pod
from tests.unit.ledger.samples import KEY
from tests.unit.ports import free_port
from tests.unit.router.running_router import LOOPBACK, Router, running_router, until
from tests.unit.serving.bundles import MODEL_NAME, classifier_bundle, tensor

CLEAR, UNCLEAR = 20.0, 0.1
"""A feature by which both models are certain, and one by which their scores differ."""


@dataclass
class Rollout:
    """Two versions behind a router, and an operator that looks at them."""

    champion: Pod
    challenger: Pod
    router: Router
    prober: Prober
    plan: Routing
    ledger: Ledger = field(default_factory=Ledger)
    period: str = ""
    missing: Mapping[str, str] = field(default_factory=dict)

    async def begin(self, period: str, plan: Routing) -> None:
        """Publish a stage, and take its baseline."""
        await self.router.publish(plan)
        self.period = period

        async def everybody_is_seen() -> bool:
            assert await self.look() == Tally()
            return not self.missing

        await until(everybody_is_seen, "every pod has answered in time")

    async def look(self) -> Tally:
        shadowed = self.period == "shadow"
        sample = await look(
            self.prober,
            [LOOPBACK],
            self.champion.variant,
            self.challenger.variant,
            pairs=shadowed,
            marks=self.ledger.marks(KEY, self.period),
        )
        self.missing = sample.missing
        return self.ledger.add(KEY, self.period, sample, tolerance=0.01, shadowed=shadowed)

    async def until_counted(self, tries: int) -> Tally:
        """Look until so many of the challenger's tries are over; a copy is answered later."""
        tally = Tally()

        async def are_counted() -> bool:
            nonlocal tally
            tally = await self.look()
            return tally.challenger.tries >= tries and sum(tally.challenger.latency) >= tries

        await until(are_counted, f"{tries} tries are counted")
        return tally

    async def ask(self, feature: float = CLEAR, request_id: str = "") -> str:
        """A user's request; the version that answered it."""
        question = {"inputs": [tensor("features", "FP64", [1, 3], [feature] * 3)]}
        headers = {"x-request-id": request_id} if request_id else {}
        answer = await self.router.users.post(INFER, json=question, headers=headers)
        assert answer.status_code == 200
        return answer.headers["x-regnant-version"]


@pytest.fixture
async def rollout(tmp_path: Path) -> AsyncIterator[Rollout]:
    port = free_port()
    bundles = classifier_bundle(tmp_path / "3"), classifier_bundle(tmp_path / "4", weight=2.0)
    async with AsyncExitStack() as stack:
        champion = await stack.enter_async_context(server_pod(3, bundles[0], CHAMPION_IP, port))
        challenger = await stack.enter_async_context(server_pod(4, bundles[1], CHALLENGER_IP, port))
        plan = Routing(
            service=MODEL_NAME,
            namespace="default",
            model=MODEL_NAME,
            variants=(champion.routed, challenger.routed),
            champion=bundles[0].digest,
            challenger=bundles[1].digest,
            attempt_timeout=timedelta(milliseconds=500),
        )
        router = await stack.enter_async_context(running_router(tmp_path / "config", plan))
        prober = await stack.enter_async_context(
            Prober.open(port=router.place.verification_port, server_port=port)
        )
        yield Rollout(champion, challenger, router, prober, plan)


async def test_of_n_requests_k_that_fail_at_the_challenger_are_n_and_k(rollout: Rollout) -> None:
    await rollout.begin("step-100", replace(rollout.plan, weight=100))
    assert [await rollout.ask() for _ in range(30)] == ["4"] * 30
    rollout.challenger.process.send_signal(signal.SIGSTOP)
    assert [await rollout.ask() for _ in range(2)] == ["3"] * 2
    rollout.challenger.process.send_signal(signal.SIGCONT)
    tally = await rollout.until_counted(32)
    challenger = tally.challenger
    assert (challenger.tries, challenger.failures, challenger.timeouts) == (32, 2, 2)
    assert (tally.champion.tries, tally.champion.failures) == (2, 0)
    assert sum(tally.champion.latency) == 2
    # The server worked on the two that came too late as well, for nobody.
    assert sum(challenger.latency) == 32
    assert challenger.non_finite == tally.pairs.total == 0


async def test_each_mirrored_request_is_one_try_and_one_pair(rollout: Rollout) -> None:
    await rollout.begin("shadow", replace(rollout.plan, shadow=100))
    for number in range(20):
        feature = CLEAR if number < 14 else UNCLEAR
        assert await rollout.ask(feature, f"request-{number}") == "3"

    async def are_joined() -> bool:
        return (await rollout.look()).pairs.total >= 20

    await until(are_joined, "all pairs are joined")
    tally = await rollout.until_counted(20)
    assert (tally.pairs.total, tally.pairs.agreeing) == (20, 14)
    assert (tally.champion.tries, tally.champion.failures) == (20, 0)
    assert (tally.challenger.tries, tally.challenger.failures) == (20, 0)
    assert sum(tally.champion.latency) == sum(tally.challenger.latency) == 20


async def test_what_came_before_a_stage_is_not_counted_in_it(rollout: Rollout) -> None:
    await rollout.begin("shadow", replace(rollout.plan, shadow=100))
    for number in range(5):
        await rollout.ask(request_id=f"request-{number}")
    assert (await rollout.until_counted(5)).challenger.tries == 5
    await rollout.begin("step-100", replace(rollout.plan, weight=100))
    await rollout.ask()
    tally = await rollout.until_counted(1)
    assert (tally.champion.tries, tally.challenger.tries) == (0, 1)
    assert sum(tally.challenger.latency) == 1


async def test_a_server_that_restarts_is_seen_from_its_first_answer(rollout: Rollout) -> None:
    await rollout.begin("step-100", replace(rollout.plan, weight=100))
    await rollout.ask()
    await rollout.until_counted(1)
    old = rollout.challenger
    old.process.kill()
    await old.process.wait()
    async with server_pod(4, old.written, old.ip, old.port):

        async def challenger_answers() -> bool:
            return await rollout.ask() == "4"

        await until(challenger_answers, "the new server is asked")
        await rollout.ask()
        tally = await rollout.until_counted(3)
    # One before, and two by a server that was never looked at before it answered.
    assert sum(tally.challenger.latency) == 3
    assert tally.challenger.tries - tally.challenger.failures == 3
