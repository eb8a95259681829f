"""A service that is changed and hurt in every way while users ask, and answers all of them.

Twenty changes of weight, a promotion, a return from the watch; kill -9 of a model server, a router,
the node agent and the operator. Each is told as it happens, so that a request that failed can be
put beside what was done just before.

A connection to a router that is killed breaks, and no proxy can mend that from beyond: the client
has to ask again, as HTTP clients do. So the users here send such a request again. How often is
counted too, and in any other moment than after the death of a router it counts as a failure.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from e2e import node
from e2e.cluster.local import LocalCluster
from e2e.cluster.settings import Settings
from e2e.harness import Manifest
from e2e.installation import Installation
from e2e.rollouts import WIDE_LIMITS, Contest, step
from e2e.serving import ROUTERS
from e2e.traffic import Outcome

ATTEMPTS = 5
GRACE_SECONDS = 10.0
"""How long after the death of a router connections to it may still be found broken."""
SPEC: Manifest = {
    "routers": 2,
    "replicas": 2,
    "watch": "2s",
    "rollout": {
        "limits": WIDE_LIMITS,
        "steps": [step(weight, requests=20) for weight in range(10, 100, 9)],
    },
}
"""As `Service.apply` takes it: ten steps of a second or more."""
_START_SECONDS = 3.0
"""How long users whose pod runs may take to ask for the first time."""
_PATIENCE = 150.0
_ROUTER = "kill -9 of a router"


@dataclass(frozen=True)
class Failure:
    """A request that cost its user something, and what had been done before it."""

    at: float
    what: str
    after: str


@dataclass
class Endurance:
    """All of it, on a service with `SPEC` whose version 1 reigns."""

    contest: Contest
    installation: Installation
    tell: Callable[[str], None]
    told: list[tuple[float, str]] = field(default_factory=list)
    """What was done, and when."""
    weights: list[int] = field(default_factory=list)
    """The weights that every router was seen to have, in their order."""

    def run(self, *, requests: int, per_second: float) -> Outcome:
        """Do everything while users ask; ends when they have asked so often."""
        load = self.contest.service.send_users(per_second=per_second, attempts=ATTEMPTS)
        ends = time.monotonic() + _START_SECONDS + requests / per_second
        try:
            self._first_rollout()
            self._kill_router()
            self._second_rollout()
            lasting = max(0.0, ends - time.monotonic())
            self._announce(f"nothing more, for {lasting:.0f} s")
            time.sleep(lasting)
        finally:
            load.stop()
        return load.outcome

    def failures(self, outcome: Outcome) -> list[Failure]:
        """The failed requests that are told in full, and those sent again without cause."""
        failed = [
            (float(one["at"]), f"{one['outcome']} {one['text']}".strip())
            for one in outcome.failures
        ]
        deaths = [at for at, words in self.told if words == _ROUTER]
        failed += [
            (at, f"sent again: {broken}")
            for at, broken in outcome.sent_again
            if not any(0 <= at - death <= GRACE_SECONDS for death in deaths)
        ]
        return [Failure(at, what, self._before(at)) for at, what in sorted(failed)]

    def _first_rollout(self) -> None:
        """Ten steps with three deaths in them, and a promotion."""
        service = self.contest.service
        self._announce("a rollout of ten steps, to its end")
        number = self.contest.challenge()
        faults = {28: self._kill_server, 55: self._kill_operator, 82: self._kill_node_agent}
        self._follow_steps(faults)
        service.wait_for_champion(number, seconds=_PATIENCE)
        service.wait_until_decided(seconds=_PATIENCE)
        self._announce(f"version {number} was promoted")

    def _second_rollout(self) -> None:
        """Ten steps more, and the return of the former version from the watch."""
        service = self.contest.service
        former = service.status["champion"]["version"]
        service.change(rollout={"watch": {"duration": "10m"}})
        self._announce("a rollout of ten steps, to its watch")
        self.contest.challenge()
        self._follow_steps({})
        service.wait_for_phase("Watching", seconds=_PATIENCE)
        self._announce("a return from the watch, by hand")
        answer = service.act("rollback", version=former)
        assert answer["outcome"] == "Done", answer
        service.wait_for_champion(former, seconds=_PATIENCE)
        service.wait_until_decided(seconds=_PATIENCE)
        self._announce(f"version {former} reigns again")

    def _follow_steps(self, faults: dict[int, Callable[[], None]]) -> None:
        """Wait for each step to be confirmed, and do what is planned for it."""
        service = self.contest.service
        for each in SPEC["rollout"]["steps"]:
            weight = each["weight"]
            service.wait_until(f"{weight} % or more", partial(_has, weight), _PATIENCE)
            self.weights.append(weight)
            self._announce(f"{weight} %")
            if weight in faults:
                faults[weight]()

    def _kill_server(self) -> None:
        service = self.contest.service
        start = f"{service.name}-{service.status['champion']['version']}-"
        chosen = [pod for pod in service.pods() if pod["metadata"]["name"].startswith(start)]
        self._announce("kill -9 of a model server")
        assert node.kill(chosen[0], "regnant.serving") > 0

    def _kill_router(self) -> None:
        service = self.contest.service
        victim = service.pods(ROUTERS)[0]
        self._announce(_ROUTER)
        assert node.kill(victim, "envoy") > 0
        service.cluster.wait_for(
            "the router was started again",
            lambda: _restarts(service.pods(ROUTERS)) > _restarts([victim]),
            seconds=_PATIENCE,
        )
        service.wait_for_condition("Ready", "Serving", seconds=_PATIENCE)

    def _kill_operator(self) -> None:
        cluster, where = self.installation.cluster, self.installation.namespace
        pods = cluster.find_all("pods", where, self.installation.operator_selector)
        self._announce("kill -9 of the operator")
        assert sum(node.kill(pod, "regnant.handlers") for pod in pods) > 0

    def _kill_node_agent(self) -> None:
        local = LocalCluster(Settings.from_environment())
        self._announce("kill -9 of the node agent")
        local.processes.stop("kubelet", grace=0)
        local.up()

    def _announce(self, words: str) -> None:
        self.told.append((time.time(), words))
        self.tell(words)

    def _before(self, at: float) -> str:
        """What had been done last before a moment."""
        done = [(moment, words) for moment, words in self.told if moment <= at]
        if not done:
            return "before anything was done"
        moment, words = done[-1]
        return f"{at - moment:.2f} s after: {words}"


def _has(weight: int, status: Manifest) -> bool:
    """Whether every router was seen to have a weight, or more; who reigns has passed all."""
    transition = status.get("rollout", {})
    stage = transition.get("stage", {})
    counted = stage.get("step", {}).get("weight", 0) if "evidence" in stage else 0
    return "promotingAt" in transition or counted >= weight


def _restarts(pods: Sequence[Manifest]) -> int:
    return sum(one["restartCount"] for pod in pods for one in pod["status"]["containerStatuses"])
