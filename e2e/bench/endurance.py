"""`python -m e2e.bench.endurance`: 300,000 requests, whatever is done to a service meanwhile.

It says what it does as it does it, counts every request by its outcome, and ends with 1 if one
failed. It needs the cluster of this checkout, whose parts it may kill.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable

from e2e.bench.rollout.arena import arena
from e2e.endurance import GRACE_SECONDS, SPEC, Endurance
from e2e.harness import Cluster
from e2e.installation import install
from e2e.traffic import Outcome
from e2e.turns import alone


def main() -> int:
    """Run it once; the exit code tells whether anybody failed."""
    asked = _arguments()
    cluster = Cluster.from_environment()
    if not cluster.is_local:
        print("this kills processes of the node; it runs on the cluster of this checkout alone")
        return 2
    with alone():
        installation = install(cluster)
        with arena(installation, **SPEC) as contest:
            contest.fill_stock(2)
            endurance = Endurance(contest, installation, _teller())
            outcome = endurance.run(requests=asked.requests, per_second=asked.per_second)
    return _report(endurance, outcome, asked.requests)


def _teller() -> Callable[[str], None]:
    """Says what is done, and when."""
    began = time.monotonic()

    def tell(words: str) -> None:
        print(f"{time.monotonic() - began:7.1f} s  {words}", flush=True)

    return tell


def _report(endurance: Endurance, outcome: Outcome, wanted: int) -> int:
    """What became of the requests; 1 if one failed, or if there were too few."""
    failures = endurance.failures(outcome)
    answered = ", ".join(
        f"{count:,} by version {version}" for version, count in sorted(outcome.versions.items())
    )
    causes = Counter(broken for _, broken in outcome.sent_again)
    again = ", ".join(f"{count} {broken}" for broken, count in causes.items()) or "none"
    print(
        f"\n{outcome.sent:,} requests: {outcome.failed} failed\n"
        f"by outcome: {dict(outcome.outcomes)}\n"
        f"answered: {answered}\n"
        f"changes of weight: {len(endurance.weights)}\n"
        f"sent again by their clients within {GRACE_SECONDS:.0f} s of a router's death: {again}\n"
        f"answering times in ms: {dict(outcome.milliseconds)}"
    )
    for failure in failures:
        print(f"   {failure.what} ({failure.after})")
    return 1 if outcome.failed or failures or outcome.sent < wanted else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m e2e.bench.endurance", description=__doc__)
    add = parser.add_argument
    add("--requests", type=int, default=300_000, help="how many requests are sent at least")
    add("--per-second", type=float, default=900, help="how many leave in a second")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
