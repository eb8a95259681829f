"""One look: everybody is asked at once, and who does not answer as it must is left out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack

import pytest

from regnant.controllers.ledger import Mark, RouterTries, Sample
from regnant.controllers.scrape import MAX_PAGES, Variant, look
from regnant.probes import Prober
from regnant.probes.server import OUTCOMES, PAGE, STATISTICS
from regnant.probes.statistics import Tries
from tests.unit.ports import free_port
from tests.unit.probes.reports import outcome, page, statistics
from tests.unit.probes.scripted_pod import DIGEST, Answer, ScriptedPod, scripted_pod

OTHER = "sha256:" + "b" * 64
CLUSTERS = "/envoy/clusters"
ROUTERS = ("127.0.1.1", "127.0.1.2")
CHAMPION = Variant(3, DIGEST, ("127.0.2.1", "127.0.2.2"))
CHALLENGER = Variant(4, OTHER, ("127.0.3.1",))


class Pods:
    """A pod at each address: two routers, two servers of the champion, one of the challenger."""

    def __init__(self, found: Mapping[str, ScriptedPod], prober: Prober) -> None:
        self._found = found
        self._prober = prober

    def __getitem__(self, ip: str) -> ScriptedPod:
        return self._found[ip]

    async def look(self, marks: Mapping[str, Mark] | None = None, *, pairs: bool = True) -> Sample:
        return await look(self._prober, ROUTERS, CHAMPION, CHALLENGER, pairs=pairs, marks=marks)


@pytest.fixture
async def pods() -> AsyncIterator[Pods]:
    port = free_port()
    async with AsyncExitStack() as stack:
        found = {
            ip: await stack.enter_async_context(scripted_pod(ip, port))
            for ip in (*ROUTERS, *CHAMPION.pods, *CHALLENGER.pods)
        }
        for ip in ROUTERS:
            found[ip].answers[CLUSTERS] = Answer(
                {
                    "cluster_statuses": [
                        cluster(CHAMPION.cluster, 5),
                        cluster(CHALLENGER.cluster, 3),
                        cluster(CHALLENGER.shadow_cluster, 9),
                    ]
                }
            )
        for variant in (CHAMPION, CHALLENGER):
            for ip in variant.pods:
                found[ip].answers = {
                    STATISTICS: Answer(statistics(variant.digest)),
                    OUTCOMES: Answer(page(outcome(8)), digest=variant.digest),
                }
        prober = await stack.enter_async_context(Prober.open(port=port, server_port=port))
        yield Pods(found, prober)


def cluster(name: str, succeeded: int) -> dict[str, object]:
    counted = {"rq_success": succeeded, "rq_error": 0, "rq_timeout": 0}
    host = {
        "address": {"socket_address": {"address": "10.0.0.1", "port_value": 8080}},
        "stats": [{"name": one, "value": str(value)} for one, value in counted.items()],
    }
    return {"name": name, "host_statuses": [host]}


def named() -> list[str]:
    return [CHAMPION.cluster, CHALLENGER.cluster, CHALLENGER.shadow_cluster]


def test_clusters_have_the_routers_names() -> None:
    assert named() == ["version-3-aaaaaaaa", "version-4-bbbbbbbb", "version-4-bbbbbbbb-shadow"]


async def test_everybody_is_asked_once(pods: Pods) -> None:
    sample = await pods.look()
    host = "10.0.0.1:8080"
    tries = RouterTries({host: Tries(5)}, {host: Tries(3)}, {host: Tries(9)})
    assert sample.routers == dict.fromkeys(ROUTERS, tries)
    assert set(sample.champion.statistics) == set(CHAMPION.pods)
    assert set(sample.challenger.statistics) == set(CHALLENGER.pods)
    assert sample.champion.outcomes == {}
    assert sample.challenger.outcomes == {}
    assert sample.missing == {}
    assert sample.began <= sample.ended
    assert all(len(pods[ip].asked) == 1 for ip in (*ROUTERS, *CHAMPION.pods, *CHALLENGER.pods))


async def test_outcomes_are_read_from_a_mark_on_and_only_where_there_is_one(pods: Pods) -> None:
    sample = await pods.look({"127.0.2.1": Mark("e03e3b9aa244cf6d", 7)})
    assert set(sample.champion.outcomes) == {"127.0.2.1"}
    assert {one.target for one in pods["127.0.2.1"].asked} == {
        STATISTICS,
        f"{OUTCOMES}?after=7&limit={PAGE}",
    }


async def test_outcomes_are_left_alone_where_no_pairs_are_wanted(pods: Pods) -> None:
    sample = await pods.look({"127.0.2.1": Mark("e03e3b9aa244cf6d", 7)}, pairs=False)
    assert sample.champion.outcomes == {}
    assert [one.target for one in pods["127.0.2.1"].asked] == [STATISTICS]


async def test_full_pages_are_followed_so_far_and_no_further(pods: Pods) -> None:
    full = page(*(outcome(number) for number in range(1, PAGE + 1)))
    pods["127.0.3.1"].answers[OUTCOMES].body = full
    sample = await pods.look({"127.0.3.1": Mark("e03e3b9aa244cf6d", 0)})
    assert len(sample.challenger.outcomes["127.0.3.1"].outcomes) == MAX_PAGES * PAGE
    asked = [one.target for one in pods["127.0.3.1"].asked]
    assert asked.count(f"{OUTCOMES}?after={PAGE}&limit={PAGE}") == MAX_PAGES - 1


async def test_who_hangs_is_not_waited_for(pods: Pods) -> None:
    pods["127.0.1.1"].answers[CLUSTERS].hangs = True
    pods["127.0.2.1"].answers[STATISTICS].hangs = True
    sample = await pods.look()
    assert set(sample.routers) == {"127.0.1.2"}
    assert set(sample.champion.statistics) == {"127.0.2.2"}
    assert sample.missing == dict.fromkeys(("127.0.1.1", "127.0.2.1"), "no answer within 0.8 s")


async def test_who_answers_for_another_bundle_is_left_out(pods: Pods) -> None:
    pods["127.0.3.1"].answers[STATISTICS].body = statistics(DIGEST)
    sample = await pods.look()
    assert sample.challenger.statistics == {}
    assert f"{OTHER} was asked" in sample.missing["127.0.3.1"]


async def test_a_router_that_lacks_a_cluster_does_not_tell_of_it(pods: Pods) -> None:
    pods["127.0.1.1"].answers[CLUSTERS].body = {}
    assert (await pods.look()).routers["127.0.1.1"] == RouterTries()


async def test_the_first_version_has_nobody_to_be_compared_with(pods: Pods) -> None:
    sample = await look(pods._prober, ROUTERS, None, CHALLENGER, pairs=False)
    assert sample.champion.statistics == {}
    assert {tries.champion for tries in sample.routers.values()} == {None}
    assert sample.missing == {}
