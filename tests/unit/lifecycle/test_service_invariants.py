"""Whatever happens in whatever order: what must always be so of an InferenceService."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from regnant.api.inference_service import InferenceServiceSpec
from regnant.lifecycle import serving_plan
from regnant.lifecycle.diagnosis import Fault
from regnant.lifecycle.serving_state import ServerHealth
from tests.unit.lifecycle.worlds import ServiceWorld

ROLLOUTS: tuple[dict[str, object], ...] = (
    {},
    {"shadow": {"minRequests": 20}},
    {"steps": [{"weight": 10, "minRequests": 5, "minDuration": "2s"}, {"weight": 50}]},
    {
        "shadow": {"minRequests": 5, "maxDuration": "60s"},
        "steps": [{"weight": 25, "minRequests": 5, "maxDuration": "120s", "approval": "Manual"}],
        "onInconclusive": "Promote",
        "onNewVersion": "Supersede",
    },
    {"steps": [{"weight": 100, "maxDuration": "90s"}], "onInconclusive": "Reject", "paused": True},
)
ACTIONS = ("promote", "promoteFull", "abort", "pause", "resume", "rollback", "retry")
FAULTS = (
    None,
    Fault("Crashed", "exit code 1", restarts=4),
    Fault("GoldenMismatch", "row 1 differs", final=True),
    Fault("Unschedulable", "no node"),
)


class ServiceMachine(RuleBasedStateMachine):
    """Versions come and go, servers and routers fail, the operator is killed between writes."""

    def __init__(self) -> None:
        super().__init__()
        self.world = ServiceWorld()
        self.next_version = 1
        self.proven: set[str] = set()
        self.reigned = False
        self.tried: list[tuple[str, str]] = []

    @rule(bundle=st.sampled_from("abcdef"), wrong=st.booleans())
    def register(self, bundle: str, wrong: bool) -> None:
        added = self.world.add(self.next_version, bundle)
        self.next_version += 1
        if wrong and added not in self.proven:
            self.world.wrong.add(added)

    @precondition(lambda self: self.world.versions)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        self.world.versions.remove(data.draw(st.sampled_from(self.world.versions)))

    @rule(data=st.data(), fault=st.sampled_from(FAULTS))
    def break_servers(self, data: st.DataObject, fault: Fault | None) -> None:
        running = sorted(serving_plan.running(self.world.status))
        if running:
            self.world.health[data.draw(st.sampled_from(running))] = ServerHealth(1, 0, fault)

    @rule()
    def heal(self) -> None:
        self.world.health.clear()

    @rule(follow=st.booleans())
    def routers(self, follow: bool) -> None:
        self.world.routers_follow = follow

    @rule(
        pin=st.none() | st.integers(1, 6),
        challenger=st.none() | st.integers(1, 6),
        token=st.sampled_from(["", "x", "y"]),
        rollout=st.sampled_from(ROLLOUTS),
    )
    def edit(
        self, pin: int | None, challenger: int | None, token: str, rollout: dict[str, object]
    ) -> None:
        spec: dict[str, object] = {
            "modelName": "churn",
            "rollout": rollout | {"retryToken": token},
        }
        if pin:
            spec["champion"] = {"version": pin}
        if challenger and challenger != pin:
            spec["challenger"] = {"version": challenger}
        self.world.spec = InferenceServiceSpec.model_validate(spec)

    @rule(
        tries=st.integers(0, 3000),
        champion=st.sampled_from([0.0, 0.001, 0.5]),
        challenger=st.sampled_from([0.0, 0.001, 0.2, 1.0]),
    )
    def users(self, tries: int, champion: float, challenger: float) -> None:
        self._note(before=True)
        self.world.serve(
            champion=(tries, int(tries * champion)), challenger=(tries, int(tries * challenger))
        )
        self._note(before=False)

    @rule(
        action=st.sampled_from(ACTIONS),
        late=st.booleans(),
        version=st.none() | st.integers(1, 6),
    )
    def person(self, action: str, late: bool, version: int | None) -> None:
        refused_before = {one.digest for one in self.world.status.rejected}
        transition = self.world.status.rollout
        outcome = self.world.ask(action, transition="gone-1" if late else None, version=version)
        if late and action not in {"retry", "rollback"}:
            assert outcome == "Refused", "an action for another rollout was done"
            assert (self.world.status.rollout is None) == (transition is None)
        self.tried = [
            one
            for one in self.tried
            if one[1] not in refused_before - {one.digest for one in self.world.status.rejected}
        ]
        self._note(before=False)

    @rule(seconds=st.sampled_from([0, 1, 30, 700]))
    def reconcile(self, seconds: int) -> None:
        self._note(before=True)
        self.world.step(seconds=seconds)
        self._note(before=False)

    @rule()
    def crash_after_the_status_was_written(self) -> None:
        """The operator dies between the status and the children."""
        self._note(before=True)
        self.world.status = self.world.decide().status
        self._note(before=False)

    def _note(self, *, before: bool) -> None:
        observed = self.world.observe()
        if before and observed.verification and observed.verification.passed:
            self.proven.add(observed.verification.digest)
        if not before and self.world.status.rollout:
            opened = (self.world.status.rollout.id, self.world.status.rollout.to.digest)
            if opened not in self.tried:
                self.tried.append(opened)
                refused = {
                    one.digest
                    for one in self.world.status.rejected
                    if one.retry_token == self.world.spec.rollout.retry_token
                }
                assert opened[1] not in refused, "a rejected digest was tried without a new token"

    @invariant()
    def nothing_unproven_answers_users(self) -> None:
        answering = self.world.answering
        assert answering == "" or answering in self.proven

    @invariant()
    def one_champion_once_there_is_one(self) -> None:
        self.reigned = self.reigned or self.world.status.champion is not None
        assert self.reigned == (self.world.status.champion is not None)

    @invariant()
    def what_answers_is_running(self) -> None:
        routing = serving_plan.routing(self.world.observe().service, self.world.status)
        running = serving_plan.running(self.world.status)
        assert routing.champion in {"", *running}
        assert routing.fallback in {"", *running}

    @invariant()
    def only_the_proven_meet_users_or_their_requests(self) -> None:
        routing = serving_plan.routing(self.world.observe().service, self.world.status)
        assert not routing.challenger or routing.challenger in self.proven
        assert routing.challenger != routing.champion or not routing.challenger

    @invariant()
    def the_history_ends_with_who_reigns(self) -> None:
        champion, history = self.world.status.champion, self.world.status.history
        assert bool(champion) == bool(history)
        if champion:
            assert (history[0].digest, history[0].until) == (champion.digest, None)
            assert all(reign.until is not None for reign in history[1:])

    @invariant()
    def shares_sum_to_a_hundred(self) -> None:
        shares = self.world.status.traffic
        assert not shares or sum(share.percent for share in shares) == 100

    @invariant()
    def deciding_again_after_executing_changes_nothing(self) -> None:
        """At the same time and with nothing new seen, a second decision is the first."""
        first = self.world.decide()
        again = self.world.observe()
        from regnant.lifecycle import inference_service

        assert inference_service.decide(again, self.world.now) == first

    @invariant()
    def the_status_is_bounded(self) -> None:
        assert len(self.world.status.model_dump_json()) < 64 * 1024

    def teardown(self) -> None:
        """With faults over and users content, everything settles, and that is the end of it."""
        self.world.health.clear()
        self.world.routers_follow = True
        self.world.content()
        settled = self.world.status
        decision = self.world.step()
        assert decision.status == settled
        assert decision.announce == ()
        assert decision.delete == ()


TestServiceMachine = ServiceMachine.TestCase
TestServiceMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
