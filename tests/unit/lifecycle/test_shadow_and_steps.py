"""A challenger proves itself in the shadow and in steps, and only then reigns."""

from __future__ import annotations

from datetime import timedelta

import pytest

from regnant.api.model_version import Interface, Tensor
from regnant.api.rollout_status import Counts, Pairs, Tally
from regnant.lifecycle import serving_plan
from regnant.lifecycle.diagnosis import Fault
from regnant.lifecycle.eligibility import interface_change
from regnant.lifecycle.serving_state import Candidate, ServerHealth
from tests.unit.lifecycle.worlds import ServiceWorld, artifact, digest, serving_world

STEPS = [
    {"weight": 10, "minRequests": 50, "minDuration": "10s"},
    {"weight": 50, "minRequests": 100, "minDuration": "10s"},
]
SHADOW = {"percent": 100, "minRequests": 50, "minDuration": "5s"}


def comparing_world(**rollout: object) -> ServiceWorld:
    """A world in which churn-2 is verified and challenges churn-1."""
    world = serving_world(rollout={"steps": STEPS} | rollout)
    world.add(2)
    world.until("Shadowing" if "shadow" in rollout else "Splitting")
    world.step(seconds=1)
    return world


def pause(world: ServiceWorld) -> None:
    """Say so in the spec."""
    paused = world.spec.rollout.model_copy(update={"paused": True})
    world.spec = world.spec.model_copy(update={"rollout": paused})


def prove(world: ServiceWorld, looks: int = 60) -> None:
    """Let both versions answer many requests well, for as long as they are compared."""
    for _ in range(looks):
        if world.status.phase not in {"Shadowing", "Splitting"}:
            return
        world.serve(champion=(500, 0), challenger=(500, 0))


def test_a_challenger_goes_through_every_stage_in_order() -> None:
    world = serving_world(rollout={"steps": STEPS, "shadow": SHADOW})
    world.add(2)
    seen: list[tuple[str, int]] = []
    for _ in range(100):
        world.serve(champion=(500, 0), challenger=(500, 0))
        now = (world.status.phase, world.weight)
        if not seen or seen[-1] != now:
            seen.append(now)
        if world.status.phase == "Watching":
            break
    assert seen == [
        ("Preparing", 0),
        ("Shadowing", 0),
        ("Splitting", 10),
        ("Splitting", 50),
        ("Promoting", 0),
        ("Watching", 0),
    ]
    assert world.answering == digest("2")


def test_who_reigns_has_every_share_from_the_moment_it_reigns() -> None:
    world = comparing_world()
    prove(world)
    world.until("Watching")
    assert [(one.version, one.percent) for one in world.status.traffic] == [(2, 100)]


def test_a_rejected_challenger_has_no_share_left() -> None:
    world = comparing_world()
    world.serve(champion=(90, 0), challenger=(10, 10))
    world.step(seconds=1)
    assert world.status.rejected
    assert [(one.version, one.percent) for one in world.status.traffic] == [(1, 100)]


def test_nothing_counts_before_every_router_was_seen_to_have_the_stage() -> None:
    world = serving_world(rollout={"steps": STEPS})
    world.add(2)
    world.until("Preparing")
    world.routers_follow = False
    world.until("Splitting")
    for _ in range(30):
        world.serve(champion=(500, 0), challenger=(500, 0))
    assert world.status.rollout
    assert world.status.rollout.stage
    assert world.status.rollout.stage.evidence is None
    assert world.weight == 10


def test_a_shadow_gives_users_to_nobody() -> None:
    world = comparing_world(shadow=SHADOW)
    routing = serving_plan.routing(world.observe().service, world.status)
    assert (routing.weight, routing.shadow, routing.challenger) == (0, 100, digest("2"))
    (share,) = world.status.traffic
    assert (share.version, share.percent) == (1, 100)


def test_the_shares_are_those_that_routers_were_seen_to_have() -> None:
    world = comparing_world()
    assert [(one.version, one.percent) for one in world.status.traffic] == [(1, 90), (2, 10)]


