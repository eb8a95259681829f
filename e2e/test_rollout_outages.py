"""A rollout that loses its operator, its API server, its node agent or its names goes on after it.

What is decided stands in the status before it is acted on, and routers keep what they have. So the
end is the same whatever dies in between: one promotion, no step twice, and no user who noticed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import httpx
import pytest

from e2e import bundles
from e2e.cluster.local import LocalCluster
from e2e.cluster.settings import Settings
from e2e.harness import Cluster, Manifest
from e2e.installation import Installation
from e2e.rollouts import WIDE_LIMITS, Contest, contest, shadow, step
from e2e.serving import ROUTERS, Load

pytestmark = pytest.mark.exclusive
PHASES = ("Preparing", "Verifying", "Shadowing", "Splitting", "Promoting", "Watching")
ROLLOUT: Manifest = {
    "limits": WIDE_LIMITS,
    "shadow": shadow(requests=20),
    "steps": [step(20, requests=20), step(60, requests=40)],
}
PLANE = ("kube-apiserver", "etcd")
AWAY_SECONDS = 60
_PAUSE = 0.1


@pytest.fixture(scope="module")
def world(
    regnant: Installation, cluster: Cluster, request: pytest.FixtureRequest
) -> Iterator[Contest]:
    """Version 1 reigns by two routers and two servers."""
    with contest(
        regnant, cluster, request, routers=2, replicas=2, watch="5s", rollout=ROLLOUT
    ) as found:
        # The way to the store leads through the API server.
        found.fill_stock(5)
        yield found


def test_an_operator_killed_in_every_phase_ends_where_it_would_have_ended(
    world: Contest, regnant: Installation
) -> None:
    service = world.service
    with service.users() as load:
        number = world.challenge()
        killed = []
        for phase in PHASES:
            status = service.wait_until(f"it is {phase} or further", partial(_reached, phase))
            killed.append(status["phase"])
            _kill_operator(regnant)
        service.wait_until_decided(seconds=180)
    _assert_one_promotion(world, load, number)
    assert {"Preparing", "Shadowing", "Splitting", "Watching"} <= set(killed)


@pytest.fixture
def local(cluster: Cluster) -> LocalCluster:
    """The cluster of the project's own, whose parts may be ended."""
    if not cluster.is_local:
        pytest.skip("the parts of a cluster that is not ours are left alone")
    return LocalCluster(Settings.from_environment())


def test_a_node_agent_that_is_restarted_in_mid_rollout_is_missed_by_no_user(
    world: Contest, local: LocalCluster
) -> None:
    service = world.service
    service.change(rollout={"steps": [step(20, requests=20), step(50, requests=100)]})
    with service.users() as load:
        number = world.challenge()
        service.wait_for_weight(20)
        with _without(local, "kubelet"):
            pass
        service.wait_until_decided(seconds=180)
    _assert_one_promotion(world, load, number)


def test_names_that_do_not_resolve_in_mid_rollout_are_missed_by_no_user(world: Contest) -> None:
    """Routers keep the addresses that they know, and the operator asks pods by theirs."""
    service, cluster = world.service, world.cluster
    service.change(rollout={"steps": [step(50, requests=200)]})
    with service.users() as load:
        number = world.challenge()
        service.wait_for_weight(50)
        with _without_dns(cluster):
            service.wait_for_champion(number)
        service.wait_until_decided()
    _assert_one_promotion(world, load, number)


def test_a_challenger_whose_image_is_gone_is_turned_down_and_the_champion_serves_on(
    world: Contest, regnant: Installation
) -> None:
    service = world.service
    champion = service.status["champion"]["version"]
    service.change(rollout={"progressDeadline": "8s", "steps": []})
    with service.users() as load:
        regnant.upgrade("--set=server.image.tag=gone")
        try:
            number = world.challenge()
            rejection = service.wait_for_rejection(number)
            assert rejection["reason"] == "ImagePullFailed", rejection
            assert "gone" in rejection["message"]
        finally:
            regnant.upgrade("--set=server.image.tag=")
        service.wait_for_condition("Ready", "Serving")
        assert service.status["champion"]["version"] == champion
    load.assert_nobody_failed(versions={str(champion)})


