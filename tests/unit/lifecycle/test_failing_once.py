"""A run that cannot succeed any more ends at once, and its user is warned exactly once."""

from __future__ import annotations

import pytest

from regnant.lifecycle.decision import Announcement
from regnant.lifecycle.diagnosis import Fault
from regnant.lifecycle.training_runs import Job
from tests.unit.lifecycle.test_training import PipelineWorld


@pytest.mark.parametrize(
    "fault",
    [
        Fault("TargetMissing", "data.target: no such column", final=True),
        Fault("OutOfMemory", "container trainer used more memory than its limit"),
    ],
)
def test_a_fault_that_no_retry_can_mend_ends_the_run_before_its_job_is_marked(
    fault: Fault,
) -> None:
    world = PipelineWorld()
    world.step()
    world.jobs["churn-1"] = Job("churn-1", "Active", fault=fault)
    decision = world.step()
    assert world.ready()[:2] == ("False", fault.reason)
    assert [(one.type, one.reason) for one in decision.announce] == [("Warning", fault.reason)]
    world.fail("PodFailurePolicy", fault)
    assert world.step().announce == ()


def test_giving_up_is_told_even_when_the_reason_was_told_while_it_was_retried() -> None:
    world = PipelineWorld()
    world.step()
    crash = Fault("Crashed", "container trainer ended with exit code 1", restarts=0)
    world.jobs["churn-1"] = Job("churn-1", "Active", fault=crash)
    assert [one.type for one in world.step().announce] == ["Normal"]
    world.fail("BackoffLimitExceeded", crash)
    told = world.step().announce
    assert told == (Announcement("Warning", "Crashed", world.ready()[2]),)


def test_what_an_earlier_try_died_of_is_not_told_while_the_next_one_works() -> None:
    world = PipelineWorld()
    world.step()
    away = Fault("DataUnavailable", "data.uri: https://lake/x.csv answered 503")
    world.jobs["churn-1"] = Job("churn-1", "Active", fault=away)
    world.step()
    assert world.ready()[1] == "DataUnavailable"
    world.jobs["churn-1"] = Job("churn-1", "Active", running=True, stage="Training", fault=away)
    world.step()
    assert world.ready()[1:] == ("Training", "churn-1: Training")
