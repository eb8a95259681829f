"""The time from an apply until something answers, seen from a pod as any user of the cluster is.

One pod polls every 20 ms. It is waiting before the apply, so that its own start is no part of the
time, and begins and end are read from one clock, this process's. Addresses are polled, not names: a
name that was asked for too early is denied by the cluster's DNS for many seconds after.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from e2e.access import program
from e2e.harness import Cluster, Manifest, NotInTimeError
from e2e.python_pod import python_pod

PATIENCE_SECONDS = 120
_NAME = "poller"
_SCRIPT = """
import http.client, json, sys, time
print("waiting", flush=True)
asked = json.loads(sys.stdin.readline())
headers = {"content-type": "application/json"}
deadline = time.monotonic() + asked["patience"]
while time.monotonic() < deadline:
    connection = http.client.HTTPConnection(asked["host"], asked["port"], timeout=0.2)
    try:
        connection.connect()
        connection.sock.settimeout(5)
        connection.request(asked["method"], asked["path"], asked["body"], headers)
        if connection.getresponse().status == 200:
            print("answered", flush=True)
            break
    except (OSError, http.client.HTTPException):
        pass
    finally:
        connection.close()
    time.sleep(0.02)
"""


@dataclass(frozen=True)
class Question:
    """What is asked again and again until the answer is 200."""

    path: str
    port: int
    method: str = "GET"
    body: str | None = None


class Poller:
    """A pod that waits to be told what to poll."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster, self._namespace = cluster, namespace

    def start(self) -> None:
        """Run the pod; it lives as long as its namespace."""
        self._cluster.apply(python_pod(_NAME), self._namespace)
        self._cluster.wait_for_condition(
            "pod", _NAME, self._namespace, "Ready", seconds=PATIENCE_SECONDS
        )

    def time_until_answered(
        self, manifests: list[Manifest], service: str, question: Question
    ) -> float:
        """Apply manifests; the seconds from then until the Service of that name answers."""
        with self._waiting() as process:
            assert process.stdin is not None
            assert process.stdout is not None
            self._cluster.apply(manifests, self._namespace)
            began = time.monotonic()
            host = self._address(service)
            asked = {"host": host, "patience": PATIENCE_SECONDS, **asdict(question)}
            process.stdin.write(json.dumps(asked) + "\n")
            process.stdin.flush()
            if process.stdout.readline().strip() != "answered":
                raise NotInTimeError(f"{service} did not answer within {PATIENCE_SECONDS} s")
            return time.monotonic() - began

    def _address(self, service: str) -> str:
        found = self._cluster.wait_for_object("service", service, self._namespace, bool)
        return str(found["spec"]["clusterIP"])

    @contextmanager
    def _waiting(self) -> Iterator[subprocess.Popen[str]]:
        command = [
            str(program("kubectl")),
            f"--kubeconfig={self._cluster.kubeconfig}",
            f"--context={self._cluster.context}",
            f"--namespace={self._namespace}",
            *("exec", "--stdin", _NAME, "--", "python3", "-u", "-c", _SCRIPT),
        ]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
            try:
                if process.stdout is None or process.stdout.readline().strip() != "waiting":
                    raise NotInTimeError("the poller did not start")
                yield process
            finally:
                process.terminate()
