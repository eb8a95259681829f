"""Users, for tests and demos: a pod that sends an open-loop load and counts every outcome."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from e2e.harness import Cluster, Manifest
from e2e.python_pod import python_pod
from e2e.traffic.generator import Crowd

__all__ = ["Crowd", "Outcome", "Users"]

_GENERATOR = Path(__file__).with_name("generator.py")


@dataclass(frozen=True)
class Outcome:
    """What became of every request."""

    sent: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)
    """By HTTP status, or by the name of what broke the connection."""
    versions: Mapping[str, int] = field(default_factory=dict)
    """By the version that answered."""
    milliseconds: Mapping[str, float] = field(default_factory=dict)
    """Quantiles of the answering times, from the time at which a request was due."""
    milliseconds_by_version: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    timeline: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """By the second in which requests were sent, since 1970: how many each version answered."""
    answers: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """By version: how often each number was answered."""
    failures: list[Manifest] = field(default_factory=list)
    """The first requests that were not answered with 200, and what was said to them."""
    sent_again: list[tuple[float, str]] = field(default_factory=list)
    """When a request was sent once more, and what had broken its connection."""
    journal: list[list[Any]] = field(default_factory=list)
    """Every request by itself, where that was asked for: `Request(*entry)`."""
    people: Mapping[str, list[tuple[float, str]]] = field(default_factory=dict)
    """By person: since when they were answered by which version, whenever that changed."""

    @property
    def failed(self) -> int:
        """How many were not answered with 200."""
        return self.sent - self.outcomes.get("200", 0)

    def between(self, begin: float, end: float) -> dict[str, int]:
        """How many each version answered of those sent in the whole seconds of a time."""
        counts: dict[str, int] = {}
        for second, versions in self.timeline.items():
            if begin <= float(second) and float(second) + 1 <= end:
                for version, count in versions.items():
                    counts[version] = counts.get(version, 0) + count
        return counts


class Users:
    """A load that runs from `start` until `stop`."""

    def __init__(self, cluster: Cluster, namespace: str, name: str = "users") -> None:
        self._cluster, self._namespace, self._name = cluster, namespace, name

    def start(
        self, url: str, body: dict[str, Any], *, per_second: float, seconds: float = 600
    ) -> None:
        """Begin to send one question; `seconds` bounds it if nobody stops it."""
        self.start_crowd(url, Crowd(body, per_second), seconds=seconds)

    def start_crowd(self, url: str, crowd: Crowd, *, seconds: float = 600) -> None:
        """Begin to send what a crowd asks; `seconds` bounds it if nobody stops it."""
        self._cluster.apply(
            [
                _config(self._name, crowd),
                python_pod(
                    self._name,
                    *("/load/generator.py", url, "/load/crowd.json", str(seconds)),
                    volumes={"load": {"configMap": {"name": self._name}}},
                    # Who measures must not be the first to starve on a busy node.
                    resources={"requests": {"cpu": "100m"}},
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
        self._cluster.delete("pod", self._name, self._namespace, wait=False)
        return Outcome(**json.loads(said))


def _config(name: str, crowd: Crowd) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name},
        "data": {"generator.py": _GENERATOR.read_text(), "crowd.json": json.dumps(asdict(crowd))},
    }
