"""`python -m e2e.bench.router`: what a request through a router costs; no cluster is used.

Real Envoys with the operator's own configuration stand in front of real model servers, on loopback.
The load, the champion's server and the routers share one core, so no core has to be woken for a
request, which in a virtual machine costs more than the router; with `--apart` the routers have the
other core. The challenger's server always has that one, as if it were on another machine.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import httpx
import uvloop

from e2e.bench.bare_router import bare_router
from e2e.bench.closed_loop import LOOPBACK, Load, Target, Turn, in_turns
from e2e.bench.machine import circumstances, cores, on_core
from e2e.bench.model_server import VERSION, model_server, requests
from e2e.bench.report import Table, insert, verdict
from e2e.cluster.settings import CHECKOUT
from regnant.manifests.routing import Routing, Sticky, Variant
from tests.unit.router.running_router import Server, running_router
from tests.unit.serving.bundles import MODEL_NAME, classifier_bundle

PAGE = CHECKOUT / "docs" / "benchmarks.md"
BEGIN = "<!-- measured: written by `python -m e2e.bench.router` -->"
END = "<!-- measured: end of the router -->"
GOAL_CPU = 40.0
GOAL_P50 = 110.0
_DIRECT, _BARE = "no router", "Envoy with no configuration but a route"
_PLAIN, _STAND_IN = "router", "router, another version stands by"
_SPLIT, _SHADOW = "router, split in halves by a header", "router, copies of all to a challenger"
_CONNECTIONS = (1, 8)
_CORES = {
    False: "the core of the load and of the champion's server",
    True: "a core of their own",
}


@dataclass(frozen=True)
class Place:
    """Where everything runs."""

    directory: Path
    core: int
    """The load's, and the champion's server's."""
    challenger_core: int
    router_core: int


@dataclass(frozen=True)
class Servers:
    """Who answers."""

    champion: Target
    challenger: Target
    routing: Routing


def main() -> int:
    """Measure on this machine, print, and put it into docs/benchmarks.md."""
    asked = _arguments()
    load = [os.getloadavg()[0]]
    here, other = cores()
    with TemporaryDirectory(prefix="regnant-bench-") as directory, on_core(here):
        place = Place(Path(directory), here, other, other if asked.apart else here)
        tables = uvloop.run(_measure(place, asked))
    load.append(os.getloadavg()[0])
    apart = " --apart" if asked.apart else ""
    command = f"python -m e2e.bench.router --rounds={asked.rounds} --requests={asked.requests}"
    head = circumstances(command + apart, load)
    measured = "\n\n".join([head, *(table.markdown() for table in tables)])
    print(f"\n{measured}\n")
    if asked.write:
        insert(PAGE, measured, BEGIN, END)
        print(f"{PAGE.relative_to(CHECKOUT)} is written.")
    return 0


async def _measure(place: Place, asked: argparse.Namespace) -> list[Table]:
    tables = []
    with ExitStack() as stack:
        servers = _start(place, stack)
        async with _targets(place, servers) as targets:
            for connections in _CONNECTIONS:
                loads = {
                    name: await Load.open(target, connections, requests(with_ids=False))
                    for name, target in targets.items()
                }
                before = await _copies(servers.challenger)
                turns = await in_turns(loads, asked.rounds, asked.requests)
                copied = await _copies(servers.challenger) - before
                for one in loads.values():
                    one.close()
                share = f"{copied:,} of {loads[_SHADOW].asked:,}"
                tables.append(_table(connections, turns, share, asked))
    return tables


def _start(place: Place, stack: ExitStack) -> Servers:
    """Start both servers."""
    one = classifier_bundle(place.directory / "champion")
    two = classifier_bundle(place.directory / "challenger", weight=2.0)
    champion = stack.enter_context(model_server(one, place.core))
    challenger = stack.enter_context(model_server(two, place.challenger_core))
    variants = (
        Variant(LOOPBACK, VERSION, one.digest, champion.port),
        Variant(LOOPBACK, VERSION, two.digest, challenger.port),
    )
    routing = Routing(MODEL_NAME, "default", MODEL_NAME, variants, one.digest)
    return Servers(champion, challenger, routing)


@asynccontextmanager
async def _targets(place: Place, servers: Servers) -> AsyncIterator[Mapping[str, Target]]:
    """Start a router for each way that users are answered."""
    plain, challenger = servers.routing, servers.routing.variants[1].digest
    compared = replace(plain, challenger=challenger)
    ways = {
        _PLAIN: plain,
        _STAND_IN: replace(plain, fallback=challenger),
        _SPLIT: replace(compared, weight=50, sticky=Sticky(header="x-user")),
        _SHADOW: replace(compared, shadow=100),
    }
    async with AsyncExitStack() as routers:
        with on_core(place.router_core):
            bare = await routers.enter_async_context(bare_router(place.directory, servers.champion))
            found = {_DIRECT: servers.champion, _BARE: bare}
            for number, (name, routing) in enumerate(ways.items()):
                path = place.directory / str(number) / "config"
                router = await routers.enter_async_context(running_router(path, routing))
                await router.until_reached(Server(VERSION))
                found[name] = Target(router.place.users_port, router.process.pid)
        yield found


async def _copies(challenger: Target) -> int:
    """How many copies a server has answered."""
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"http://{LOOPBACK}:{challenger.port}/regnant/v1/stats")
    count: int = answer.json()["shadow"]["requests"]["ok"]
    return count


def _table(
    connections: int, turns: Mapping[str, list[Turn]], copied: str, asked: argparse.Namespace
) -> Table:
    alone = connections == 1
    each = "one request at a time" if alone else f"{connections} requests at a time"
    return Table(
        f"A request through a router, {each}",
        ["", "the router's CPU time", "ratio", "p50", "p99", "p50 beyond no router", "goal"],
        [_row(name, turns, connections) for name in turns],
        f"{asked.rounds} rounds in which each had a turn of {asked.requests} requests; medians of "
        "the turns, and of the ratios to Envoy with nothing but a route and the differences to no "
        f"router in a round. {'' if alone else 'Requests wait for one another here. '}The routers "
        f"had {_CORES[asked.apart]}, the challenger's server the other one. Copies that it "
        f"answered: {copied} requests; over 16 under way, copies are dropped.",
    )


def _row(name: str, turns: Mapping[str, list[Turn]], connections: int) -> list[str]:
    found, bare, direct = turns[name], turns[_BARE], turns[_DIRECT]
    p50 = f"{median(one.p50 for one in found):.0f} us"
    p99 = f"{median(one.p99 for one in found):.0f} us"
    if name == _DIRECT:
        return [name, "", "", p50, p99, "", ""]
    cpu = median(one.cpu for one in found)
    ratio = median(ours.cpu / peer.cpu for ours, peer in zip(found, bare, strict=True))
    beyond = median(ours.p50 - without.p50 for ours, without in zip(found, direct, strict=True))
    goal = ""
    if name != _BARE:
        goal = f"CPU at most {GOAL_CPU:.0f} us: {verdict(cpu, GOAL_CPU)}"
        if connections == 1:
            goal += f"; p50 at most {GOAL_P50:+.0f} us: {verdict(beyond, GOAL_P50)}"
    return [name, f"{cpu:.0f} us", f"{ratio:.2f}", p50, p99, f"{beyond:+.0f} us", goal]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m e2e.bench.router", description=__doc__)
    add = parser.add_argument
    add("--rounds", type=int, default=30, help="how many turns each gets")
    add("--requests", type=int, default=1_000, help="how many requests are in a turn")
    add("--apart", action="store_true", help="give the routers a core of their own")
    add("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