def test_a_step_lasts_its_minimum_of_time_and_of_requests() -> None:
    world = comparing_world()
    world.serve(champion=(9000, 0), challenger=(1000, 0), seconds=5)
    assert world.weight == 10, "the time is not over"
    world.step(seconds=6)
    assert world.weight == 50
    world.step(seconds=1)
    world.step(seconds=60)
    assert world.weight == 50, "not enough requests came"


def test_the_last_step_ends_only_with_evidence() -> None:
    world = comparing_world()
    world.serve(champion=(900, 0), challenger=(100, 0), seconds=12)
    assert world.weight == 50
    world.step(seconds=1)
    world.serve(champion=(120, 0), challenger=(120, 0), seconds=30)
    assert world.status.phase == "Splitting", "120 requests cannot show a margin of one percent"
    assert world.status.rollout
    assert "of at least" not in world.status.rollout.waiting_for
    prove(world)
    assert world.status.phase == "Promoting"


def test_a_failing_challenger_loses_its_traffic_and_is_rejected_with_the_numbers() -> None:
    world = comparing_world()
    world.serve(champion=(90, 0), challenger=(10, 10))
    assert world.status.phase == "RollingBack"
    assert world.weight == 0
    world.step(seconds=1)
    (rejection,) = world.status.rejected
    assert (rejection.version, rejection.reason) == (2, "ErrorRateTooHigh")
    assert "10 of 10" in rejection.message
    assert rejection.evidence
    assert world.answering == digest("1")
    world.run()
    assert world.status.phase == "Serving"
    assert world.status.rollout is None, "it is not tried again"


def test_what_its_pods_say_stands_behind_what_was_seen_of_its_answers() -> None:
    world = comparing_world()
    world.serve(champion=(90, 0), challenger=(10, 10))
    world.down(digest("2"), Fault("OutOfMemory", "raise resources.limits.memory", restarts=1))
    world.step(seconds=1)
    (rejection,) = world.status.rejected
    assert rejection.reason == "ErrorRateTooHigh"
    assert rejection.message.endswith("; raise resources.limits.memory")


def test_a_challenger_that_fails_in_the_shadow_never_meets_a_user() -> None:
    world = comparing_world(shadow=SHADOW)
    world.serve(champion=(100, 0), challenger=(100, 90))
    world.step(seconds=1)
    assert world.status.rejected[0].reason == "ErrorRateTooHigh"
    assert all(share.version == 1 for share in world.status.traffic)


def test_a_slow_challenger_is_rejected() -> None:
    world = comparing_world()
    quick = Counts(tries=2000, latency=(0, 2000))
    slow = Counts(tries=2000, latency=(0,) * 50 + (2000,))
    world.pending = Tally(champion=quick, challenger=slow)
    world.step(seconds=1)
    world.step(seconds=1)
    assert world.status.rejected[0].reason == "LatencyTooHigh"


def test_a_challenger_that_is_fast_enough_may_be_slower_than_the_champion() -> None:
    world = comparing_world()
    quick = Counts(tries=2000, latency=(0, 2000))
    three_milliseconds = Counts(tries=2000, latency=(0,) * 31 + (2000,))
    world.pending = Tally(champion=quick, challenger=three_milliseconds)
    world.step(seconds=12)
    assert world.weight == 50


def test_a_challenger_of_nonsense_is_rejected() -> None:
    world = comparing_world()
    good = Counts(tries=200, latency=(200,))
    world.pending = Tally(champion=good, challenger=good.model_copy(update={"non_finite": 200}))
    world.step(seconds=1)
    world.step(seconds=1)
    assert world.status.rejected[0].reason == "NonFiniteAnswers"


def test_of_numbers_that_are_none_the_reason_says_so_although_they_failed_too() -> None:
    world = comparing_world()
    good = Counts(tries=200, latency=(0, 200))
    nonsense = good.model_copy(update={"failures": 200, "non_finite": 200})
    world.pending = Tally(champion=good, challenger=nonsense)
    world.run(2)
    assert [one.reason for one in world.status.rejected] == ["NonFiniteAnswers"]


