"""The operator's process: its start, its end, and the right to act."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from regnant.api.meta import Kind
from regnant.cluster.client import Cluster
from regnant.cluster.connection import Kubeconfig
from regnant.cluster.errors import ConflictError
from regnant.cluster.kinds import Ref
from regnant.controllers.queue import Key
from regnant.handlers.process import LEASE
from regnant.handlers.settings import Settings
from tests.component.handlers.operators import Operator, Recorder, operating, settings
from tests.component.objects import service


@pytest.fixture
def given(
    access: Kubeconfig, namespace: str, unused_tcp_port_factory: Callable[[], int]
) -> Settings:
    ports = (unused_tcp_port_factory(), unused_tcp_port_factory())
    return settings(access, f"--namespace={namespace}", ports=ports)


def replica(given: Settings, name: str, namespace: str, port: Callable[[], int]) -> Settings:
    """One of several replicas, whose Lease is in the namespace."""
    return replace(
        given,
        identity=name,
        home=namespace,
        leader_elect=True,
        health_port=port(),
        metrics_port=port(),
    )


async def test_the_end_waits_for_what_is_being_worked_on(
    cluster: Cluster, namespace: str, given: Settings
) -> None:
    recorder = Recorder()
    begun = asyncio.Event()
    home = asyncio.get_running_loop()

    async def work(_: Key) -> None:
        home.call_soon_threadsafe(begun.set)
        await asyncio.sleep(2)

    recorder.work = work
    await cluster.create(service(namespace))
    async with operating(given, recorder) as operator:
        async with asyncio.timeout(60):
            await begun.wait()
        assert await operator.stop() == 0
    await recorder.log.until((Kind.INFERENCE_SERVICE, namespace, "churn"), 1)


async def test_a_key_that_is_stuck_makes_the_process_unhealthy(
    cluster: Cluster, namespace: str, given: Settings
) -> None:
    recorder = Recorder()
    release = asyncio.Event()

    async def work(_: Key) -> None:
        await release.wait()

    recorder.work = work
    impatient = replace(given, stuck_after=timedelta(0), drain=timedelta(0))
    async with operating(impatient, recorder) as operator:
        assert await operator.ask("/healthz") == 200
        await cluster.create(service(namespace))
        async with asyncio.timeout(60):
            # Health can only be asked.
            while await operator.ask("/healthz") == 200:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert await operator.ask("/healthz") == 503


async def test_a_standby_is_ready_but_acts_only_when_the_leader_has_gone(
    cluster: Cluster,
    namespace: str,
    given: Settings,
    unused_tcp_port_factory: Callable[[], int],
) -> None:
    churn = (Kind.INFERENCE_SERVICE, namespace, "churn")
    await cluster.create(service(namespace))
    one = replica(given, "one", namespace, unused_tcp_port_factory)
    two = replica(given, "two", namespace, unused_tcp_port_factory)
    leader, standby = Recorder(), Recorder()
    async with operating(one, leader) as leading, operating(two, standby):
        await leader.log.until(churn, 1)
        assert not standby.log.counts
        await leading.stop()
        await standby.log.until(churn, 1)
    lease = await cluster.get(Ref("Lease", namespace, LEASE))
    assert lease is not None
    assert lease["spec"]["holderIdentity"] == ""


async def test_an_operator_that_lost_its_lease_stops_working_and_fails(
    cluster: Cluster,
    namespace: str,
    given: Settings,
    unused_tcp_port_factory: Callable[[], int],
) -> None:
    await cluster.create(service(namespace))
    recorder = Recorder()
    one = replica(given, "one", namespace, unused_tcp_port_factory)
    async with operating(one, recorder) as operator:
        await recorder.log.until((Kind.INFERENCE_SERVICE, namespace, "churn"), 1)
        await _usurp(cluster, Ref("Lease", namespace, LEASE))
        assert await operator.join() == 1


async def test_a_signal_ends_the_real_process_well_and_nothing_is_left_behind(
    cluster: Cluster, namespace: str, given: Settings
) -> None:
    assert isinstance(given.access, Kubeconfig)
    await cluster.create(service(namespace))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        # What kopf closes is closed with the process: nothing waits for that.
        *("-W", "error", "-W", "ignore::ResourceWarning", "-m", "regnant.handlers"),
        *("--trainer-image=t", "--server-image=s", "--router-image=r"),
        "--store-uri=oci://registry.test:5000/models",
        f"--kubeconfig={given.access.path}",
        f"--context={given.access.context}",
        f"--namespace={namespace}",
        f"--health-port={given.health_port}",
        f"--metrics-port={given.metrics_port}",
        env={**os.environ, "PYTHONASYNCIODEBUG": "0"},
        stderr=asyncio.subprocess.PIPE,
    )
    operator = Operator(given, Recorder())
    log = asyncio.create_task(process.communicate())
    try:
        async with asyncio.timeout(120):
            while await operator.ask("/readyz") != 200 or not await _phase(cluster, namespace):
                assert not log.done(), (await log)[1].decode()
                await asyncio.sleep(0.1)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            _, errors = await log
        print(errors.decode())
    assert process.returncode == 0, errors.decode()
    assert b"Traceback" not in errors, errors.decode()
    live = await cluster.get(Ref("InferenceService", namespace, "churn"))
    assert live is not None
    assert "finalizers" not in live["metadata"]
    assert "annotations" not in live["metadata"]


async def _phase(cluster: Cluster, namespace: str) -> str:
    live = await cluster.get(Ref("InferenceService", namespace, "churn"))
    return str((live or {}).get("status", {}).get("phase", ""))


async def _usurp(cluster: Cluster, target: Ref) -> None:
    """Take a Lease though its holder keeps renewing it."""
    while True:
        lease = await cluster.get(target)
        assert lease is not None
        spec = {**lease["spec"], "holderIdentity": "usurper", "leaseDurationSeconds": 3600}
        with contextlib.suppress(ConflictError):
            await cluster.replace({**lease, "spec": spec})
            return
