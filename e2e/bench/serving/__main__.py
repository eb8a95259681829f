"""Measure everyone, print it, and with --write draw it and put it into docs/benchmarks.md."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from e2e.bench.machine import circumstances, cores
from e2e.bench.report import Table, insert, say
from e2e.bench.serving import environments, models, picture, tables
from e2e.bench.serving.cases import Asked, Bench
from e2e.bench.serving.generator import Generator
from e2e.bench.serving.servers import PEERS, servers_of
from e2e.cluster.settings import CHECKOUT

PAGE = CHECKOUT / "docs" / "benchmarks.md"
PICTURE = CHECKOUT / "docs" / "pictures" / "serving.svg"
BEGIN = "<!-- measured: written by `python -m e2e.bench.serving` -->"
ALTERNATIVE = "Requests a second, time of an answer and memory of the model servers"
END = "<!-- measured: end of the model servers -->"


def main() -> int:
    """Measure on this machine, which should do nothing else."""
    given = _arguments()
    peers = given.peers
    asked = Asked(given.seconds, given.repetitions, servers_of(peers))
    say("Building what is measured")
    environments.build_all(peers)
    load, began = [os.getloadavg()[0]], time.monotonic()
    core, other = cores()
    with TemporaryDirectory(prefix="regnant-bench-") as directory:
        generator = Generator(environments.load(), other, core, Path(directory))
        measured, drawn = _measure(Bench(generator, asked), Path(directory))
    load.append(os.getloadavg()[0])
    command = (
        f"python -m e2e.bench.serving --seconds={asked.seconds:g} "
        f"--repetitions={asked.repetitions} --peers={','.join(peers)}"
    )
    head = f"{circumstances(command, load)}\n\n{environments.releases(peers)}"
    picture_of_it = f"![{ALTERNATIVE}](pictures/{PICTURE.name})"
    page = "\n\n".join([head, picture_of_it, *(table.markdown() for table in measured)])
    print(f"\n{page}\n\n{time.monotonic() - began:.0f} s.")
    if given.write:
        insert(PAGE, page, BEGIN, END)
        PICTURE.write_text(drawn, encoding="utf-8")
        print(f"{PAGE.relative_to(CHECKOUT)} and {PICTURE.relative_to(CHECKOUT)} are written.")
    return 0


def _measure(bench: Bench, directory: Path) -> tuple[list[Table], str]:
    asked = bench.asked
    small = models.logistic_regression(directory / "logistic-regression")
    large = models.forest(directory / "forest")
    say("One row")
    one = bench.one_row(small)
    say("Batches")
    json, binary = bench.batches(large)
    say("Starts and memory")
    footprints = bench.footprints(small)
    made = [
        tables.one_row(one.many, asked),
        tables.batches(json, asked),
        tables.binary(binary, asked),
        tables.steady(one.steady, asked),
        tables.alone(one.alone, asked),
        tables.footprints(footprints, one.idle, asked),
    ]
    return made, picture.draw(one.many, json, one.steady, footprints)


def _peers(words: str) -> list[str]:
    chosen = [name for name in words.split(",") if name]
    unknown = [name for name in chosen if name not in PEERS]
    if unknown:
        raise argparse.ArgumentTypeError(f"no peer is called {unknown[0]}; known are {list(PEERS)}")
    return chosen


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m e2e.bench.serving", description=__doc__)
    add = parser.add_argument
    add("--seconds", type=float, default=2.0, help="how long a turn is")
    add("--repetitions", type=int, default=5, help="how many turns each gets")
    add("--peers", type=_peers, default=list(PEERS), help="who is measured beside nginx, by commas")
    add("--write", action="store_true", help="put the tables and the picture into docs")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