def test_a_challenger_that_disagrees_too_often_is_rejected_where_that_is_asked_for() -> None:
    world = comparing_world(shadow=SHADOW | {"minAgreement": "0.9"})
    good = Counts(tries=2000, latency=(2000,))
    pairs = Pairs(total=2000, agreeing=1000)
    world.pending = Tally(champion=good, challenger=good, pairs=pairs)
    world.step(seconds=1)
    world.step(seconds=1)
    assert world.status.rejected[0].reason == "DisagreesWithChampion"


def test_disagreement_decides_nothing_where_nobody_asked() -> None:
    world = comparing_world(shadow=SHADOW, steps=[])
    good = Counts(tries=5000, latency=(0, 0, 0, 5000))
    world.pending = Tally(champion=good, challenger=good, pairs=Pairs(total=2000, agreeing=10))
    world.step(seconds=6)
    assert world.status.phase == "Promoting"


def test_a_challenger_whose_servers_go_is_cut_off_at_once() -> None:
    world = comparing_world()
    world.health[digest("2")] = ServerHealth(2, 0)
    world.step(seconds=1)
    assert world.weight == 0
    world.step(seconds=1)
    assert world.status.rejected[0].reason == "ServersNotReady"


def test_a_challenger_without_all_its_servers_goes_no_further() -> None:
    world = comparing_world()
    world.health[digest("2")] = ServerHealth(2, 1)
    prove(world, looks=20)
    assert world.weight == 10


@pytest.mark.parametrize("how", ["down", "failing"])
def test_a_sick_champion_gives_way_to_a_healthy_challenger_at_once(how: str) -> None:
    world = comparing_world()
    if how == "down":
        world.down(digest("1"))
        world.step(seconds=1)
        assert world.answering == digest("1"), "it may be back in a moment"
        world.step(seconds=6)
    else:
        world.serve(champion=(90, 80), challenger=(100, 0))
    assert world.answering == digest("2")


def test_a_champion_that_is_back_in_a_moment_stays() -> None:
    world = comparing_world()
    world.down(digest("1"))
    world.step(seconds=1)
    world.health.clear()
    world.step(seconds=3)
    world.down(digest("1"))
    world.step(seconds=3)
    assert world.answering == digest("1")


def test_what_both_suffer_is_held_against_neither() -> None:
    world = comparing_world()
    world.down(digest("1"))
    world.down(digest("2"))
    for _ in range(60):
        world.step(seconds=1)
    assert (world.status.phase, world.weight) == ("Splitting", 10)
    world.health.clear()
    world.step(seconds=1)
    assert world.status.rejected == ()


def test_a_server_that_answers_is_not_down_whatever_its_kubelet_says() -> None:
    world = comparing_world()
    world.heard.add(digest("2"))
    world.down(digest("2"))
    world.step(seconds=1)
    assert world.weight == 10
    world.heard.clear()
    world.step(seconds=1)
    assert world.weight == 0


def test_two_sick_versions_change_nothing() -> None:
    world = comparing_world()
    world.serve(champion=(90, 45), challenger=(10, 5))
    assert world.weight == 10


def test_a_paused_rollout_stays_and_a_failing_challenger_still_goes() -> None:
    world = comparing_world()
    pause(world)
    prove(world, looks=30)
    assert (world.status.phase, world.weight) == ("Splitting", 10)
    assert world.status.rollout
    assert "paused" in world.status.rollout.waiting_for
    world.serve(champion=(90, 0), challenger=(5000, 5000))
    assert world.weight == 0


def test_a_paused_rollout_goes_no_further_than_to_servers_that_are_ready() -> None:
    world = serving_world(rollout={"paused": True})
    world.add(2)
    for _ in range(20):
        world.step(seconds=60)
    assert (world.status.phase, world.answering) == ("Verifying", digest("1"))
    assert world.status.rollout
    assert "paused" in world.status.rollout.waiting_for


