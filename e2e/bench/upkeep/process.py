"""The operator as a process of its own, and what it and the API server tell of its work."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from e2e.cluster.control_plane import COMPONENT_CONTEXT

_TICKS = os.sysconf("SC_CLK_TCK")
_PATIENCE = 120.0


@dataclass(frozen=True)
class Process:
    """The operator, and where it tells what it did."""

    pid: int
    metrics_port: int

    @property
    def cpu_seconds(self) -> float:
        """User and system time since its start."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def reconciles(self) -> float:
        """How often it looked at a resource."""
        url = f"http://127.0.0.1:{self.metrics_port}/metrics"
        page = httpx.get(url, timeout=10, trust_env=False).text
        return total(page, "regnant_reconcile_total")


@contextmanager
def running_operator(kubeconfig: Path, log: Path) -> Iterator[Process]:
    health, metrics = _free_port(), _free_port()
    command = [
        *(sys.executable, "-m", "regnant.handlers", "--log-format=text"),
        *(f"--kubeconfig={kubeconfig}", f"--context={COMPONENT_CONTEXT}"),
        *(f"--health-port={health}", f"--metrics-port={metrics}"),
        *("--trainer-image=trainer", "--server-image=server", "--router-image=router"),
        "--store-uri=oci://registry.test:5000/models",
    ]
    with log.open("wb") as output, subprocess.Popen(command, stderr=output) as process:
        try:
            deadline = time.monotonic() + _PATIENCE
            while not _is_ready(health):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, "the operator is not ready"
                time.sleep(0.2)
            yield Process(process.pid, metrics)
        finally:
            process.terminate()


def _is_ready(port: int) -> bool:
    with contextlib.suppress(httpx.TransportError):
        url = f"http://127.0.0.1:{port}/readyz"
        return httpx.get(url, timeout=5, trust_env=False).is_success
    return False


def _free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def total(page: str, name: str, *, without: str = "\0") -> float:
    """A metric's samples, added up, but for those with a label `without`."""
    pattern = re.compile(rf"^{name}{{(?P<labels>[^}}]*)}} (?P<value>\S+)", re.MULTILINE)
    found = [one for one in pattern.finditer(page) if without not in one["labels"]]
    return sum(float(one["value"]) for one in found)
