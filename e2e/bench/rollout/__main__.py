"""`python -m e2e.bench.rollout`: record, print, and with --write draw and put into docs."""

from __future__ import annotations

import argparse
import os
import sys
import time
from datetime import UTC, datetime

from e2e.bench.report import insert, say
from e2e.bench.rollout import cutoffs, picture, shifts, stories
from e2e.cluster.settings import CHECKOUT
from e2e.harness import Cluster
from e2e.installation import install
from e2e.turns import alone

PAGE = CHECKOUT / "docs" / "benchmarks.md"
PICTURE = CHECKOUT / "docs" / "pictures" / "rollout.svg"
BEGIN = "<!-- measured: written by `python -m e2e.bench.rollout` -->"
END = "<!-- measured: end of the rollouts -->"


def main() -> int:
    """Measure on the cluster of this checkout, or on the one that KUBE_CONTEXT names."""
    asked = _arguments()
    with alone():
        return _measure(asked)


def _measure(asked: argparse.Namespace) -> int:
    began, load = time.monotonic(), os.getloadavg()[0]
    installation = install(Cluster.from_environment())
    say("Two rollouts, to be drawn")
    told = stories.record(installation)
    say("From a decision to the traffic")
    shifted = shifts.measure(installation, asked.rollouts)
    say("From a failing request to weight 0")
    cut = cutoffs.measure(installation, asked.repetitions)
    head = (
        f"Measured {datetime.now(UTC):%Y-%m-%d %H:%M} UTC on {os.cpu_count()} CPUs that carry the "
        f"cluster and its users too, at a load average of {load:.1f} before and "
        f"{os.getloadavg()[0]:.1f} after, in {time.monotonic() - began:.0f} s: "
        f"`python -m e2e.bench.rollout --rollouts={asked.rollouts} "
        f"--repetitions={asked.repetitions}`"
    )
    tables = [shifts.table(shifted), cutoffs.table(cut)]
    measured = "\n\n".join([head, *(table.markdown() for table in tables)])
    print(f"\n{measured}\n")
    if asked.write:
        insert(PAGE, measured, BEGIN, END)
        PICTURE.write_text(picture.draw(told), encoding="utf-8")
        print(f"{PAGE.relative_to(CHECKOUT)} and {PICTURE.relative_to(CHECKOUT)} are written.")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m e2e.bench.rollout", description=__doc__)
    add = parser.add_argument
    add("--rollouts", type=int, default=2, help="how many rollouts of ten steps are timed")
    add("--repetitions", type=int, default=3, help="how often each fault is met")
    add("--write", action="store_true", help="put the tables and the picture into docs")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
