"""A model that is as good as the champion takes its place, and no user notices how.

One rollout goes through everything (shadow, two steps, promotion, watch) under an open-loop load
that runs over the whole of it; each test reads one claim from what was recorded. Then users are
tied to versions, by a header and by a cookie, and a version that was promoted loses its servers.

What went wrong for others is held here by name: a storm of 503s at the promotion, as the stable
version is gone while proxies still send to it (Argo Rollouts 4710); a rollback onto a primary that
never started, with the healthy canary removed (Flagger 1898).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from e2e.harness import Cluster, Manifest
from e2e.installation import Installation
from e2e.rollouts import (
    NEVER,
    WIDE_LIMITS,
    Contest,
    contest,
    seconds_since_1970,
    shadow,
    step,
)
from e2e.serving import Service
from e2e.traffic import Outcome

PER_SECOND = 250
SMALL, LARGE = 10, 50
TOLERANCE = 0.02


@dataclass(frozen=True)
class Record:
    """A rollout that is over: what was seen of it, and what its users got."""

    contest: Contest
    spec_before: Manifest
    servers_before: dict[str, Manifest]
    servers_in_watch: dict[str, Manifest]
    shadowed: tuple[float, float]
    split: dict[int, tuple[float, float]]
    """By weight: from when every router had it until something else was decided."""
    outcome: Outcome


@pytest.fixture(scope="module")
def opened(
    regnant: Installation, cluster: Cluster, request: pytest.FixtureRequest
) -> Iterator[Contest]:
    """Version 1 reigns by two routers."""
    with contest(
        regnant,
        cluster,
        request,
        routers=2,
        watch="5s",
        rollout={
            # The machine of the tests is busy, and quantiles of equal models are far apart on it.
            "limits": {"maxLatencyRatio": "10"},
            "shadow": shadow(requests=500),
            # Enough that chance keeps within the tolerance: 3.5 standard deviations are less.
            "steps": [step(SMALL, requests=400), step(LARGE, requests=4000)],
        },
    ) as found:
        yield found


@pytest.fixture(scope="module")
def record(opened: Contest) -> Record:
    """Version 2 is as good as version 1."""
    service = opened.service
    spec, servers = service.get()["spec"], service.deployments()
    with service.users(per_second=PER_SECOND) as load:
        opened.challenge()
        in_shadow = _until_counted(service, lambda stage: "shadow" in stage)
        small = _until_counted(service, lambda stage: _weight(stage) == SMALL)
        large = _until_counted(service, lambda stage: _weight(stage) == LARGE)
        watching = service.wait_for_champion(2, seconds=180)["rollout"]
        in_watch = service.deployments()
        service.wait_until_decided()
    return Record(
        contest=opened,
        spec_before=spec,
        servers_before=servers,
        servers_in_watch=in_watch,
        shadowed=(_since(in_shadow), seconds_since_1970(small["decidedAt"])),
        split={
            SMALL: (_since(small), seconds_since_1970(large["decidedAt"])),
            LARGE: (_since(large), seconds_since_1970(watching["promotingAt"])),
        },
        outcome=load.outcome,
    )


def test_an_equal_model_goes_through_shadow_and_every_step_and_no_request_fails(
    record: Record,
) -> None:
    assert record.outcome.failed == 0, record.outcome.failures
    assert record.outcome.sent > 8_000
    assert set(record.outcome.versions) == {"1", "2"}
    assert record.contest.reasons("line-2") == [
        "RolloutStarted",
        "ShadowStarted",
        "StepStarted",
        "StepStarted",
        "Promoted",
        "RolloutCompleted",
    ]
    status = record.contest.service.status
    assert (status["phase"], status["champion"]["version"]) == ("Serving", 2)
    assert [(one["version"], one["percent"]) for one in status["traffic"]] == [(2, 100)]


@pytest.mark.parametrize("weight", [SMALL, LARGE])
def test_the_split_that_users_see_is_within_two_percent_of_the_weight(
    record: Record, weight: int
) -> None:
    counts = record.outcome.between(*record.split[weight])
    assert sum(counts.values()) > 2500, counts
    share = counts["2"] / sum(counts.values())
    assert abs(share - weight / 100) <= TOLERANCE, counts


def test_no_answer_of_a_shadow_reaches_a_user(record: Record) -> None:
    begin, _ = record.shadowed
    _, end = record.shadowed
    assert set(record.outcome.between(begin - 5, end)) == {"1"}
    # What a version said always came under its own name: each has its own number to say.
    assert record.outcome.answers.keys() == {"1", "2"}
    assert set(record.outcome.answers["1"]) == {"4.0"}
    assert set(record.outcome.answers["2"]) == {"8.0"}


def test_a_promotion_touches_no_server_and_flips_no_selector(record: Record) -> None:
    [former] = record.servers_before
    during = record.servers_in_watch
    assert _template(during[former]) == _template(record.servers_before[former])
    [reigning] = during.keys() - {former}
    assert _template(record.contest.service.deployments()[reigning]) == _template(during[reigning])


def test_a_rollout_edits_no_spec(record: Record) -> None:
    found = record.contest.service.get()
    assert found["spec"] == record.spec_before
    assert found["metadata"]["generation"] == 1


def test_the_history_says_who_reigned_and_on_what_evidence(record: Record) -> None:
    now, before = record.contest.service.status["history"]
    assert (now["version"], now["reason"], before["version"]) == (2, "Promoted", 1)
    assert before["reason"] == "FirstVersion"
    assert before["until"] == now["since"]
    assert "until" not in now
    readings = " ".join(now["evidence"])
    assert "requests" in readings
    assert now["transition"].startswith("2-")


@pytest.fixture(scope="module")
def tied(opened: Contest, record: Record) -> Iterator[dict[str, tuple[Service, Any]]]:
    """Two more services of the same model line: one ties users by a header, one by a cookie."""
    del record
    ways: dict[str, tuple[Manifest, dict[str, Any]]] = {
        "by-header": ({"header": "x-user-id"}, {"header": "x-user-id"}),
        "by-cookie": ({"cookie": {"name": "seat", "ttl": "1h"}}, {"keeps_cookies": True}),
    }
    services = {
        name: (Service(opened.cluster, opened.service.namespace, name), known)
        for name, (_, known) in ways.items()
    }
    for name, (service, _) in services.items():
        service.apply(
            pin=1,
            rollout={
                "sticky": ways[name][0],
                "limits": WIDE_LIMITS,
                "steps": [step(30, requests=100), step(60, requests=NEVER)],
            },
        )
    for service, _ in services.values():
        service.wait_for_champion(1)
        service.wait_until_decided()
    yield services
    for service, _ in services.values():
        service.cluster.delete("inferenceservice", service.name, service.namespace, wait=False)


@pytest.mark.parametrize("way", ["by-header", "by-cookie"])
def test_a_user_keeps_their_version_and_whoever_has_the_challenger_keeps_it_as_it_grows(
    tied: dict[str, tuple[Service, Any]], way: str
) -> None:
    service, known = tied[way]
    with service.users(per_second=60, people=60, **known) as load:
        service.change(champion=None)
        service.wait_for_weight(30)
        service.wait_for_weight(60)
        service.wait_until(
            "everybody asked at least three times",
            lambda status: _tries(status["rollout"]["stage"]) > 60 * 3 * 60 // 100,
        )
        service.act("abort")
        service.wait_until_decided()
    assert load.outcome.failed == 0, load.outcome.failures
    ways = {name: [version for _, version in path] for name, path in load.outcome.people.items()}
    # From the champion to the challenger at most once, and back only when it was taken away.
    assert all(path in ([["1"], ["1", "2", "1"]]) for path in _normal(ways)), ways
    moved = sum(len(path) > 1 for path in ways.values())
    assert 20 < moved < 55, ways


def test_a_promoted_version_that_loses_its_servers_gives_the_traffic_back_at_once(
    opened: Contest, record: Record
) -> None:
    del record
    service = opened.service
    service.change(rollout={"steps": [], "shadow": None, "watch": {"duration": "10m"}})
    with service.users() as load:
        opened.challenge()
        service.wait_for_phase("Watching")
        [fallen] = [name for name in service.deployments() if name.startswith("line-3-")]
        opened.cluster.wait_for("it is turned back", lambda: _killed_and_left(service, fallen))
        rejection = service.wait_for_rejection(3)
        service.wait_for_champion(2)
    assert load.outcome.failed == 0, load.outcome.failures
    assert rejection["reason"] in {"ChampionUnhealthy", "Crashed"}
    assert service.status["history"][0]["reason"] == "RolledBack"
    assert opened.reasons("line-3")[-1] == "RolledBack"


def _killed_and_left(service: Service, deployment: str) -> bool:
    """Kill what runs of it, until the operator has seen that nothing does."""
    for pod in service.pods():
        if pod["metadata"]["name"].startswith(deployment):
            name, where = pod["metadata"]["name"], f"--namespace={service.namespace}"
            service.cluster.kubectl("delete", "pod", name, where, "--grace-period=0", "--force")
    return service.status.get("rollout", {"rollback": {}}).get("rollback") is not None


def _until_counted(service: Service, chosen: Any) -> Manifest:
    """The stage that is chosen, once every router was seen to have it."""

    def counted(status: Manifest) -> bool:
        stage = status.get("rollout", {}).get("stage", {})
        return "evidence" in stage and bool(chosen(stage))

    stage: Manifest = service.wait_until("the stage is counted", counted)["rollout"]["stage"]
    return stage


def _weight(stage: Manifest) -> int:
    found: int = stage.get("step", {}).get("weight", 0)
    return found


def _since(stage: Manifest) -> float:
    return seconds_since_1970(stage["evidence"]["since"])


def _tries(stage: Manifest) -> int:
    found: int = stage.get("evidence", {}).get("tally", {}).get("challenger", {}).get("tries", 0)
    return found


def _template(deployment: Manifest) -> tuple[str, Manifest]:
    return deployment["metadata"]["uid"], deployment["spec"]["template"]


def _normal(paths: dict[str, list[str]]) -> list[list[str]]:
    """Paths that end with the challenger were asked last before it was taken away."""
    return [[*path, "1"] if path == ["1", "2"] else path for path in paths.values()]
