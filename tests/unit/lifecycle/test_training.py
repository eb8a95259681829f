"""When a training starts, what becomes of its result, and what never happens twice."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from regnant.api.meta import Metadata
from regnant.api.resources import Resource
from regnant.api.training_pipeline import TrainingPipelineSpec, TrainingPipelineStatus
from regnant.lifecycle import training_pipeline as lifecycle
from regnant.lifecycle.decision import Decision
from regnant.lifecycle.diagnosis import Fault
from regnant.lifecycle.training_pipeline import Observed, Registered
from regnant.lifecycle.training_runs import Job
from tests.unit.lifecycle.worlds import PLATFORM, START, digest


def spec(**changes: Any) -> dict[str, Any]:
    return {
        "modelName": "churn",
        "data": {"uri": "sklearn://iris", "task": "Classification", "target": "target"},
        "trainer": {"sklearn": {"estimator": "sklearn.linear_model.LogisticRegression"}},
    } | changes


def output(letter: str = "a", roc_auc: str = "0.91") -> str:
    return json.dumps(
        {
            "bundle": {"uri": "oci://registry:5000/models/ns/churn", "digest": digest(letter)},
            "metrics": [{"name": "roc_auc", "value": roc_auc}],
            "interface": {},
            "lineage": {"rows": 150},
            "parity": {"rows": 1000, "maxDifference": "3e-7"},
        }
    )


@dataclass
class PipelineWorld:
    """One TrainingPipeline, its Job and its model line."""

    spec: dict[str, Any] = field(default_factory=spec)
    status: TrainingPipelineStatus = field(default_factory=TrainingPipelineStatus)
    jobs: dict[str, Job] = field(default_factory=dict)
    created: list[str] = field(default_factory=list)
    versions: dict[str, Registered] = field(default_factory=dict)
    announced: list[str] = field(default_factory=list)
    older: str = ""
    obstacle: Fault | None = None
    now: datetime = START

    def observe(self) -> Observed:
        run = self.status.run
        return Observed(
            pipeline=Resource(
                Metadata(name="churn", namespace="ns", uid="u", generation=1),
                TrainingPipelineSpec.model_validate(self.spec),
                self.status,
            ),
            platform=PLATFORM,
            job=self.jobs.get(run.job) if run else None,
            past_jobs=tuple(reversed(self.created)),
            versions=tuple(self.versions.values()),
            older_pipeline=self.older,
            obstacle=self.obstacle,
        )

    def step(self) -> Decision[TrainingPipelineStatus]:
        self.now += timedelta(seconds=1)
        decision = lifecycle.decide(self.observe(), self.now)
        self.status = decision.status
        for manifest in decision.apply:
            name = manifest["metadata"]["name"]
            if manifest["kind"] == "Job" and name not in self.jobs:
                self.jobs[name] = Job(name, "Active")
                self.created.append(name)
            if manifest["kind"] == "ModelVersion":
                made = manifest["spec"]
                self.versions.setdefault(
                    name, Registered(name, made["version"], made["artifact"]["digest"])
                )
        for child in decision.delete:
            if child.kind == "Job" and child.name in self.jobs:
                del self.jobs[child.name]
                self.created.remove(child.name)
        self.announced.extend(one.reason for one in decision.announce)
        return decision

    def run(self, steps: int = 5) -> None:
        for _ in range(steps):
            self.step()

    def finish(self, text: str | None = None) -> None:
        assert self.status.run
        name = self.status.run.job
        self.jobs[name] = Job(name, "Complete", output=output() if text is None else text)

    def fail(self, reason: str = "", fault: Fault | None = None) -> None:
        assert self.status.run
        name = self.status.run.job
        self.jobs[name] = Job(name, "Failed", reason=reason, fault=fault)

    def edit(self, **changes: Any) -> None:
        self.spec = {**self.spec, **changes}

    def ready(self) -> tuple[str, str, str]:
        condition = self.status.condition("Ready")
        assert condition
        return condition.status, condition.reason, condition.message


def trained_world() -> PipelineWorld:
    world = PipelineWorld()
    world.step()
    world.finish()
    world.run()
    assert world.status.phase == "Registered"
    return world


def test_new_inputs_take_a_number_before_the_job_exists() -> None:
    world = PipelineWorld()
    decision = lifecycle.decide(world.observe(), START)
    assert decision.status.run
    assert decision.status.last_version == 1
    kinds = [manifest["kind"] for manifest in decision.apply]
    assert kinds == ["ConfigMap", "Job"]
    assert {manifest["metadata"]["name"] for manifest in decision.apply} == {"churn-1"}


def test_a_job_that_somebody_deleted_is_made_again_under_the_same_number() -> None:
    world = PipelineWorld()
    world.step()
    world.jobs.clear()
    world.step()
    assert list(world.jobs) == ["churn-1"]
    assert world.status.last_version == 1


def test_a_result_is_registered_under_the_number_of_its_run() -> None:
    world = trained_world()
    assert world.versions == {"churn-1": Registered("churn-1", 1, digest("a"))}
    assert world.status.latest_model_version == "churn-1"
    assert world.ready() == ("True", "Registered", "churn-1 is registered with roc_auc 0.91")


def test_the_same_inputs_are_not_trained_twice() -> None:
    world = trained_world()
    world.run()
    assert world.created == ["churn-1"]


def test_a_run_token_trains_again() -> None:
    world = trained_world()
    world.edit(runToken="monday")
    world.run()
    assert world.created == ["churn-1", "churn-2"]


def test_returning_to_earlier_inputs_runs_nothing_and_says_so() -> None:
    world = trained_world()
    world.edit(runToken="monday")
    world.step()
    world.finish(output("b"))
    world.run()
    world.edit(runToken="")
    world.run()
    assert world.created == ["churn-1", "churn-2"]
    status, reason, message = world.ready()
    assert (status, reason) == ("True", "AlreadyTrained")
    assert "churn-1" in message
    assert "runToken" in message


def test_a_changed_resource_limit_trains_nothing() -> None:
    world = trained_world()
    world.edit(resources={"requests": {"cpu": "2"}}, activeDeadlineSeconds=60)
    world.run()
    assert world.created == ["churn-1"]


def test_changed_inputs_supersede_a_run_that_is_on_its_way() -> None:
    world = PipelineWorld()
    world.step()
    world.edit(runToken="b")
    world.run()
    assert world.created == ["churn-2"]
    assert [(past.version, past.state) for past in world.status.history] == [(1, "Superseded")]
    world.edit(runToken="")
    world.run()
    assert world.created == ["churn-3"], "inputs whose run was superseded were never trained"


def test_a_version_number_that_is_taken_by_hand_is_skipped() -> None:
    world = PipelineWorld()
    world.versions["churn-7"] = Registered("churn-7", 7, digest("f"))
    world.step()
    assert world.created == ["churn-8"]


def test_progress_shows_while_it_runs() -> None:
    world = PipelineWorld()
    world.step()
    world.jobs["churn-1"] = Job("churn-1", "Active", running=True, stage="Exporting")
    decision = world.step()
    assert world.status.phase == "Training"
    assert world.ready()[2] == "churn-1: Exporting"
    assert world.status.condition("Trained").status == "True"  # type: ignore[union-attr]
    assert world.status.condition("Exported").status == "Unknown"  # type: ignore[union-attr]
    assert decision.requeue_after is not None


def test_a_pod_that_just_ended_is_no_step_back() -> None:
    world = PipelineWorld()
    world.step()
    world.jobs["churn-1"] = Job("churn-1", "Active", running=True)
    world.step()
    world.jobs["churn-1"] = Job("churn-1", "Active")
    world.step()
    assert world.status.phase == "Training"
    assert world.announced == ["RunStarted", "Training"]


def test_an_image_that_cannot_be_pulled_is_said_while_it_waits() -> None:
    world = PipelineWorld()
    world.step()
    fault = Fault("ImagePullFailed", "no such image")
    world.jobs["churn-1"] = Job("churn-1", "Active", fault=fault)
    world.run()
    assert world.ready()[:2] == ("False", "ImagePullFailed")
    assert world.status.condition("Reconciling").status == "True"  # type: ignore[union-attr]
    assert world.announced.count("ImagePullFailed") == 1


def test_a_failed_run_says_why_at_the_step_where_it_failed() -> None:
    world = PipelineWorld()
    world.step()
    fault = Fault("TargetMissing", "data.target: no column x", final=True, stage="ValidatingData")
    world.fail(fault=fault)
    world.run()
    assert world.ready() == ("False", "TargetMissing", "churn-1 failed: data.target: no column x")
    valid = world.status.condition("DataValid")
    assert valid
    assert (valid.status, valid.reason) == ("False", "TargetMissing")
    assert world.status.condition("Stalled").status == "True"  # type: ignore[union-attr]
    assert world.created == ["churn-1"]
    assert world.versions == {}


def test_a_run_past_its_deadline_names_the_field() -> None:
    world = PipelineWorld()
    world.step()
    world.fail("DeadlineExceeded")
    world.run()
    status, reason, message = world.ready()
    assert (status, reason) == ("False", "DeadlineExceeded")
    assert "activeDeadlineSeconds" in message


def test_a_result_that_cannot_be_read_fails_the_run() -> None:
    world = PipelineWorld()
    world.step()
    world.finish('{"bundle": {"uri": "nonsense"}}')
    world.run()
    assert world.ready()[1] == "OutputInvalid"
    assert world.versions == {}


def test_a_missed_gate_registers_nothing_and_a_loosened_one_needs_no_training() -> None:
    world = PipelineWorld(
        spec=spec(evaluation={"gates": [{"metric": "roc_auc", "minimum": "0.95"}]})
    )
    world.step()
    world.finish()
    world.run()
    status, reason, message = world.ready()
    assert (status, reason) == ("False", "GateNotMet")
    assert "roc_auc is 0.91, and at least 0.95" in message
    assert world.versions == {}
    assert world.status.phase == "Refused"
    world.edit(evaluation={"gates": [{"metric": "roc_auc", "minimum": "0.90"}]})
    world.run()
    assert list(world.versions) == ["churn-1"]
    assert world.created == ["churn-1"]


def test_a_gate_on_a_metric_that_was_not_reported_does_not_pass() -> None:
    world = PipelineWorld(spec=spec(evaluation={"gates": [{"metric": "f1", "maximum": "1"}]}))
    world.step()
    world.finish()
    world.run()
    assert "f1 was not reported" in world.ready()[2]


def test_a_deleted_model_version_is_not_registered_again() -> None:
    world = trained_world()
    world.versions.clear()
    world.run()
    assert world.versions == {}


def test_a_version_of_another_digest_under_the_same_name_is_not_overwritten() -> None:
    world = PipelineWorld()
    world.step()
    world.versions["churn-1"] = Registered("churn-1", 1, digest("f"))
    world.finish()
    world.run()
    assert world.ready()[1] == "VersionTaken"
    assert world.versions["churn-1"].digest == digest("f")


def test_a_second_pipeline_of_a_model_line_is_refused() -> None:
    world = PipelineWorld(older="first")
    world.run()
    assert world.created == []
    assert world.ready()[1] == "ModelNameTaken"
    assert "first" in world.ready()[2]


def test_what_the_cluster_refuses_is_said() -> None:
    world = PipelineWorld(obstacle=Fault("AlreadyExists", "Job churn-1 exists"))
    world.run()
    assert world.ready()[:2] == ("False", "AlreadyExists")


def test_old_jobs_beyond_the_history_limit_are_removed() -> None:
    world = PipelineWorld(spec=spec(historyLimit=2))
    for number in range(6):
        world.edit(runToken=str(number))
        world.step()
        world.finish(output("abcdef"[number]))
        world.run()
    assert world.created == ["churn-4", "churn-5", "churn-6"]
    assert len(world.versions) == 6


def test_a_pipeline_being_deleted_is_left_alone() -> None:
    world = trained_world()
    observed = world.observe()
    dying = observed.pipeline.metadata.model_copy(update={"deletion_timestamp": world.now})
    gone = replace(observed, pipeline=replace(observed.pipeline, metadata=dying))
    decision = lifecycle.decide(gone, world.now)
    assert decision == Decision(world.status)


class PipelineMachine(RuleBasedStateMachine):
    """Inputs change, Jobs end in every way, objects vanish, the operator is killed."""

    def __init__(self) -> None:
        super().__init__()
        self.world = PipelineWorld()
        self.trained: dict[str, int] = {}

    @rule(token=st.sampled_from("abc"))
    def edit(self, token: str) -> None:
        self.world.edit(runToken=token)

    @rule(minimum=st.sampled_from(["0.5", "0.99"]))
    def gate(self, minimum: str) -> None:
        self.world.edit(evaluation={"gates": [{"metric": "roc_auc", "minimum": minimum}]})

    @rule()
    def reconcile(self) -> None:
        self.world.step()

    @rule()
    def crash_after_the_status_was_written(self) -> None:
        self.world.status = lifecycle.decide(self.world.observe(), self.world.now).status

    @precondition(
        lambda self: self.world.status.run and self.world.status.run.job in self.world.jobs
    )
    @rule(how=st.sampled_from(["well", "badly", "unreadable"]))
    def end(self, how: str) -> None:
        run = self.world.status.run
        assert run
        if run.job not in self.world.jobs or self.world.jobs[run.job].outcome != "Active":
            return
        if how == "well":
            self.trained[run.inputs_digest] = self.trained.get(run.inputs_digest, 0) + 1
            self.world.finish()
        elif how == "badly":
            self.trained[run.inputs_digest] = self.trained.get(run.inputs_digest, 0) + 1
            self.world.fail(fault=Fault("Crashed", "exit code 1"))
        else:
            self.world.finish("not JSON")

    @invariant()
    def deciding_again_changes_nothing(self) -> None:
        observed = self.world.observe()
        first = lifecycle.decide(observed, self.world.now)
        again = replace(observed, pipeline=replace(observed.pipeline, status=first.status))
        second = lifecycle.decide(again, self.world.now)
        if not first.apply and not first.delete:
            assert second.status == first.status
            assert second.announce == ()

    @invariant()
    def versions_are_only_made_by_runs_that_passed(self) -> None:
        assert set(self.world.versions) <= {f"churn-{n}" for n in range(1, 100)}
        assert len({one.version for one in self.world.versions.values()}) == len(
            self.world.versions
        )

    @invariant()
    def the_last_number_never_falls(self) -> None:
        numbers = [int(name.rsplit("-", 1)[1]) for name in self.world.created]
        assert all(number <= self.world.status.last_version for number in numbers)

    def teardown(self) -> None:
        for _ in range(20):
            run = self.world.status.run
            if run and run.job in self.world.jobs and self.world.jobs[run.job].outcome == "Active":
                self.world.finish()
            if self.world.step().requeue_after is None:
                return
        raise AssertionError(f"did not settle: {self.world.status}")


TestPipelineMachine = PipelineMachine.TestCase
TestPipelineMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
