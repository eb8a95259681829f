"""People decide too: they promote, hold, turn down, try again, go back, and pin.

What a person asks for at once is bound to the rollout that they saw, so a late click changes
nothing. The contests follow one another on one service, under users who ask all the time; the last
test counts what became of their requests.

What went wrong for others is held here by name: an abort after a full promotion that cannot come
about is done (Argo Rollouts 4461); an aborted version can be tried again (3120); a candidate that a
newer one supersedes keeps its servers until no router sends to it (4390); evidence that does not
suffice promotes only where the user said so, by `onInconclusive: Promote` (3850); a candidate that
fails while a person is waited for is cut off (Flagger 1801); nobody need edit a spec that stands in
git to promote or to go back (1814).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from e2e import faults
from e2e.bundles import FEATURES, good, request
from e2e.harness import Cluster, Manifest
from e2e.installation import Installation
from e2e.rollouts import NEVER, WIDE_LIMITS, Contest, contest, step
from e2e.serving import Load, Service

PER_SECOND = 40
ROLLOUT: Manifest = {"limits": WIDE_LIMITS}
MANUAL = step(50, approval="Manual")
ENDLESS = step(60, requests=NEVER)


@dataclass(frozen=True)
class World:
    """A service whose rollouts stop at a step until a person says more."""

    contest: Contest
    load: Load

    @property
    def service(self) -> Service:
        """The service."""
        return self.contest.service

    def challenge_until_manual(self) -> int:
        """The next version is split off, has all its evidence, and waits for a person."""
        self.service.change(rollout={"steps": [MANUAL, ENDLESS]})
        number = self.contest.challenge()
        self.service.wait_until("a person is waited for", _waits_for_a_person)
        return number

    def champion(self) -> int:
        """The version that reigns."""
        found: int = self.service.status["champion"]["version"]
        return found


@pytest.fixture(scope="module")
def world(
    regnant: Installation, cluster: Cluster, request: pytest.FixtureRequest
) -> Iterator[World]:
    """Version 1 reigns."""
    with contest(regnant, cluster, request, watch="2s", rollout=ROLLOUT) as found:
        yield World(found, found.service.send_users(per_second=PER_SECOND))


def test_a_manual_step_waits_for_a_person_who_then_promotes_step_by_step(world: World) -> None:
    service = world.service
    number = world.challenge_until_manual()
    late = service.act("promote", transition="1-00000000-1")
    assert late["outcome"] == "Refused"
    assert "1-00000000-1 is over" in late["message"]
    assert service.status["rollout"]["stage"]["step"]["weight"] == 50
    assert service.act("promote")["outcome"] == "Done"
    service.wait_for_weight(60)
    # The evidence of the last step never suffices; a person may know better.
    assert service.act("promote")["outcome"] == "Done"
    status = service.wait_for_champion(number)
    assert (status["history"][0]["version"], status["history"][0]["reason"]) == (
        number,
        "PromotedByHand",
    )
    assert status["lastAction"]["by"] == "e2e"
    service.wait_until_decided()


def test_a_challenger_that_breaks_while_a_person_is_waited_for_is_cut_off(world: World) -> None:
    service, champion = world.service, world.champion()
    service.change(rollout={"steps": [MANUAL, ENDLESS]})
    number = world.contest.challenge(faults.raising(77.0))
    service.wait_until("a person is waited for", _waits_for_a_person)
    with service.users(per_second=2 * PER_SECOND, body=request(faults.MARK)) as others:
        rejection = service.wait_for_rejection(number)
    assert rejection["reason"] == "ErrorRateTooHigh"
    assert others.outcome.failed == 0, others.outcome.failures
    assert service.wait_until_decided()["champion"]["version"] == champion


def test_a_pause_holds_a_rollout_and_an_abort_turns_it_down_until_somebody_retries(
    world: World,
) -> None:
    service, champion = world.service, world.champion()
    service.change(rollout={"steps": [step(20, requests=40), ENDLESS]})
    number = world.contest.challenge()
    service.wait_for_weight(20)
    assert service.act("pause")["outcome"] == "Done"
    assert service.act("pause")["outcome"] == "Refused"
    held = service.wait_until(
        "it had thrice the requests of its step", lambda status: _tries(status) >= 120
    )
    assert held["rollout"]["stage"]["step"]["weight"] == 20
    assert "paused" in held["rollout"]["waitingFor"]
    assert service.act("resume")["outcome"] == "Done"
    service.wait_for_weight(60)
    assert service.act("abort")["outcome"] == "Done"
    rejection = service.wait_for_rejection(number)
    assert rejection["reason"] == "Aborted"
    assert "e2e" in rejection["message"]
    assert service.wait_until_decided()["champion"]["version"] == champion
    assert service.act("abort")["outcome"] == "Refused"
    # The same bundle under a new number is the same bundle.
    again = next(world.contest.numbers)
    service.release(again, rejection_artifact(service, number))
    service.wait_until_it_says("was rejected")
    assert "rollout" not in service.status
    assert service.act("retry", version=again)["outcome"] == "Done"
    service.wait_for_weight(20)
    assert service.act("abort")["outcome"] == "Done"
    service.wait_until_decided()


def test_a_rollback_returns_to_an_earlier_version_and_what_was_newer_waits_to_be_asked(
    world: World,
) -> None:
    service, newer = world.service, world.champion()
    assert newer > 1
    spec = service.get()["spec"]
    answer = service.act("rollback", version=1)
    assert answer["outcome"] == "Done", answer
    status = service.wait_for_champion(1)
    assert status["history"][0]["reason"] == "ReturnedByHand"
    service.wait_until_decided()
    assert service.get()["spec"] == spec
    # Nothing challenges it but what is newer than all that there was.
    assert service.status["champion"]["version"] == 1
    number = world.challenge_until_manual()
    assert service.status["rollout"]["to"]["version"] == number
    assert service.act("promoteFull")["outcome"] == "Done"
    service.wait_for_champion(number)
    service.wait_until_decided()


def test_an_action_that_cannot_be_read_is_answered_and_each_is_done_once(world: World) -> None:
    service = world.service
    service.annotate('{"action": "crown"}')
    status = service.wait_until(
        "it is answered",
        lambda found: found.get("lastAction", {}).get("action") == "unreadable",
    )
    assert status["lastAction"]["outcome"] == "Refused"
    assert "cannot be read" in status["lastAction"]["message"]


def test_a_candidate_that_never_gets_ready_is_not_promoted_and_can_be_aborted(
    world: World,
) -> None:
    service, champion = world.service, world.champion()
    number = next(world.contest.numbers)
    service.release(number, world.contest.shelf.put(faults.slow_at_start()))
    service.wait_for_phase("Preparing")
    promoted = service.act("promoteFull")
    assert promoted["outcome"] == "Refused"
    assert "not verified" in promoted["message"]
    assert service.act("abort")["outcome"] == "Done"
    assert service.wait_for_rejection(number)["reason"] == "Aborted"
    assert service.wait_until_decided()["champion"]["version"] == champion


def test_a_newer_version_waits_its_turn_or_supersedes_if_the_user_says_so(world: World) -> None:
    service = world.service
    first = world.challenge_until_manual()
    second = world.contest.challenge()
    service.cluster.wait_for_condition(
        "modelversion", service.version_name(second), service.namespace, "Ready"
    )
    assert service.status["rollout"]["to"]["version"] == first
    assert [one["percent"] for one in service.status["traffic"]] == [50, 50]
    service.change(rollout={"onNewVersion": "Supersede"})
    service.wait_until(
        "the newer one has taken its place",
        lambda status: status.get("rollout", {}).get("to", {}).get("version") == second,
    )
    # It is left, not turned down: it may be tried again.
    assert first not in {one["version"] for one in service.status["rejected"]}
    service.wait_until("a person is waited for", _waits_for_a_person)
    assert service.act("abort")["outcome"] == "Done"
    service.change(rollout={"onNewVersion": "Wait"})
    service.wait_until(
        "the older one has its turn again",
        lambda status: status.get("rollout", {}).get("to", {}).get("version") == first,
    )
    service.wait_until("a person is waited for", _waits_for_a_person)
    assert service.act("abort")["outcome"] == "Done"
    service.wait_until_decided()


@pytest.mark.parametrize(
    ("policy", "outcome"), [("Hold", "held"), ("Reject", "rejected"), ("Promote", "promoted")]
)
def test_evidence_that_does_not_suffice_in_time_leads_to_what_the_user_said(
    world: World, policy: str, outcome: str
) -> None:
    service, champion = world.service, world.champion()
    short = step(50, requests=NEVER, seconds=1, maxDuration="3s")
    service.change(rollout={"steps": [short], "onInconclusive": policy})
    number = world.contest.challenge()
    if outcome == "rejected":
        assert service.wait_for_rejection(number)["reason"] == "Inconclusive"
    elif outcome == "promoted":
        service.wait_for_champion(number)
    else:
        service.wait_for_weight(50)
        held = service.wait_until(
            "its time is long over", lambda status: _tries(status) >= PER_SECOND * 4
        )
        assert held["champion"]["version"] == champion
        assert "it is held" in held["rollout"]["waitingFor"]
        assert service.act("abort")["outcome"] == "Done"
    service.wait_until_decided()
    service.change(rollout={"onInconclusive": "Hold"})


def test_a_challenger_of_another_interface_is_refused_with_the_difference(world: World) -> None:
    service, champion = world.service, world.champion()
    wide = {"inputs": [_tensor("features", FEATURES + 1)], "outputs": [_tensor("prediction", 1)]}
    usual = {"inputs": [_tensor("features", FEATURES)], "outputs": [_tensor("prediction", 1)]}
    declared = next(world.contest.numbers)
    service.change(rollout={"steps": []})
    artifact = world.contest.shelf.put(good(float(declared)))
    service.release(declared, artifact, interface=usual)
    service.wait_for_champion(declared)
    service.wait_until_decided()
    assert declared > champion
    other = next(world.contest.numbers)
    bundle = world.contest.shelf.put(good(float(other), features=FEATURES + 1))
    service.release(other, bundle, interface=wide)
    rejection = service.wait_for_rejection(other)
    assert rejection["reason"] == "InterfaceChanged"
    assert "features is FP64[-1, 5], was FP64[-1, 4]" in rejection["message"]


def test_a_bundle_that_takes_other_columns_is_refused_although_nobody_declared_them(
    world: World,
) -> None:
    service = world.service
    service.change(rollout={"steps": [MANUAL, ENDLESS]})
    number = world.contest.challenge(good(99.0, features=FEATURES + 1))
    rejection = service.wait_for_rejection(number)
    assert rejection["reason"] == "InterfaceChanged"
    assert "features" in rejection["message"]


def test_a_pin_reigns_at_once_and_a_challenger_beside_it_is_compared_and_never_promoted(
    world: World,
) -> None:
    service = world.service
    service.change(rollout={"steps": [step(50, requests=40)]}, champion={"version": 1})
    status = service.wait_for_champion(1)
    assert status["history"][0]["reason"] == "Pinned"
    service.wait_until_decided()
    number = world.contest.challenge()
    service.change(challenger={"version": number})
    held = service.wait_until(
        "it is held by the pin",
        lambda found: "the pin" in found.get("rollout", {}).get("waitingFor", ""),
    )
    assert held["champion"]["version"] == 1
    assert held["rollout"]["to"]["version"] == number
    refused = service.act("promoteFull")
    assert refused["outcome"] == "Refused"
    assert "spec.champion pins another version" in refused["message"]
    service.change(champion=None)
    service.wait_for_champion(number)
    service.wait_until_decided()
    service.change(challenger=None)


def test_the_command_line_tells_and_does_the_same(world: World) -> None:
    service = world.service
    number = world.challenge_until_manual()
    assert f"line-{number}" in regnant(world, "status", "line")
    assert f"line-{number}" in regnant(world, "explain", "line")
    regnant(world, "promote", "line", "--full")
    service.wait_for_champion(number)
    service.wait_until_decided()
    told = json.loads(regnant(world, "history", "line", "--output=json"))
    assert str(number) in json.dumps(told)


def test_no_request_failed_over_all_of_it(world: World) -> None:
    world.load.stop()
    assert world.load.outcome.failed == 0, world.load.outcome.failures
    assert world.load.outcome.sent > 2000


def regnant(world: World, *words: str) -> str:
    """Run the installed command as a user does."""
    access = world.contest.cluster
    program = Path(sys.executable).with_name("regnant")
    where = [f"--namespace={world.service.namespace}", f"--context={access.context}"]
    finished = subprocess.run(
        [str(program), *words, *where],
        env=os.environ | {"KUBECONFIG": str(access.kubeconfig)},
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


def rejection_artifact(service: Service, number: int) -> Manifest:
    """The bundle of a version."""
    name = service.version_name(number)
    found: Manifest = service.cluster.get("modelversion", name, service.namespace)
    artifact: Manifest = found["spec"]["artifact"]
    return artifact


def _waits_for_a_person(status: Manifest) -> bool:
    return "this step is manual" in status.get("rollout", {}).get("waitingFor", "")


def _tries(status: Manifest) -> int:
    stage = status.get("rollout", {}).get("stage", {})
    found: int = stage.get("evidence", {}).get("tally", {}).get("challenger", {}).get("tries", 0)
    return found


def _tensor(name: str, columns: int) -> Manifest:
    return {"name": name, "datatype": "FP64", "shape": [-1, columns]}
