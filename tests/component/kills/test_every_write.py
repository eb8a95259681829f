"""The operator dies at every single write of a rollout, and nothing comes of it.

Each run is one rollout with one death, and must end as the run without one did: one promotion, no
step again, nothing that users would notice. A dead operator leaves nothing but what it wrote, so to
the cluster a death after a write is one before the next, and either kind alone meets every state.
A rejection differs from a promotion from the first step on, so its deaths begin there.

`REGNANT_KILLS=all` has both kinds at all writes of both, in more than twice the time.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from regnant.cluster.connection import Kubeconfig
from tests.component.kills.network import network
from tests.component.kills.proxy import Kill, Moment
from tests.component.kills.record import differences
from tests.component.kills.rollouts import PROMOTED, REJECTED, Run, Scenario, Stand, stand

logger = logging.getLogger(__name__)

STANDS = 20
"""How many operators are at work at a time; most of a run is waiting."""
_MAY_LACK = 4
"""How many of all these runs may lack the write of their death: two statuses may become one."""
_OF_ONE_DECISION = 2
"""How many Events a death may cost: those of the status that was written last."""
_SPLIT = "PATCH inferenceservices/shop-/status Splitting"


@pytest.mark.timeout(3600)
async def test_a_rollout_ends_the_same_whichever_write_the_operator_dies_at(
    access: Kubeconfig, namespace: str, tmp_path: Path
) -> None:
    async with stands(access, namespace, tmp_path) as made:
        undisturbed = await without_a_death(made)
        runs = await with_each_death(made, undisturbed)
    faults = [
        f"{scenario.name}, {kill}: {fault}"
        for (scenario, kill), run in runs.items()
        for fault in faults_of(run, undisturbed[scenario])
    ]
    assert not faults, "\n".join(faults)
    missed = [f"{scenario.name}, {kill}" for (scenario, kill), run in runs.items() if not run.died]
    assert len(missed) <= _MAY_LACK, missed


async def without_a_death(stands: Sequence[Stand]) -> Mapping[Scenario, Run]:
    """What is expected of all others; it is itself what was meant to be."""
    promoted, rejected = await asyncio.gather(
        stands[0].run(PROMOTED, None, None), stands[1].run(REJECTED, None, None)
    )
    for run, versions in ((promoted, [2, 1]), (rejected, [1])):
        service = run.state["service"]
        assert service["champion"]["version"] == versions[0]
        assert [one["version"] for one in service["history"]] == versions
        assert service["traffic"] == [{**service["traffic"][0], "percent": 100}]
        assert faults_of(run, run) == []
    assert promoted.record.stages() == [0, 20, 50]
    assert rejected.record.stages() == [0, 20]
    return {PROMOTED: promoted, REJECTED: rejected}


async def with_each_death(
    stands: Sequence[Stand], undisturbed: Mapping[Scenario, Run]
) -> Mapping[tuple[Scenario, Kill], Run]:
    """A run for each death, as many at a time as there are operators."""
    waiting = iter(
        [
            (scenario, kill)
            for scenario, run in undisturbed.items()
            for kill in _deaths(scenario, run.writes)
        ]
    )
    runs: dict[tuple[Scenario, Kill], Run] = {}

    async def work(one: Stand) -> None:
        for scenario, kill in waiting:
            expected = undisturbed[scenario]
            run = runs[scenario, kill] = await one.run(scenario, kill, expected.state)
            faults = faults_of(run, expected)
            logger.info("%s, %s: %s", scenario.name, kill, faults or "the same")

    async with asyncio.TaskGroup() as workers:
        for one in stands:
            workers.create_task(work(one))
    return runs


def _deaths(scenario: Scenario, writes: Sequence[str]) -> list[Kill]:
    """The deaths that a rollout has here."""
    if os.environ.get("REGNANT_KILLS") == "all":
        kinds = [(moment, 0) for moment in Moment]
    elif scenario == PROMOTED:
        kinds = [(Moment.AFTER, 0)]
    else:
        kinds = [(Moment.BEFORE, writes.index(_SPLIT))]
    return [
        Kill(write, writes[: place + 1].count(write), moment)
        for moment, first in kinds
        for place, write in enumerate(writes)
        if place >= first
    ]


def faults_of(run: Run, undisturbed: Run) -> list[str]:
    """What a run has that the one without a death has not."""
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
    if lost.total() > _OF_ONE_DECISION:
        found.append(f"Events too few: {lost}")
    return found


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
