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
from tempfile import TemporaryDirectory

import httpx
import uvloop

from e2e.bench.bare_router import bare_router
from e2e.bench.closed_loop import LOOPBACK, Load, Target, Turn, in_turns
from e2e.bench.machine import circumstances, cores, on_core
from e2e.bench.model_server import VERSION, model_server, requests
from e2e.bench.report import Sample, Table, insert, verdict
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


@dataclass(frozen=True)
class Place:
    """The processes that are there throughout."""

    directory: Path
    champion: Target
    challenger: Target
    routing: Routing
    router_core: int


def main() -> int:
    """Measure on this machine, print, and put it into docs/benchmarks.md."""
    asked = _arguments()
    load = [os.getloadavg()[0]]
    with TemporaryDirectory(prefix="regnant-bench-") as directory, on_core(cores()[0]):
        tables = uvloop.run(_measure(Path(directory), asked))
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


async def _measure(directory: Path, asked: argparse.Namespace) -> list[Table]:
    tables = []
    with ExitStack() as servers:
        place = _start(directory, servers, cores()[1 if asked.apart else 0])
        async with _targets(place) as targets:
            for connections in _CONNECTIONS:
                loads = {
                    name: await Load.open(target, connections, requests(with_ids=False))
                    for name, target in targets.items()
                }
                before = await _copies(place.challenger)
                turns = await in_turns(loads, asked.rounds, asked.requests)
                copied = await _copies(place.challenger) - before
                for one in loads.values():
                    one.close()
                tables.append(_table(connections, turns, copied, asked))
    return tables


def _start(directory: Path, servers: ExitStack, router_core: int) -> Place:
    """Start both servers."""
    first, last = cores()
    one = classifier_bundle(directory / "champion")
    two = classifier_bundle(directory / "challenger", weight=2.0)
    champion = servers.enter_context(model_server(one, first))
    challenger = servers.enter_context(model_server(two, last))
    variants = (
        Variant(LOOPBACK, VERSION, one.digest, champion.port),
        Variant(LOOPBACK, VERSION, two.digest, challenger.port),
    )
    routing = Routing(MODEL_NAME, "default", MODEL_NAME, variants, one.digest)
    return Place(directory, champion, challenger, routing, router_core)


@asynccontextmanager
async def _targets(place: Place) -> AsyncIterator[Mapping[str, Target]]:
    """Start a router for each way that users are answered."""
    plain, challenger = place.routing, place.routing.variants[1].digest
    compared = replace(plain, challenger=challenger)
    ways = {
        _PLAIN: plain,
        _STAND_IN: replace(plain, fallback=challenger),
        _SPLIT: replace(compared, weight=50, sticky=Sticky(header="x-user")),
        _SHADOW: replace(compared, shadow=100),
    }
    async with AsyncExitStack() as routers:
        with on_core(place.router_core):
            bare = await routers.enter_async_context(bare_router(place.directory, place.champion))
            found = {_DIRECT: place.champion, _BARE: bare}
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
    connections: int, turns: Mapping[str, list[Turn]], copied: int, asked: argparse.Namespace
) -> Table:
    direct = turns[_DIRECT]
    rows = [
        [
            name,
            *(["", ""] if name == _DIRECT else Sample.of(one.cpu for one in found).cells(0, "us")),
            f"{Sample.of(one.p50 for one in found).median:.0f} us",
            f"{Sample.of(one.p99 for one in found).median:.0f} us",
            "" if name == _DIRECT else f"{_beyond(found, direct):+.0f} us",
            _verdict(name, found, direct, connections),
        ]
        for name, found in turns.items()
    ]
    sent = asked.rounds * asked.requests
    each = "one request at a time" if connections == 1 else f"{connections} requests at a time"
    core = (
        "a core of their own" if asked.apart else "the core of the load and the champion's server"
    )
    return Table(
        f"A request through a router, {each}",
        ["", "the router's CPU time", "spread", "p50", "p99", "p50 beyond no router", "goal"],
        rows,
        f"{asked.rounds} rounds in which each had a turn of {asked.requests} requests; medians of "
        "the turns, and for what is beyond no router the median of the differences of a round. "
        f"The routers had {core}, the challenger's server the other one. Of {sent:,} requests "
        f"that were to be copied the challenger answered {copied:,}, and those of each turn's "
        "beginning, which are not counted; over 16 under way, copies are dropped.",
    )


def _beyond(found: list[Turn], direct: list[Turn]) -> float:
    return Sample.of(
        ours.p50 - without.p50 for ours, without in zip(found, direct, strict=True)
    ).median


def _verdict(name: str, found: list[Turn], direct: list[Turn], connections: int) -> str:
    """Both goals for a router of ours; with more requests than one at a time, they wait in line."""
    if name in (_DIRECT, _BARE):
        return ""
    cpu = Sample.of(one.cpu for one in found).median
    words = [f"CPU at most {GOAL_CPU:.0f} us: {verdict(cpu, GOAL_CPU)}"]
    if connections == 1:
        late = verdict(_beyond(found, direct), GOAL_P50)
        words.append(f"p50 at most {GOAL_P50:+.0f} us: {late}")
    return "; ".join(words)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m e2e.bench.router", description=__doc__)
    add = parser.add_argument
    add("--rounds", type=int, default=40, help="how many turns each gets")
    add("--requests", type=int, default=1_000, help="how many requests are in a turn")
    add("--apart", action="store_true", help="give the routers a core of their own")
    add("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
