"""Users, for tests and demos: a pod that sends an open-loop load and counts every outcome."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2e.harness import Cluster, Manifest
from e2e.python_pod import python_pod

_GENERATOR = Path(__file__).with_name("generator.py")


@dataclass(frozen=True)
class Outcome:
    """What became of every request."""

    sent: int
    outcomes: dict[str, int]
    """By HTTP status, or by the name of what broke the connection."""
    versions: dict[str, int]
    """By the version that answered."""
    milliseconds: dict[str, float]
    """From the time a request was due until its answer: `p50`, `p99` and `max`."""

    @property
    def failed(self) -> int:
        """How many were not answered with 200."""
        return self.sent - self.outcomes.get("200", 0)


class Users:
    """A load that runs from `start` until `stop`."""

    def __init__(self, cluster: Cluster, namespace: str, name: str = "users") -> None:
        self._cluster, self._namespace, self._name = cluster, namespace, name

    def start(
        self, url: str, body: dict[str, Any], *, per_second: float, seconds: float = 600
    ) -> None:
        """Begin to send; `seconds` bounds it if nobody stops it."""
        self._cluster.apply(
            [
                _config(self._name, body),
                python_pod(
                    self._name,
                    *("/load/generator.py", url, "/load/body.json"),
                    *(str(per_second), str(seconds)),
                    volumes={"load": {"configMap": {"name": self._name}}},
                    # Who measures must not be the first to starve on a busy node.
                    resources={"requests": {"cpu": "200m"}},
                ),
            ],
            self._namespace,
        )
        self._cluster.wait_for_object(
            "pod", self._name, self._namespace, lambda pod: pod["status"]["phase"] == "Running"
        )

    def stop(self) -> Outcome:
        """End the load, wait for the last answers and return what became of all."""
        stop = "import os, signal; os.kill(1, signal.SIGTERM)"
        where = f"--namespace={self._namespace}"
        self._cluster.kubectl("exec", where, self._name, "--", "python3", "-c", stop)
        self._cluster.wait_for_object(
            "pod", self._name, self._namespace, lambda pod: pod["status"]["phase"] == "Succeeded"
        )
        said = self._cluster.kubectl("logs", where, self._name).strip().splitlines()[-1]
        self._cluster.delete("pod", self._name, self._namespace)
        return Outcome(**json.loads(said))


def _config(name: str, body: dict[str, Any]) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name},
        "data": {"generator.py": _GENERATOR.read_text(), "body.json": json.dumps(body)},
    }