def test_agreement_that_is_asked_for_is_not_shown_by_no_pairs() -> None:
    world = comparing_world(shadow=SHADOW | {"minAgreement": "0.9"}, steps=[])
    good = Counts(tries=5000, latency=(0, 0, 0, 5000))
    world.pending = Tally(champion=good, challenger=good)
    world.step(seconds=60)
    assert world.status.phase == "Shadowing"


def test_too_little_evidence_goes_past_no_person() -> None:
    steps = [STEPS[0] | {"maxDuration": "20s", "approval": "Manual"}, STEPS[1]]
    world = comparing_world(steps=steps, onInconclusive="Promote")
    world.step(seconds=60)
    assert world.weight == 10


def test_a_manual_step_waits_for_a_person() -> None:
    world = comparing_world(steps=[STEPS[0] | {"approval": "Manual"}])
    prove(world, looks=30)
    assert world.weight == 10
    assert world.status.rollout
    assert "regnant promote" in world.status.rollout.waiting_for


@pytest.mark.parametrize(
    ("policy", "phase", "weight"),
    [("Hold", "Splitting", 10), ("Promote", "Splitting", 50), ("Reject", "RollingBack", 0)],
)
def test_the_user_says_what_becomes_of_too_little_evidence(
    policy: str, phase: str, weight: int
) -> None:
    """Inconclusive, and promoted nevertheless, though nobody had said so: Argo Rollouts 3850."""
    steps = [STEPS[0] | {"maxDuration": "20s"}, STEPS[1]]
    world = comparing_world(steps=steps, onInconclusive=policy)
    world.serve(champion=(9, 0), challenger=(1, 0), seconds=25)
    assert (world.status.phase, world.weight) == (phase, weight)


@pytest.mark.parametrize(
    ("requests", "ready", "why"),
    [(3, 1, "3 of at least 100 requests"), (500, 0, "not all of its servers are ready")],
)
def test_what_is_rejected_without_a_verdict_says_what_was_missing(
    requests: int, ready: int, why: str
) -> None:
    steps = [STEPS[0] | {"minRequests": 100, "maxDuration": "20s"}, STEPS[1]]
    world = comparing_world(steps=steps, onInconclusive="Reject")
    world.health[digest("2")] = ServerHealth(2, 1 + ready)
    world.serve(champion=(9, 0), challenger=(requests, 0), seconds=25)
    assert world.status.rollout
    assert world.status.rollout.rollback
    assert world.status.rollout.rollback.message == f"by its deadline: {why}"


def test_no_requests_at_all_are_no_evidence() -> None:
    world = comparing_world()
    for _ in range(50):
        world.step(seconds=60)
    assert (world.status.phase, world.weight) == ("Splitting", 10)
    assert world.status.rollout
    assert "0 of at least 50 requests" in world.status.rollout.waiting_for


def test_a_newer_version_waits_its_turn() -> None:
    world = comparing_world()
    world.add(3)
    prove(world)
    assert world.status.rollout
    assert world.status.rollout.to.version == 2
    for _ in range(400):
        world.serve(champion=(500, 0), challenger=(500, 0), seconds=5)
    assert [reign.version for reign in world.status.history] == [3, 2, 1]


def test_a_newer_version_supersedes_where_the_user_says_so() -> None:
    world = comparing_world(onNewVersion="Supersede")
    world.add(3)
    world.step(seconds=1)
    assert world.weight == 0
    world.until("Splitting")
    assert world.status.rollout
    assert world.status.rollout.to.version == 3
    assert world.status.rejected == (), "a superseded version is not rejected"


def test_a_deleted_version_is_withdrawn() -> None:
    world = comparing_world()
    world.versions.pop()
    world.step(seconds=1)
    assert world.weight == 0
    world.run()
    assert world.status.rollout is None
    assert world.status.rejected == ()


def test_a_pinned_champion_takes_over_without_stages() -> None:
    world = comparing_world()
    world.spec = world.spec.model_validate(
        world.spec.model_dump(by_alias=True) | {"champion": {"version": 2}}
    )
    world.step(seconds=1)
    assert world.answering == digest("2")
    world.step(seconds=1)
    assert world.status.history[0].reason == "Pinned"


