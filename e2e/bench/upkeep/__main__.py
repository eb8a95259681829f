"""Measure, print, and with --write put it into docs/benchmarks.md."""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from e2e.bench.report import Table, insert
from e2e.bench.upkeep.process import Process, running_operator, total
from e2e.bench.upkeep.stand_ins import PER_SECOND, Site, site
from e2e.cluster.control_plane import COMPONENT_CONTEXT, component_control_plane
from e2e.cluster.programs import build_programs
from e2e.cluster.settings import CHECKOUT, Settings
from regnant.cluster.client import Cluster
from regnant.cluster.connection import Kubeconfig
from regnant.cluster.transport import Request

PAGE = CHECKOUT / "docs" / "benchmarks.md"
BEGIN = "<!-- measured: written by `python -m e2e.bench.upkeep` -->"
END = "<!-- measured: end of the upkeep -->"
OPEN = (1, 10, 50)
MOST = max(OPEN)
_PATIENCE = 240.0
_REST = 5.0


@dataclass(frozen=True)
class Cost:
    """What was read while so many rollouts were open."""

    open: int
    milliseconds: float
    """CPU time of the operator, a second."""
    looks: float
    """Reconciles, a second."""
    requests: float
    """Requests to the API server, a second."""


async def measure(seconds: float) -> list[Cost]:
    """No open rollout, then more and more of them."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        plane = await asyncio.to_thread(
            stack.enter_context, component_control_plane(folder / "plane")
        )
        access = Kubeconfig(plane.kubeconfig, COMPONENT_CONTEXT)
        _install_definitions(plane.kubeconfig)
        cluster = await stack.enter_async_context(Cluster(access))
        operator = stack.enter_context(running_operator(plane.kubeconfig, folder / "operator.log"))
        sites = [
            await stack.enter_async_context(site(cluster, number)) for number in range(1, MOST + 1)
        ]
        await _bring(sites, "Serving")
        costs = [await _cost(operator, cluster, 0, seconds)]
        for wanted in OPEN:
            for one in sites[costs[-1].open : wanted]:
                await one.challenge()
            await _bring(sites[:wanted], "Splitting")
            costs.append(await _cost(operator, cluster, wanted, seconds))
        return costs


async def _bring(sites: Sequence[Site], phase: str) -> None:
    """Let the nodes work until every service is in a phase and rests there."""
    deadline = time.monotonic() + _PATIENCE
    missing = list(sites)
    while missing:
        assert time.monotonic() < deadline, f"{len(missing)} services are not {phase}"
        await asyncio.gather(*(one.run() for one in missing))
        missing = [one for one in missing if not await one.rests(phase)]
    await asyncio.sleep(_REST)
    print(f"   {len(sites)} services are {phase}", flush=True)


async def _cost(operator: Process, cluster: Cluster, count: int, seconds: float) -> Cost:
    """What the operator did in so many seconds in which nobody else did anything."""
    before, began = await _read(operator, cluster), time.monotonic()
    cpu = operator.cpu_seconds
    await asyncio.sleep(seconds)
    spent, took = operator.cpu_seconds - cpu, time.monotonic() - began
    after = await _read(operator, cluster)
    looks, requests = ((now - then) / took for now, then in zip(after, before, strict=True))
    cost = Cost(count, 1000 * spent / took, looks, requests)
    print(f"   {cost}", flush=True)
    return cost


async def _read(operator: Process, cluster: Cluster) -> tuple[float, float]:
    """Looks at resources, and requests to the API server, so far."""
    request = Request("GET", "/metrics", accept="text/plain")
    page = (await cluster.transport.send(request)).decode()
    requests = total(page, "apiserver_request_total", without='verb="WATCH"')
    return await asyncio.to_thread(operator.reconciles), requests


def _install_definitions(kubeconfig: Path) -> None:
    kubectl = build_programs(Settings.from_environment(), ["kubectl"])["kubectl"]
    base = [str(kubectl), f"--kubeconfig={kubeconfig}", f"--context={COMPONENT_CONTEXT}"]
    crds = f"--filename={CHECKOUT / 'crds'}"
    subprocess.run([*base, "apply", "--server-side", crds], check=True, capture_output=True)
    wait = ["wait", "crd", "--all", "--for=condition=Established"]
    subprocess.run([*base, *wait], check=True, capture_output=True)


def table(costs: Sequence[Cost]) -> Table:
    """As the page has it."""
    rows = [
        [
            f"{cost.open}" if cost.open else f"none, {MOST} settled services",
            f"{cost.milliseconds:.1f} ms",
            f"{cost.milliseconds / cost.looks:.1f} ms" if cost.open else "",
            f"{cost.looks:.1f}",
            f"{cost.requests:.1f}",
        ]
        for cost in costs
    ]
    return Table(
        "The upkeep of open rollouts",
        [
            "open rollouts",
            "CPU of the operator, a second",
            "CPU a look",
            "looks a second",
            "API requests a second",
        ],
        rows,
        f"A rollout that splits {PER_SECOND} requests a second, one router and two servers for "
        f"each of {MOST} services. Operator and API server are real; pods are objects without "
        "processes, and routers and servers are stand-ins with pages of the real length. Requests "
        "are all that the API server answered, but for watches.",
    )


def main() -> int:
    """Measure with a control plane of its own."""
    asked = _arguments()
    began, load = time.monotonic(), os.getloadavg()[0]
    costs = asyncio.run(measure(asked.seconds))
    head = (
        f"Measured {datetime.now(UTC):%Y-%m-%d %H:%M} UTC in {time.monotonic() - began:.0f} s, at "
        f"a load average of {load:.1f} before and {os.getloadavg()[0]:.1f} after: "
        f"`python -m e2e.bench.upkeep --seconds={asked.seconds:g}`"
    )
    measured = f"{head}\n\n{table(costs).markdown()}"
    print(f"\n{measured}\n")
    if asked.write:
        insert(PAGE, measured, BEGIN, END)
        print(f"{PAGE.relative_to(CHECKOUT)} is written.")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m e2e.bench.upkeep", description=__doc__)
    add = parser.add_argument
    add("--seconds", type=float, default=20, help="how long each number of rollouts is watched")
    add("--write", action="store_true", help="put the table into docs")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
