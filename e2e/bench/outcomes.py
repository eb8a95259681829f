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
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

from e2e.bench.closed_loop import Load, Target, Turn, in_turns
from e2e.bench.machine import circumstances, cores, on_core
from e2e.bench.model_server import model_server, requests
from e2e.bench.report import Sample, Table, insert, verdict
from e2e.cluster.settings import CHECKOUT
from tests.unit.serving.bundles import classifier_bundle

PAGE = CHECKOUT / "docs" / "benchmarks.md"
BEGIN = "<!-- measured: written by `python -m e2e.bench.outcomes` -->"
END = "<!-- measured: end of the outcomes -->"
GOAL_RATIO = 1.05
_DEAF = "no counts, no outcomes"
_SHARES = {
    "counts, no outcomes": "0",
    "counts, outcomes of a tenth": "0.1",
    "counts, outcomes of all (the default)": "1",
}


def main() -> int:
    """Measure on this machine, print, and put it into docs/benchmarks.md."""
    asked = _arguments()
    load = [os.getloadavg()[0]]
    core, _ = cores()
    with TemporaryDirectory(prefix="regnant-bench-") as directory, ExitStack() as servers:
        servers.enter_context(on_core(core))
        targets = _start(Path(directory), servers, core)
        turns = uvloop.run(_measure(targets, asked))
    load.append(os.getloadavg()[0])
    command = f"python -m e2e.bench.outcomes --rounds={asked.rounds} --requests={asked.requests}"
    measured = f"{circumstances(command, load)}\n\n{_table(turns, asked).markdown()}"
    print(f"\n{measured}\n")
    if asked.write:
        insert(PAGE, measured, BEGIN, END)
        print(f"{PAGE.relative_to(CHECKOUT)} is written.")
    return 0


def _start(directory: Path, servers: ExitStack, core: int) -> dict[str, Target]:
    bundle = classifier_bundle(directory / "bundle")
    targets = {
        _DEAF: servers.enter_context(model_server(bundle, core, module="e2e.bench.deaf_server"))
    }
    for name, share in _SHARES.items():
        targets[name] = servers.enter_context(
            model_server(bundle, core, REGNANT_OUTCOME_SAMPLE=share)
        )
    return targets


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
    rows = []
    for name, found in turns.items():
        pairs = list(zip(found, deaf, strict=True))
        cpu = Sample.of(ours.cpu / without.cpu for ours, without in pairs).median
        rate = Sample.of(ours.per_second / without.per_second for ours, without in pairs).median
        is_peer = name == _DEAF
        rows.append(
            [
                name,
                f"{Sample.of(one.cpu for one in found).median:.1f} us",
                "" if is_peer else f"{cpu:.3f}",
                f"{Sample.of(one.p50 for one in found).median:.1f} us",
                f"{Sample.of(one.per_second for one in found).median:,.0f}",
                "" if is_peer else f"{rate:.3f}",
                "" if is_peer else f"at most {GOAL_RATIO}: {verdict(cpu, GOAL_RATIO)}",
            ]
        )
    return Table(
        "A request to a server that keeps counts and outcomes",
        [
            "the server keeps",
            "CPU time",
            "ratio",
            "p50",
            "requests/s",
            "ratio",
            "goal for CPU time",
        ],
        rows,
        f"{asked.rounds} rounds in which each had a turn of {asked.requests} requests; medians of "
        "the turns, and of the ratios of a round. The model is a linear classifier of three "
        "numbers, so the rest of a request costs as little as it can.",
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m e2e.bench.outcomes", description=__doc__)
    add = parser.add_argument
    add("--rounds", type=int, default=60, help="how many turns each gets")
    add("--requests", type=int, default=1_000, help="how many requests are in a turn")
    add("--write", action="store_true", help="put the table into docs/benchmarks.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
