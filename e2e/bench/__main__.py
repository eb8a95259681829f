"""`python -m e2e.bench`: measure everything, print it, and put it into docs/benchmarks.md."""

from __future__ import annotations

import argparse
import os
import sys
import time
from datetime import UTC, datetime

from e2e.bench import first_answer, footprint, training
from e2e.bench.machine import busy, commit, processor
from e2e.bench.place import place
from e2e.bench.report import Table, insert, say
from e2e.cluster.settings import CHECKOUT
from e2e.harness import Cluster
from e2e.installation import Installation, install

TURNS_SECONDS = 120.0
"""No round begins later than this: a slow machine gets fewer rounds, not a longer benchmark."""
PAGE = CHECKOUT / "docs" / "benchmarks.md"
_MIB_IN_KIB = 1024


def main() -> int:
    """Measure on the cluster of this checkout, or on the one that KUBE_CONTEXT names."""
    asked = _arguments()
    began = time.monotonic()
    load = [os.getloadavg()[0]]
    cluster = Cluster.from_environment()
    tables = _measure(install(cluster), asked)
    load.append(os.getloadavg()[0])
    head = _circumstances(cluster, asked, load)
    measured = "\n\n".join([head, *(table.markdown() for table in tables)])
    print(f"\n{measured}\n")
    insert(PAGE, measured)
    print(f"{PAGE.relative_to(CHECKOUT)} is written, after {time.monotonic() - began:.0f} s.")
    return 0


def _measure(installation: Installation, asked: argparse.Namespace) -> list[Table]:
    say("The operator, started anew")
    idle = footprint.measure_idle(installation)
    with place(installation) as here:
        say("A training, in turns")
        until = time.monotonic() + TURNS_SECONDS
        trainings = training.measure(here, asked.repetitions, until)
        say("A first answer, in turns")
        until = time.monotonic() + TURNS_SECONDS
        answers = first_answer.measure(here, asked.repetitions, until, training.line(1))
        say(f"{asked.services} settled services")
        settled = footprint.measure_settled(here, training.line(1), asked.services, asked.seconds)
    return [
        answers,
        trainings,
        footprint.memory_table(idle, settled),
        footprint.settled_table(settled),
        footprint.image_table(installation.cluster),
    ]


def _circumstances(cluster: Cluster, asked: argparse.Namespace, load: list[float]) -> str:
    """When, of what and on what."""
    nodes = cluster.find_all("nodes")
    info, capacity = nodes[0]["status"]["nodeInfo"], nodes[0]["status"]["capacity"]
    memory = int(capacity["memory"].removesuffix("Ki")) / _MIB_IN_KIB / 1024
    rows = {
        "measured": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {commit()}",
        "command": "`make bench`, which runs `python -m e2e.bench"
        f" --repetitions={asked.repetitions} --services={asked.services}"
        f" --seconds={asked.seconds:.0f}`",
        "cluster": f"Kubernetes {info['kubeletVersion']}, nodes: {len(nodes)}, "
        f"{info['osImage']}, {info['containerRuntimeVersion'].replace('://', ' ')}",
        "a node": f"{capacity['cpu']} CPUs ({processor() if cluster.is_local else 'not known'}), "
        f"{memory:.0f} GiB",
        "load average": f"{load[0]:.1f} before, {load[1]:.1f} after, on this machine{busy(load)}",
    }
    lines = ["| | |", "| --- | --- |", *(f"| {key} | {value} |" for key, value in rows.items())]
    return "\n".join(lines)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m e2e.bench", description=__doc__)
    add = parser.add_argument
    add("--repetitions", type=int, default=5, help="how often each time is taken")
    add("--services", type=int, default=20, help="how many settled services there are")
    add("--seconds", type=float, default=60, help="how long the settled services are watched")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
