"""Of several replicas one leads, and another when it is gone."""

from __future__ import annotations

import asyncio

import pytest

from regnant.cluster.client import Cluster
from regnant.cluster.kinds import Manifest, Ref
from regnant.cluster.leadership import Leadership, LeadershipLostError, Terms

QUICK = Terms(lease=2, renew_within=1.2, retry=0.1)
PATIENT = Terms(lease=3600, renew_within=1.2, retry=0.1)


def candidate(cluster: Cluster, namespace: str, name: str, terms: Terms = QUICK) -> Leadership:
    return Leadership(cluster, Ref("Lease", namespace, "operator"), name, terms=terms)


async def lease(cluster: Cluster, namespace: str) -> Manifest:
    found = await cluster.get(Ref("Lease", namespace, "operator"))
    assert found is not None
    return found


async def version(cluster: Cluster, namespace: str) -> str:
    (found,) = await cluster.list("Lease", namespace)
    return str(found["metadata"]["resourceVersion"])


async def test_of_many_candidates_one_leads(cluster: Cluster, namespace: str) -> None:
    candidates = [candidate(cluster, namespace, f"replica-{n}", PATIENT) for n in range(4)]
    attempts = [asyncio.create_task(each.acquire()) for each in candidates]
    done, waiting = await asyncio.wait(attempts, return_when=asyncio.FIRST_COMPLETED)
    leaders = [each for each in candidates if each.leading]
    assert len(done) == len(leaders) == 1
    holding = asyncio.create_task(leaders[0].hold())
    before = (await lease(cluster, namespace))["spec"]["renewTime"]
    # A Lease can only be asked.
    while (await lease(cluster, namespace))["spec"]["renewTime"] == before:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    assert [each for each in candidates if each.leading] == leaders
    for task in (holding, *waiting):
        task.cancel()


async def test_a_lease_that_is_given_back_is_taken_at_once(
    cluster: Cluster, namespace: str
) -> None:
    first = candidate(cluster, namespace, "first", PATIENT)
    second = candidate(cluster, namespace, "second", PATIENT)
    await first.acquire()
    taking = asyncio.create_task(second.acquire())
    await first.release()
    async with asyncio.timeout(30):
        await taking
    spec = (await lease(cluster, namespace))["spec"]
    assert spec["holderIdentity"] == "second"
    assert spec["leaseTransitions"] == 1


async def test_a_leader_that_died_is_succeeded_when_its_lease_runs_out(
    cluster: Cluster, namespace: str
) -> None:
    await candidate(cluster, namespace, "first").acquire()
    second = candidate(cluster, namespace, "second")
    async with asyncio.timeout(30):
        await second.acquire()
    assert (await lease(cluster, namespace))["spec"]["holderIdentity"] == "second"


async def test_a_leader_that_comes_back_under_its_name_leads_on(
    cluster: Cluster, namespace: str
) -> None:
    await candidate(cluster, namespace, "first", PATIENT).acquire()
    async with asyncio.timeout(30):
        await candidate(cluster, namespace, "first", PATIENT).acquire()
    assert (await lease(cluster, namespace))["spec"]["leaseTransitions"] == 0


async def test_a_leader_whose_lease_was_taken_says_that_it_has_lost(
    cluster: Cluster, namespace: str
) -> None:
    first = candidate(cluster, namespace, "first", PATIENT)
    await first.acquire()
    taken = await lease(cluster, namespace)
    taken["spec"]["holderIdentity"] = "usurper"
    await cluster.replace(taken)
    async with asyncio.timeout(30):
        with pytest.raises(LeadershipLostError):
            await first.hold()
    assert not first.leading
    await first.release()
    assert (await lease(cluster, namespace))["spec"]["holderIdentity"] == "usurper"


async def test_a_renewal_reads_nothing(
    cluster: Cluster, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = candidate(cluster, namespace, "first", PATIENT)
    await first.acquire()
    taken = (await lease(cluster, namespace))["metadata"]["resourceVersion"]

    async def unasked(_: Ref) -> Manifest:
        raise AssertionError("the lease was read")

    monkeypatch.setattr(cluster, "get", unasked)
    holding = asyncio.create_task(first.hold())
    async with asyncio.timeout(30):
        # A Lease can only be asked.
        while await version(cluster, namespace) == taken:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert not holding.done()
    holding.cancel()


async def test_a_leader_whose_lease_somebody_touched_leads_on(
    cluster: Cluster, namespace: str
) -> None:
    first = candidate(cluster, namespace, "first", PATIENT)
    await first.acquire()
    touched = await lease(cluster, namespace)
    touched["metadata"]["labels"] = {"seen": "by-somebody"}
    before = (await cluster.replace(touched))["spec"]["renewTime"]
    holding = asyncio.create_task(first.hold())
    async with asyncio.timeout(30):
        while (await lease(cluster, namespace))["spec"]["renewTime"] == before:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert not holding.done()
    holding.cancel()
    found = await lease(cluster, namespace)
    assert found["metadata"]["labels"] == {"seen": "by-somebody"}
    assert found["spec"]["leaseTransitions"] == 0


async def test_a_leader_that_cannot_renew_has_lost(
    cluster: Cluster, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = candidate(cluster, namespace, "first", PATIENT)
    await first.acquire()

    async def never(_: Manifest) -> Manifest:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(cluster, "replace", never)
    async with asyncio.timeout(30):
        with pytest.raises(LeadershipLostError):
            await first.hold()
