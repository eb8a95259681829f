"""`python -m e2e.bench.outcomes`: what a server's reports cost each request; no cluster is used.

The real model server counts every answer, times it, and keeps the outcomes of a sample; beside it
the same server that does none of it. All of them and the load share one core, and one connection
asks one request after the other, so a request's whole cost shows in its CPU time.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import uvloop

from e2e.bench.closed_loop import Load, Target, Turn, in_turns
from e2e.bench.machine import circumstances, cores, on_core
from e2e.bench.model_server import model_server, requests
from e2e.bench.report import Table, insert
from e2e.cluster.settings import CHECKOUT
from tests.unit.serving.bundles import Written, classifier_bundle

PAGE = CHECKOUT / "docs" / "benchmarks.md"
BEGIN = "<!-- measured: written by `python -m e2e.bench.outcomes` -->"
END = "<!-- measured: end of the outcomes -->"
_DEAF = "no counts, no outcomes"


@dataclass(frozen=True)
class Way:
    """A server: its program, and the share of the requests whose outcomes it keeps."""

    module: str
    share: str


_WAYS = {
    _DEAF: Way("e2e.bench.deaf_server", "0"),
    "the same again, to see what is luck": Way("e2e.bench.deaf_server", "0"),
    "counts, no outcomes": Way("regnant.serving", "0"),
    "counts, outcomes of a tenth": Way("regnant.serving", "0.1"),
    "counts, outcomes of all (the default)": Way("regnant.serving", "1"),
}


def main() -> int:
    """Measure on this machine, print, and put it into docs/benchmarks.md."""
    asked = _arguments()
    load = [os.getloadavg()[0]]
    core, _ = cores()
    turns: dict[str, list[Turn]] = {}
    with TemporaryDirectory(prefix="regnant-bench-") as directory, on_core(core):
        bundle = classifier_bundle(Path(directory) / "bundle")
        for _ in range(asked.starts):
            with ExitStack() as servers:
                targets = _start(bundle, servers, core)
                for name, found in uvloop.run(_measure(targets, asked)).items():
                    turns.setdefault(name, []).extend(found)
    load.append(os.getloadavg()[0])
    command = (
        f"python -m e2e.bench.outcomes --starts={asked.starts} --rounds={asked.rounds} "
        f"--requests={asked.requests}"
    )
    measured = f"{circumstances(command, load)}\n\n{_table(turns, asked).markdown()}"
    print(f"\n{measured}\n")
    if asked.write:
        insert(PAGE, measured, BEGIN, END)
        print(f"{PAGE.relative_to(CHECKOUT)} is written.")
    return 0


def _start(bundle: Written, servers: ExitStack, core: int) -> dict[str, Target]:
    """Start one of each."""
    return {
        name: servers.enter_context(
            model_server(bundle, core, way.module, REGNANT_OUTCOME_SAMPLE=way.share)
        )
        for name, way in _WAYS.items()
    }


async def _measure(
    targets: Mapping[str, Target], asked: argparse.Namespace
) -> dict[str, list[Turn]]:
    """One connection to each; every request has an id of its own, as from a router."""
    loads = {
        name: await Load.open(target, 1, requests(with_ids=True))
        for name, target in targets.items()
    }
    return await in_turns(loads, asked.rounds, asked.requests)


def _table(turns: Mapping[str, list[Turn]], asked: argparse.Namespace) -> Table:
    deaf = turns[_DEAF]
    return Table(
        "A request to a server that counts and keeps outcomes",
        ["the server keeps", "CPU time", "more", "ratio", "p50", "requests/s", "ratio"],
        [_row(name, found, deaf) for name, found in turns.items()],
        f"{asked.starts} starts, each with {asked.rounds} rounds in which each server had a turn "
        f"of {asked.requests} requests, one at a time; medians of the turns, and of the "
        "differences and ratios of a round. Two processes of one program differ by where luck "
        "puts them in memory, so all are started anew. The model is a linear classifier of three "
        "numbers: the rest of a request costs as little as it can.",
    )


def _row(name: str, found: list[Turn], deaf: list[Turn]) -> list[str]:
    cpu = f"{median(one.cpu for one in found):.1f} us"
    p50 = f"{median(one.p50 for one in found):.1f} us"
    rate = f"{median(one.per_second for one in found):,.0f}"
    if name == _DEAF:
        return [name, cpu, "", "", p50, rate, ""]
    pairs = list(zip(found, deaf, strict=True))
    more = f"{median(ours.cpu - without.cpu for ours, without in pairs):+.1f} us"
    ratio = f"{median(ours.cpu / without.cpu for ours, without in pairs):.3f}"
    rates = f"{median(ours.per_second / without.per_second for ours, without in pairs):.3f}"
    return [name, cpu, more, ratio, p50, rate, rates]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m e2e.bench.outcomes", description=__doc__)
    add = parser.add_argument
    add("--starts", type=int, default=8, help="how often the servers are started anew")
    add("--rounds", type=int, default=15, help="how many turns each gets a start")
    add("--requests", type=int, default=1_000, help="how many requests are in a turn")
    add("--write", action="store_true", help="put the table into docs/benchmarks.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
