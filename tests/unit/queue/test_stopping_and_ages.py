"""How the queue ends, and what it says of itself for liveness and for Prometheus."""

from __future__ import annotations

import asyncio

from prometheus_client import CollectorRegistry

from regnant.api.meta import Kind
from regnant.controllers.metrics import ResourceMetrics
from tests.unit.queue.virtual_time import run
from tests.unit.queue.workshop import Outcome, Workshop, key, seconds

SERVICE = {"name": "InferenceService"}


def test_a_drain_finishes_what_is_being_worked_on_and_drops_the_rest() -> None:
    async def scenario() -> tuple[Workshop, bool]:
        shop = Workshop(concurrency=1)
        shop.script[key("a")].append(Outcome(takes=5))
        shop.queue.start()
        shop.change(key("a"))
        shop.change(key("b"))
        await asyncio.sleep(1)
        shop.change(key("a"))
        finished = await shop.queue.drain(seconds(20))
        shop.change(key("c"))
        await asyncio.sleep(100)
        return shop, finished

    shop, finished = run(scenario())
    assert finished
    assert shop.finished == {key("a"): 1}
    assert not shop.queue.running


def test_a_drain_cancels_what_outlasts_its_deadline() -> None:
    async def scenario() -> tuple[Workshop, bool]:
        shop = Workshop()
        shop.script[key("a")].append(Outcome(takes=500))
        shop.queue.start()
        shop.change(key("a"))
        await asyncio.sleep(1)
        return shop, await shop.queue.drain(seconds(20))

    shop, finished = run(scenario())
    assert not finished
    assert not shop.finished
    assert not shop.busy


def test_a_key_that_failed_while_draining_is_not_tried_again() -> None:
    async def scenario() -> Workshop:
        shop = Workshop()
        shop.script[key("a")].append(Outcome(takes=5, fails=True))
        shop.queue.start()
        shop.change(key("a"))
        await asyncio.sleep(1)
        await shop.queue.drain(seconds(20))
        await asyncio.sleep(1000)
        return shop

    assert run(scenario()).times(key("a")) == [0.0]


def test_the_age_of_the_oldest_key_counts_waiting_and_working() -> None:
    async def scenario() -> tuple[float, float, float]:
        shop = Workshop(concurrency=1)
        shop.script[key("a")].append(Outcome(takes=10))
        shop.queue.start()
        idle = shop.queue.oldest_unfinished_age()
        shop.change(key("a"))
        await asyncio.sleep(3)
        shop.change(key("b"))
        await asyncio.sleep(4)
        stuck = shop.queue.oldest_unfinished_age()
        await asyncio.sleep(100)
        after = shop.queue.oldest_unfinished_age()
        return idle.total_seconds(), stuck.total_seconds(), after.total_seconds()

    assert run(scenario()) == (0.0, 7.0, 0.0)


def test_a_key_that_keeps_failing_does_not_make_the_loop_look_stuck() -> None:
    async def scenario() -> tuple[float, float | None]:
        shop = Workshop()
        shop.script[key("a")].extend([Outcome(fails=True)] * 100)
        shop.queue.start()
        shop.change(key("a"))
        await asyncio.sleep(1000)
        age = shop.queue.oldest_unfinished_age().total_seconds()
        return age, shop.metric("regnant_oldest_unreconciled_seconds", kind="InferenceService")

    assert run(scenario()) == (0.0, 1000.0)


def test_the_queue_is_counted_by_the_names_of_controller_runtime() -> None:
    async def scenario() -> None:
        shop = Workshop(concurrency=1)
        shop.script[key("a")].extend([Outcome(takes=4, fails=True), Outcome(takes=50)])
        shop.queue.start()
        shop.change(key("a"))
        shop.change(key("b"))
        shop.change(key("c"))
        await asyncio.sleep(3)
        assert shop.metric("workqueue_depth", **SERVICE) == 2
        assert shop.metric("workqueue_longest_running_processor_seconds", **SERVICE) == 3
        assert shop.metric("workqueue_unfinished_work_seconds", **SERVICE) == 3
        await asyncio.sleep(500)
        assert shop.metric("workqueue_depth", **SERVICE) == 0
        assert shop.metric("workqueue_adds_total", **SERVICE) == 4
        assert shop.metric("workqueue_retries_total", **SERVICE) == 1
        assert shop.metric("workqueue_queue_duration_seconds_count", **SERVICE) == 4
        assert shop.metric("workqueue_work_duration_seconds_sum", **SERVICE) == 54
        kind = {"kind": "InferenceService"}
        assert shop.metric("regnant_reconcile_total", **kind, result="error") == 1
        assert shop.metric("regnant_reconcile_total", **kind, result="success") == 3
        assert shop.metric("regnant_reconcile_errors_total", **kind) == 1

    run(scenario())


def test_resources_are_counted_by_the_phase_that_they_are_in_now() -> None:
    registry = CollectorRegistry()
    metrics = ResourceMetrics(registry)
    kind = Kind.MODEL_VERSION
    metrics.seen(kind, "team", "a-1", phase="Registered")
    metrics.seen(kind, "team", "a-2", phase="Registered")
    metrics.seen(kind, "team", "a-1", phase="Serving")
    metrics.gone(kind, "team", "a-2")
    metrics.gone(kind, "team", "never-seen")
    counted = {
        phase: registry.get_sample_value(
            "regnant_resources", {"kind": "ModelVersion", "phase": phase}
        )
        for phase in ("Registered", "Serving")
    }
    assert counted == {"Registered": 0, "Serving": 1}