def test_a_challenger_beside_a_pinned_champion_is_compared_and_never_promoted() -> None:
    world = serving_world(
        champion={"version": 1}, challenger={"version": 2}, rollout={"steps": STEPS}
    )
    world.add(2)
    world.add(3)
    world.until("Splitting")
    prove(world, looks=100)
    assert (world.status.phase, world.weight) == ("Splitting", 50)
    assert world.status.rollout
    assert world.status.rollout.to.version == 2
    assert "spec.champion" in world.status.rollout.waiting_for


def test_another_interface_is_refused_with_the_difference() -> None:
    def interface(name: str) -> Interface:
        return Interface(inputs=(Tensor(name=name, datatype="FP64", shape=(-1, 3)),))

    world = ServiceWorld()
    world.versions.append(Candidate(1, artifact("1"), interface("age")))
    world.settle()
    world.versions.append(Candidate(2, artifact("2"), interface("tenure")))
    world.run()
    (rejection,) = world.status.rejected
    assert rejection.reason == "InterfaceChanged"
    assert "input age is missing; input tenure is new" in rejection.message


def test_a_tensor_of_another_type_or_shape_is_another_interface() -> None:
    def interface(datatype: str, columns: int) -> Interface:
        tensor = {"name": "features", "datatype": datatype, "shape": [-1, columns]}
        return Interface.model_validate({"inputs": [tensor]})

    assert interface_change(interface("FP64", 3), interface("FP64", 3)) is None
    other = interface_change(interface("FP64", 3), interface("FP32", 4))
    assert other
    assert "input features is FP32[-1, 4], was FP64[-1, 3]" in other.message


def test_a_service_that_is_pinned_elsewhere_withdraws_the_challenger() -> None:
    world = comparing_world()
    world.add(3)
    spec = world.spec.model_dump(by_alias=True) | {"challenger": {"version": 3}}
    world.spec = world.spec.model_validate(spec)
    world.step(seconds=1)
    assert world.weight == 0
    world.until("Splitting")
    assert world.status.rollout
    assert world.status.rollout.to.version == 3
    assert world.status.rejected == ()


def test_a_pin_of_the_champion_takes_the_traffic_back_from_its_challenger() -> None:
    world = comparing_world()
    spec = world.spec.model_dump(by_alias=True) | {"champion": {"version": 1}}
    world.spec = world.spec.model_validate(spec)
    world.step(seconds=1)
    assert world.weight == 0
    world.settle()
    assert (world.status.phase, world.status.rejected) == ("Serving", ())


def test_a_version_that_goes_before_its_stage_was_seen_is_withdrawn() -> None:
    world = serving_world(rollout={"steps": STEPS})
    world.add(2)
    world.until("Preparing")
    world.routers_follow = False
    world.until("Splitting")
    world.versions.pop()
    world.step(seconds=1)
    assert world.status.phase == "RollingBack"


@pytest.mark.parametrize(
    ("asked", "known"),
    [
        ({"header": "x-user-id"}, ("x-user-id", "")),
        ({"cookie": {"name": "group"}}, ("", "group")),
    ],
)
def test_users_stay_with_a_version_while_the_traffic_is_split(
    asked: dict[str, object], known: tuple[str, str]
) -> None:
    world = comparing_world(sticky=asked)
    sticky = serving_plan.routing(world.observe().service, world.status).sticky
    assert sticky
    assert (sticky.header, sticky.cookie) == known


