"""A challenger that breaks under traffic costs users nothing, however it breaks.

Every sick model here passed its golden rows: it is sick for what users ask, which all carry the
mark. Two services of one model line meet each of them at the same time. One splits the traffic in
halves; what the challenger fails at is answered by the champion. The other only mirrors requests.
The loads run over all of it, and the last test counts what became of their requests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from e2e import faults, node
from e2e.bundles import Model, good, request, with_a_false_golden_row
from e2e.harness import Cluster, Manifest, NotInTimeError
from e2e.installation import Installation
from e2e.rollouts import NEVER, Contest, contest, shadow, step
from e2e.serving import Load, Service

# A slow model is told from one that hangs by time alone, and others would take it away.
pytestmark = pytest.mark.exclusive
PER_SECOND = 25
HALF = step(50, requests=NEVER, maxDuration="24h")
MIRRORED = shadow(requests=NEVER)
ROLLOUT: Manifest = {"attemptTimeoutMilliseconds": 1000, "limits": {"maxLatencyRatio": "5"}}
SERVER: Manifest = {
    "resources": {
        "requests": {"cpu": "50m", "memory": "128Mi"},
        # A server that never comes back from a request must not take the machine along.
        "limits": {"cpu": "1", "memory": "512Mi"},
    }
}


@dataclass(frozen=True)
class World:
    """Two services that meet the same challengers, and their users."""

    contest: Contest
    mirror: Service
    loads: dict[str, Load]
    champion: str

    @property
    def split(self) -> Service:
        """The service that gives a challenger half of the users."""
        return self.contest.service

    def assert_cut_off(self, number: int, *reasons: str) -> None:
        """Both services turn it down for one of the reasons, and the champion reigns on."""
        for service in (self.split, self.mirror):
            with _left_free(service):
                rejection = service.wait_for_rejection(number)
            assert rejection["reason"] in reasons, rejection
            status = service.wait_until_decided()
            assert status["champion"]["artifact"]["digest"] == self.champion
            service.wait_until("it answers everybody", lambda found: _shares(found) == [(1, 100)])
            assert service.events(rejection["reason"])[-1]["type"] == "Warning"


@pytest.fixture(scope="module")
def world(
    regnant: Installation, cluster: Cluster, request: pytest.FixtureRequest
) -> Iterator[World]:
    """Version 1 reigns in both services."""
    split = ROLLOUT | {"steps": [HALF]}
    with contest(regnant, cluster, request, rollout=split, server=SERVER) as found:
        mirror = Service(cluster, found.service.namespace, "mirror")
        mirror.apply(rollout=ROLLOUT | {"shadow": MIRRORED}, server=SERVER)
        mirror.wait_for_condition("Ready", "Serving")
        digest: str = found.service.status["champion"]["artifact"]["digest"]
        loads = {
            service.name: service.send_users(per_second=PER_SECOND, body=marked())
            for service in (found.service, mirror)
        }
        yield World(found, mirror, loads, digest)


def marked() -> Manifest:
    """A question that makes the sick models sick."""
    return request(faults.MARK)


@pytest.mark.parametrize(
    ("make", "reasons"),
    [
        (faults.raising, ("ErrorRateTooHigh",)),
        (faults.hanging, ("ErrorRateTooHigh", "ServersNotReady")),
        (faults.slow, ("LatencyTooHigh",)),
        (faults.not_a_number, ("NonFiniteAnswers", "ErrorRateTooHigh")),
        (faults.greedy, ("OutOfMemory", "ErrorRateTooHigh")),
    ],
    ids=["raises", "hangs", "is-slow", "answers-nan", "fills-the-memory"],
)
def test_a_challenger_that_breaks_under_traffic_is_cut_off_with_its_reason(
    world: World, make: Callable[[float], Model], reasons: tuple[str, ...]
) -> None:
    number = next(world.contest.numbers)
    world.split.release(number, world.contest.shelf.put(make(float(number))))
    world.assert_cut_off(number, *reasons)


def test_a_challenger_that_crashes_at_its_hundredth_request_is_cut_off(world: World) -> None:
    """It is killed, as the kernel or a fault of its own would."""
    if not world.contest.cluster.is_local:
        pytest.skip("killing a container's process needs the node")
    number = world.contest.challenge()
    for service in (world.split, world.mirror):
        service.wait_until("it had a hundred requests", lambda status: _tries(status) >= 100)
        [pod] = _servers_of(service, number)
        assert node.kill(pod, "regnant.serving") == 1
    world.assert_cut_off(number, "Crashed", "ServersNotReady", "ErrorRateTooHigh")


def test_a_challenger_that_is_wrong_on_its_golden_rows_meets_no_user(world: World) -> None:
    number = world.contest.challenge(with_a_false_golden_row())
    world.assert_cut_off(number, "GoldenMismatch")


def test_a_challenger_whose_bundle_is_gone_meets_no_user(world: World) -> None:
    number = next(world.contest.numbers)
    world.split.release(number, world.contest.shelf.withhold(good(float(number))))
    world.assert_cut_off(number, "BundleNotFound")


def test_a_version_that_breaks_after_its_promotion_loses_its_reign_to_the_former(
    world: World,
) -> None:
    service = world.split
    number = next(world.contest.numbers)
    service.change(rollout={"steps": [], "watch": {"duration": "10m"}})
    service.release(number, world.contest.shelf.put(faults.raising(float(number))))
    rejection = service.wait_for_rejection(number)
    assert rejection["reason"] == "ErrorRateTooHigh"
    status = service.wait_for_champion(1)
    assert [reign["reason"] for reign in status["history"][:2]] == ["RolledBack", "Promoted"]


def test_a_healthy_challenger_takes_over_from_a_champion_that_is_sick_itself_at_once(
    world: World,
) -> None:
    """Its step asks for more requests than anybody sends; the sick champion does not wait."""
    cluster, namespace = world.contest.cluster, world.split.namespace
    sick = next(world.contest.numbers)
    world.split.release(sick, world.contest.shelf.put(faults.raising(float(sick))))
    service = Service(cluster, namespace, "sick-champion")
    service.apply(pin=sick, rollout=ROLLOUT | {"steps": [step(20, requests=NEVER)]}, server=SERVER)
    service.wait_for_champion(sick)
    load = service.send_users(per_second=PER_SECOND, body=marked())
    healthy = world.contest.challenge()
    service.change(champion=None)
    status = service.wait_for_champion(healthy)
    load.stop()
    assert status["history"][0]["reason"] == "Promoted"
    assert load.outcome.versions[str(healthy)] > 0
    cluster.delete("inferenceservice", service.name, namespace, wait=False)


def test_no_request_failed_over_all_of_it_and_no_shadow_was_seen(world: World) -> None:
    for load in world.loads.values():
        load.stop()
        assert load.outcome.failed == 0, load.outcome.failures
        assert load.outcome.sent > 1000
    mirrored = world.loads["mirror"].outcome
    assert set(mirrored.versions) == {"1"}
    split = world.loads["line"].outcome
    assert split.answers["1"].keys() == mirrored.answers["1"].keys() == {"2000003.0"}
    # Whoever breaks answers nothing; but for the slow one, which is right in the end.
    assert not any("None" in answers for answers in split.answers.values())


@contextmanager
def _left_free(service: Service) -> Iterator[None]:
    """A challenger that was not cut off must not stand in the way of the next."""
    try:
        yield
    except NotInTimeError:
        service.act("abort")
        raise


def _shares(status: Manifest) -> list[tuple[int, int]]:
    return [(one["version"], one["percent"]) for one in status["traffic"]]


def _tries(status: Manifest) -> int:
    stage = status.get("rollout", {}).get("stage", {})
    found: int = stage.get("evidence", {}).get("tally", {}).get("challenger", {}).get("tries", 0)
    return found


def _servers_of(service: Service, number: int) -> list[Manifest]:
    start = f"{service.name}-{number}-"
    return [pod for pod in service.pods() if pod["metadata"]["name"].startswith(start)]