def test_an_api_server_that_is_away_in_mid_rollout_is_missed_by_no_user(
    world: Contest, local: LocalCluster
) -> None:
    """Its store is restarted with it, and every watch is cut."""
    service, former = world.service, world.service.status["champion"]["version"]
    service.change(rollout={"steps": [step(20, requests=20), step(50, requests=600)]})
    with service.users() as load:
        number = world.challenge()
        service.wait_for_weight(50)
        router = service.pods(ROUTERS)[0]["status"]["podIP"]
        with _without(local, *PLANE):
            seen = _answers(router, seconds=AWAY_SECONDS)
        # Both versions went on answering: the split stayed as it was.
        assert seen == {str(former), str(number)}
        service.wait_until_decided(seconds=180)
    _assert_one_promotion(world, load, number)


def _assert_one_promotion(world: Contest, load: Load, number: int) -> None:
    """The rollout of a version ended as it should, once, and users got answers all the time."""
    assert load.outcome.failed == 0, load.outcome.failures
    assert load.outcome.sent > 200
    status = world.service.status
    reigns = [reign for reign in status["history"] if reign["version"] == number]
    assert [reign["reason"] for reign in reigns] == ["Promoted"], status["rejected"]
    former = status["history"][1]["version"]
    assert set(load.outcome.versions) == {str(former), str(number)}
    found = world.cluster.events(world.service.namespace, about=world.service.name)
    told = [event["note"] for event in found if f"line-{number} " in event["note"]]
    assert len(told) == len(set(told)), told
    world.cluster.wait_for(
        "only the champion's servers are left", lambda: len(world.service.deployments()) == 1
    )


def _reached(phase: str, status: Manifest) -> bool:
    """Whether it is at a phase, or was; short ones may pass unseen."""
    now = status.get("phase", "")
    return now in PHASES and PHASES.index(now) >= PHASES.index(phase)


def _kill_operator(installation: Installation) -> None:
    cluster, namespace = installation.cluster, installation.namespace
    for pod in cluster.find_all("pods", namespace, installation.operator_selector):
        name, where = pod["metadata"]["name"], f"--namespace={namespace}"
        cluster.kubectl("delete", "pod", name, where, "--grace-period=0", "--force")


def _answers(router: str, *, seconds: float) -> set[str]:
    """Ask a router, from outside of the cluster, for so long; gives the versions that answered."""
    versions = set()
    url = f"http://{router}:8080/v2/models/line/infer"
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = httpx.post(url, json=bundles.request(), timeout=5, trust_env=False)
        assert answer.status_code == 200, answer.text
        versions.add(answer.headers["x-regnant-version"])
        time.sleep(_PAUSE)
    return versions


@contextmanager
def _without(local: LocalCluster, *components: str) -> Iterator[None]:
    """End parts of the cluster, and complete it again."""
    for component in components:
        local.processes.stop(component, grace=0)
    try:
        yield
    finally:
        local.up()


@contextmanager
def _without_dns(cluster: Cluster) -> Iterator[None]:
    """Take the cluster's DNS away, and bring it back."""
    where = "--namespace=kube-system"
    cluster.kubectl("scale", "deployment/coredns", "--replicas=0", where)
    chosen = "k8s-app=kube-dns"
    cluster.wait_for(
        "nothing answers for names", lambda: not cluster.find_all("pods", "kube-system", chosen)
    )
    try:
        yield
    finally:
        cluster.kubectl("scale", "deployment/coredns", "--replicas=1", where)
        cluster.kubectl("rollout", "status", "deployment/coredns", where, "--timeout=120s")
