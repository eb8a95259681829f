"""The operator dies at every single write of a rollout, and nothing comes of it.

Each run has one rollout and one death, and must end as the run without one did. A dead operator
leaves nothing but what it wrote, so the deaths after each write and those before the next one are
the same to the cluster; the two scenarios, whose first half is the same, take one kind each.
`REGNANT_KILLS=all` takes both kinds in both.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from regnant.cluster.connection import Kubeconfig
from tests.component.kills.network import network
from tests.component.kills.proxy import Kill, Moment
from tests.component.kills.record import differences
from tests.component.kills.rollouts import PROMOTED, REJECTED, Run, Scenario, Stand, stand

STANDS = 8
"""How many operators are at work at a time; most of a run is waiting."""
_MAY_LACK = 2
"""How many writes less than another a run may have: two statuses may have become one."""
_MOMENTS = {PROMOTED: [Moment.AFTER], REJECTED: [Moment.BEFORE]}

pytestmark = pytest.mark.timeout(1800)


@pytest.mark.parametrize("scenario", [PROMOTED, REJECTED], ids=lambda one: one.name)
async def test_a_rollout_ends_the_same_whichever_write_the_operator_dies_at(
    access: Kubeconfig, namespace: str, tmp_path: Path, scenario: Scenario
) -> None:
    async with stands(access, namespace, tmp_path) as made:
        await check_every_write(made, scenario)


async def check_every_write(stands: Sequence[Stand], scenario: Scenario) -> None:
    undisturbed = await stands[0].run(scenario, None, None)
    assert_undisturbed(undisturbed, scenario)
    everything = os.environ.get("REGNANT_KILLS") == "all"
    kills = [
        Kill(nth, moment)
        for moment in (Moment if everything else _MOMENTS[scenario])
        for nth in range(1, len(undisturbed.writes) + 1)
    ]
    runs = await all_of(stands, scenario, kills, undisturbed)
    faults = [
        f"{kill} ({run.victim}): {fault}"
        for kill, run in zip(kills, runs, strict=True)
        for fault in faults_of(run, undisturbed)
    ]
    assert not faults, "\n".join(faults)
    assert sum(not run.victim for run in runs) <= _MAY_LACK
    assert {run.victim for run in runs} >= set(undisturbed.writes)


@asynccontextmanager
async def stands(
    access: Kubeconfig, namespace: str, directory: Path
) -> AsyncIterator[Sequence[Stand]]:
    """Operators in namespaces of their own."""
    async with AsyncExitStack() as stack:
        pods = await stack.enter_async_context(network())
        yield [
            await stack.enter_async_context(stand(access, f"{namespace}-{number}", pods, directory))
            for number in range(STANDS)
        ]


async def all_of(
    stands: Sequence[Stand], scenario: Scenario, kills: Sequence[Kill], undisturbed: Run
) -> list[Run]:
    """A run for each death, as many at a time as there are operators."""
    waiting = iter(kills)
    runs: dict[Kill, Run] = {}

    async def work(one: Stand) -> None:
        for kill in waiting:
            runs[kill] = await one.run(scenario, kill, undisturbed.state)

    async with asyncio.TaskGroup() as workers:
        for one in stands:
            workers.create_task(work(one))
    return [runs[kill] for kill in kills]


def assert_undisturbed(run: Run, scenario: Scenario) -> None:
    """What is expected of all others is what was meant to be."""
    service = run.state["service"]
    assert service["champion"]["version"] == scenario.reigning
    assert [one["version"] for one in service["history"]] == [
        one for one in (2, 1) if one <= scenario.reigning
    ]
    assert faults_of(run, run) == []


def faults_of(run: Run, undisturbed: Run) -> list[str]:
    """In what a run differs from the one that was not disturbed."""
    found = [*run.errors, *differences(run.state, undisturbed.state)]
    if len(run.record.transitions()) != 1:
        found.append(f"it was begun more than once: {run.record.transitions()}")
    if run.record.stages() != undisturbed.record.stages():
        found.append(f"stages were decided again or left out: {run.record.stages()}")
    phases = run.record.phases()
    if len(set(phases)) != len(phases):
        found.append(f"phases came again: {phases}")
    for router, told in run.told.items():
        if told not in undisturbed.told.values():
            found.append(f"{router} was told {told}")
    if extra := run.events - undisturbed.events:
        found.append(f"Events too many: {extra}")
    lost = undisturbed.events - run.events
    if lost and not run.victim.startswith(("PATCH inferenceservices", "POST events")):
        found.append(f"Events too few: {lost}")
    return found
