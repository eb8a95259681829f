"""`python -m e2e.bench.evidence`: simulate, print, and put it into docs/benchmarks.md."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from datetime import UTC, datetime

from e2e.bench.evidence import equal, failing, looks, pairs, picture
from e2e.bench.report import insert, say
from e2e.cluster.settings import CHECKOUT

PAGE = CHECKOUT / "docs" / "benchmarks.md"
PICTURE = CHECKOUT / "docs" / "pictures" / "evidence.svg"
BEGIN = "<!-- measured: written by `python -m e2e.bench.evidence` -->"
END = "<!-- measured: end of the evidence -->"


def main() -> int:
    """Simulate everything that the evidence promises."""
    asked = _arguments()
    began, used = time.monotonic(), time.process_time()
    say("Equal models")
    compared = equal.compare_all(asked.comparisons)
    tables = [equal.table(compared)]
    say("Equal latency and correctness")
    tables.append(equal.other_table(asked.comparisons // 10, asked.comparisons // 4))
    say("Pairs with known truth")
    tables.append(pairs.table(asked.runs))
    say("Failing and slow challengers")
    tables += [failing.errors_table(asked.runs), failing.latency_table(asked.runs // 10)]
    tables.append(looks.table())
    took, cpu = time.monotonic() - began, time.process_time() - used
    head = (
        f"Simulated {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, Python {platform.python_version()}, in "
        f"{cpu:.0f} s of CPU time, {took:.0f} s by the clock at a load average of "
        f"{os.getloadavg()[0]:.1f}: "
        f"`python -m e2e.bench.evidence --comparisons={asked.comparisons} --runs={asked.runs}`"
    )
    measured = "\n\n".join([head, *(table.markdown() for table in tables)])
    print(f"\n{measured}\n")
    if asked.write:
        insert(PAGE, measured, BEGIN, END)
        PICTURE.write_text(picture.draw(compared), encoding="utf-8")
        print(f"{PAGE.relative_to(CHECKOUT)} and {PICTURE.relative_to(CHECKOUT)} are written.")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m e2e.bench.evidence", description=__doc__)
    add = parser.add_argument
    add("--comparisons", type=int, default=2_000, help="how many equal models are compared")
    add("--runs", type=int, default=600, help="how often each difference is looked for")
    add("--write", action="store_true", help="put the tables and the picture into docs")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
