"""Everything at once, in a minute: what `python -m e2e.bench.endurance` does with more requests.

Other tests hold each of these by itself. Here one load runs through twenty changes of weight, a
promotion, a return from the watch, and four deaths.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from e2e.endurance import SPEC, Endurance
from e2e.harness import Cluster
from e2e.installation import Installation
from e2e.rollouts import Contest, contest

pytestmark = pytest.mark.exclusive
REQUESTS, PER_SECOND = 20_000, 250
WEIGHT_SHIFTS = 20


@pytest.fixture
def opened(
    regnant: Installation, cluster: Cluster, request: pytest.FixtureRequest
) -> Iterator[Contest]:
    """Version 1 reigns by two servers and two routers."""
    if not cluster.is_local:
        pytest.skip("the parts of a cluster that is not ours are left alone")
    with contest(regnant, cluster, request, **SPEC) as found:
        # The way to the store leads through the node agent.
        found.fill_stock(2)
        yield found


def test_no_request_fails_whatever_is_done_to_a_service(
    opened: Contest, regnant: Installation
) -> None:
    endurance = Endurance(opened, regnant, print)
    outcome = endurance.run(requests=REQUESTS, per_second=PER_SECOND)
    assert outcome.failed == 0, endurance.failures(outcome)
    assert endurance.failures(outcome) == []
    assert outcome.sent >= REQUESTS
    assert len(endurance.weights) == WEIGHT_SHIFTS
    reigns = [reign["reason"] for reign in opened.service.status["history"]]
    assert reigns == ["RolledBack", "Promoted", "Promoted", "FirstVersion"]
