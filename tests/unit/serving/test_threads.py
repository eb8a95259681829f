"""How many threads an inference may use, and where it runs."""

from __future__ import annotations

import json
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from regnant.serving.cost import Cost
from regnant.serving.cpus import usable_cpus
from regnant.serving.settings import Limits
from tests.unit.serving.bundles import (
    gathering_bundle,
    looping_bundle,
    slow_bundle,
    tensor,
)
from tests.unit.serving.running_server import INFER, LOOPBACK, running_server
from tests.unit.serving.test_connections import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.serving.running_server import RunningServer

ENDLESS = 10**15
"""Turns of a loop; they take years."""


def write(root: Path, path: str, content: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)


@pytest.fixture
def processors(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host of 64 processors."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(64)))


@pytest.mark.usefixtures("processors")
@pytest.mark.parametrize(
    ("limit", "threads"),
    [("max 100000", 64), ("400000 100000", 4), ("150000 100000", 1), ("20000 100000", 1)],
)
def test_the_limit_of_cgroup_v2_counts(tmp_path: Path, limit: str, threads: int) -> None:
    write(tmp_path, "proc/self/cgroup", "0::/\n")
    write(tmp_path, "sys/fs/cgroup/cpu.max", f"{limit}\n")
    assert usable_cpus(tmp_path) == threads


@pytest.mark.usefixtures("processors")
def test_a_limit_of_a_group_above_counts_too(tmp_path: Path) -> None:
    write(tmp_path, "proc/self/cgroup", "0::/kubepods/pod1/container\n")
    write(tmp_path, "sys/fs/cgroup/kubepods/pod1/container/cpu.max", "max 100000\n")
    write(tmp_path, "sys/fs/cgroup/kubepods/pod1/cpu.max", "300000 100000\n")
    assert usable_cpus(tmp_path) == 3


@pytest.mark.usefixtures("processors")
@pytest.mark.parametrize("group", ["", "kubepods/pod1/"])
@pytest.mark.parametrize(("quota", "threads"), [("-1", 64), ("250000", 2)])
def test_the_limit_of_cgroup_v1_counts(
    tmp_path: Path, group: str, quota: str, threads: int
) -> None:
    write(tmp_path, "proc/self/cgroup", "4:memory:/x\n3:cpuacct,cpu:/kubepods/pod1\n")
    write(tmp_path, f"sys/fs/cgroup/cpu,cpuacct/{group}cpu.cfs_quota_us", f"{quota}\n")
    write(tmp_path, f"sys/fs/cgroup/cpu,cpuacct/{group}cpu.cfs_period_us", "100000\n")
    assert usable_cpus(tmp_path) == threads


@pytest.mark.usefixtures("processors")
def test_without_a_limit_the_processors_count(tmp_path: Path) -> None:
    assert usable_cpus(tmp_path) == 64


def test_a_cost_grows_by_the_row() -> None:
    cost = Cost(first=3.0, row=2.0)
    assert [cost.of(rows) for rows in (0, 1, 2, 11)] == [3.0, 3.0, 5.0, 23.0]


def test_a_long_inference_leaves_the_event_loop(tmp_path: Path) -> None:
    with running_server(slow_bundle(tmp_path)) as server:
        answer = server.infer({"inputs": [tensor("size", "INT64", [1], [3])]})
        names = {thread.name for thread in threading.enumerate()}
    assert answer.status_code == 200
    assert any(name.startswith("inference") for name in names)


def turns(count: int) -> dict[str, Any]:
    return {"inputs": [tensor("turns", "INT64", [1], [count])]}


def post(server: RunningServer, count: int) -> socket.socket:
    """Ask for so many turns of a loop, and do not wait for the answer."""
    body = json.dumps(turns(count))
    head = f"POST {INFER} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n"
    raw = socket.create_connection((LOOPBACK, server.port), timeout=20)
    raw.sendall(head.encode() + body.encode())
    return raw


def test_a_graph_with_loops_never_runs_on_the_event_loop(tmp_path: Path) -> None:
    with running_server(looping_bundle(tmp_path)) as server:
        answer = server.infer(turns(7))
        names = {thread.name for thread in threading.enumerate()}
    assert answer.json()["outputs"][0]["data"] == [14.0]
    assert any(name.startswith("inference") for name in names)


def test_an_inference_that_hangs_holds_up_only_its_thread(tmp_path: Path) -> None:
    with (
        running_server(looping_bundle(tmp_path), threads=2, finish_seconds=0.1) as server,
        post(server, ENDLESS) as hanging,
    ):
        wait_until(lambda: server.listener.admission.in_flight == 1)
        answers = [server.client.get(path) for path in ("/v2/health/ready", "/regnant/v1/stats")]
        answers += [server.client.get("/regnant/v1/outcomes"), server.infer(turns(3))]
        assert server.listener.admission.in_flight == 1
        hanging.setblocking(False)
        with pytest.raises(BlockingIOError):
            hanging.recv(1)
    assert [answer.status_code for answer in answers] == [200] * 4
    assert answers[1].json()["requests"]["ok"] == 0
    assert answers[3].json()["outputs"][0]["data"] == [6.0]


def test_an_inference_that_hangs_is_stopped_and_its_thread_is_free_again(tmp_path: Path) -> None:
    limits = Limits(inference_seconds=0.2)
    with running_server(looping_bundle(tmp_path), limits) as server:
        answer = server.infer(turns(ENDLESS))
        after = server.infer(turns(3))
        told = server.client.get("/regnant/v1/stats").json()
    assert answer.status_code == 500
    assert answer.json() == {"error": "the inference did not end within 0.2 s and was stopped"}
    assert after.json()["outputs"][0]["data"] == [6.0]
    assert told["requests"] == {"ok": 1, "client_error": 0, "server_error": 1}


def test_who_finds_no_free_thread_in_time_is_told_to_come_back(tmp_path: Path) -> None:
    limits = Limits(queue_seconds=0.2)
    with (
        running_server(looping_bundle(tmp_path), limits, finish_seconds=0.1) as server,
        post(server, ENDLESS),
    ):
        wait_until(lambda: server.listener.admission.in_flight == 1)
        answers = [server.infer(turns(3)) for _ in range(2)]
        assert server.listener.admission.in_flight == 1
    assert [answer.status_code for answer in answers] == [503, 503]
    assert answers[0].headers["retry-after"] == "1"
    assert "no thread was free for this request within 0.2 s" in answers[0].text


def test_values_that_the_graph_cannot_compute_are_the_models_fault(tmp_path: Path) -> None:
    with running_server(gathering_bundle(tmp_path)) as server:
        wrong = server.infer({"inputs": [tensor("index", "INT64", [1], [7])]})
        right = server.infer({"inputs": [tensor("index", "INT64", [1], [1])]})
        invalid = server.infer({"inputs": [tensor("index", "INT64", [1], [0.5])]})
        told = server.client.get("/regnant/v1/stats").json()
    assert (wrong.status_code, invalid.status_code) == (500, 400)
    assert "the model failed at these values: indices element out of" in wrong.text
    assert told["requests"] == {"ok": 1, "client_error": 1, "server_error": 1}
    assert right.json()["outputs"][0]["data"] == [20.0]


def test_a_fault_of_the_server_is_its_own_and_not_told_in_detail(
    doubling: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr("regnant.serving.codec.spell_tensor", fail)
    question = {"inputs": [tensor("features", "FP64", [1, 3], [1, 2, 3])]}
    answers = [doubling.infer(question), doubling.client.get("/v2/health/live")]
    assert [answer.status_code for answer in answers] == [500, 200]
    assert answers[0].json() == {"error": "the server failed; its log says why"}
    assert doubling.listener.admission.in_flight == 0