@pytest.mark.parametrize(
    ("slowest", "seconds"), [(0, 2.0), (1.5, 3.0), (100, 30.0)], ids=["fast", "slow", "endless"]
)
def test_a_try_is_given_what_the_champion_was_seen_to_need(slowest: float, seconds: float) -> None:
    """The champion has no more time for what the challenger fails at, nor has it in the watch."""
    world = serving_world(rollout={"steps": STEPS})
    world.slowest = timedelta(seconds=slowest)
    world.add(2)
    world.until("Splitting")
    given = [serving_plan.routing(world.observe().service, world.status).attempt_timeout]
    world.step(seconds=1)
    world.ask("promoteFull")
    world.until("Watching")
    given.append(serving_plan.routing(world.observe().service, world.status).attempt_timeout)
    assert given == [timedelta(seconds=seconds)] * 2


def test_latency_is_left_out_where_the_user_says_so() -> None:
    world = comparing_world(limits={"maxLatencyRatio": "0"})
    slow = Counts(tries=2000, latency=(0,) * 60 + (2000,))
    world.pending = Tally(champion=Counts(tries=2000, latency=(0, 2000)), challenger=slow)
    world.step(seconds=12)
    assert world.weight == 50


def test_nonsense_in_the_watch_is_rolled_back() -> None:
    world = serving_world()
    world.add(2)
    world.until("Watching")
    world.pending = Tally(challenger=Counts(tries=500, non_finite=500, latency=(0, 500)))
    world.step(seconds=1)
    world.step(seconds=1)
    assert world.status.rejected[0].reason == "NonFiniteAnswers"


def test_an_edit_of_the_steps_applies_from_the_next_step_on() -> None:
    world = comparing_world()
    spec = world.spec.model_dump(by_alias=True)
    spec["rollout"]["steps"] = [{"weight": 5}, {"weight": 25, "minRequests": 1}]
    world.spec = world.spec.model_validate(spec)
    world.step(seconds=1)
    assert world.weight == 10, "what was given is not taken back"
    world.serve(champion=(900, 0), challenger=(100, 0), seconds=12)
    assert world.weight == 25


def test_counts_are_written_down_every_few_seconds_and_verdicts_at_once() -> None:
    world = comparing_world()
    world.serve(champion=(9, 0), challenger=(1, 0))
    written = world.status
    world.serve(champion=(9, 0), challenger=(1, 0))
    assert world.status == written, "nothing follows from one more request"
    world.serve(champion=(9, 0), challenger=(60, 0))
    assert world.status != written, "the minimum of requests was reached"


def test_a_restart_of_the_operator_loses_nothing_that_was_written() -> None:
    world = comparing_world()
    world.serve(champion=(90, 0), challenger=(60, 0), seconds=6)
    world.pending = Tally()
    world.step(seconds=6)
    assert world.status.rollout
    assert world.status.rollout.stage
    assert world.status.rollout.stage.weight == 50


def test_a_new_champion_that_fails_in_its_watch_is_rolled_back() -> None:
    world = comparing_world()
    prove(world)
    world.until("Watching")
    world.serve(challenger=(1000, 900))
    assert world.answering == digest("1")
    world.step(seconds=1)
    assert world.status.rejected[0].reason == "ErrorRateTooHigh"
    assert [reign.reason for reign in world.status.history] == [
        "RolledBack",
        "Promoted",
        "FirstVersion",
    ]


def test_a_takeover_without_stages_is_watched_against_the_margin_alone() -> None:
    world = serving_world()
    world.add(2)
    world.until("Watching")
    world.serve(challenger=(1000, 0))
    assert world.answering == digest("2")
    world.serve(challenger=(1000, 500))
    assert world.answering == digest("1")


def test_nothing_returns_to_a_broken_version() -> None:
    world = serving_world()
    world.add(2)
    world.until("Watching")
    world.down(digest("1"))
    world.serve(challenger=(1000, 900))
    assert world.answering == digest("2")
    assert world.status.rollout
    assert "cannot return" in world.status.rollout.waiting_for


def test_the_history_says_who_answered_when_and_why() -> None:
    world = comparing_world()
    prove(world)
    world.settle()
    newest, first = world.status.history
    assert (first.version, first.reason, first.until) == (1, "FirstVersion", newest.since)
    assert (newest.version, newest.reason, newest.until) == (2, "Promoted", None)
    assert any("%" in reading for reading in newest.evidence)
