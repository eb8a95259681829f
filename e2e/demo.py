"""The main job, told step by step on a real cluster: train, serve, prove, replace, refuse.

Run by `make demo`. Each step shows the command that a user would type, does it, and says how long
it took; the manifests are those of docs/examples. It can be run again: it starts in a fresh
namespace.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from e2e.brittle import release_brittle
from e2e.cluster.settings import CHECKOUT
from e2e.harness import Cluster, condition_of
from e2e.installation import Installation, install
from e2e.traffic import Outcome, Users

EXAMPLES = CHECKOUT / "docs" / "examples"
NAMESPACE = "demo"
REQUESTS_PER_SECOND = 100
UNUSUAL_PER_SECOND = 10
# One row of the data set: the 30 measurements of a benign tumor.
ROW = [
    13.54, 14.36, 87.46, 566.3, 0.09779, 0.08129, 0.06664, 0.04781, 0.1885, 0.05766,
    0.2699, 0.7886, 2.058, 23.56, 0.008462, 0.0146, 0.02387, 0.01315, 0.0198, 0.0023,
    15.11, 19.26, 99.7, 711.2, 0.144, 0.1773, 0.239, 0.1288, 0.2977, 0.07259,
]  # fmt: skip
URL = f"http://tumor.{NAMESPACE}.svc/v2/models/tumor/infer"


class Story:
    """Prints what happens, and when."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """One step, with the time that it took."""
        began = time.monotonic()
        print(f"\n\033[1m== {title}\033[0m", flush=True)
        yield
        now = time.monotonic()
        print(
            f"   \033[2m{now - began:.1f} s, {now - self._started:.1f} s in all\033[0m", flush=True
        )

    @staticmethod
    def command(words: str) -> None:
        """What a user would type."""
        print(f"   \033[36m$ {words}\033[0m", flush=True)

    @staticmethod
    def say(text: str) -> None:
        """What is seen."""
        for line in text.rstrip().splitlines():
            print(f"   {line}", flush=True)


class Demo:
    """The steps, on one cluster."""

    def __init__(self, cluster: Cluster, story: Story) -> None:
        self._cluster, self._story = cluster, story
        self._installation: Installation

    def run(self) -> None:
        """Tell the whole story."""
        story = self._story
        with story.step("The operator, by Helm"):
            story.command(
                "helm install regnant charts/regnant -n regnant-system --create-namespace"
            )
            self._installation = install(self._cluster)
            self._fresh_namespace()
        with story.step("A first model: trained, proven, registered"):
            self._train("pipeline.yaml", "tumor-1")
        with story.step("Served behind one URL"):
            self._serve()
        users = [Users(self._cluster, NAMESPACE, name) for name in ("users", "unusual-users")]
        with story.step(f"A better one proves itself, while users send {REQUESTS_PER_SECOND}/s"):
            users[0].start(URL, request(ROW), per_second=REQUESTS_PER_SECOND)
            self._train("pipeline-better.yaml", "tumor-2")
            self._follow_rollout(2)
            self._ask()
        with story.step("One from elsewhere passes every check, and breaks when users come"):
            size = self._release_brittle()
            users[1].start(URL, request([size, *ROW[1:]]), per_second=UNUSUAL_PER_SECOND)
            self._follow_rollout(3)
            self._regnant("explain", "tumor")
        with story.step("A weak one is refused before it is registered, with its reason"):
            self._refuse()
        with story.step("What the users saw"):
            self._tell([each.stop() for each in users])
        self._show("get trainingpipelines,modelversions,inferenceservices")
        self._regnant("history", "tumor")

    def _tell(self, outcomes: list[Outcome]) -> None:
        for who, outcome in zip(("users", "unusual users"), outcomes, strict=True):
            shares = ", ".join(
                f"{count} by version {version}"
                for version, count in sorted(outcome.versions.items())
            )
            words = f"{outcome.sent} requests of {who}, {outcome.failed} failed; answered {shares}"
            self._story.say(words)
            quick = outcome.milliseconds["p99"]
            self._story.say(f"99 of 100 were answered within {quick:.0f} ms")
        failed = [outcome.outcomes for outcome in outcomes if outcome.failed]
        if failed:
            raise SystemExit(f"requests failed: {failed}")

    def _fresh_namespace(self) -> None:
        self._cluster.delete("namespace", NAMESPACE)
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        self._cluster.apply(
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": NAMESPACE, "labels": labels},
            }
        )

    def _apply(self, name: str) -> None:
        self._story.command(f"kubectl apply -n {NAMESPACE} -f docs/examples/{name}")
        self._cluster.apply(EXAMPLES / name, NAMESPACE)

    def _train(self, manifest: str, version: str) -> None:
        self._apply(manifest)
        self._follow("trainingpipeline", "tumor")
        self._cluster.wait_for_object(
            "trainingpipeline",
            "tumor",
            NAMESPACE,
            lambda found: found.get("status", {}).get("latestModelVersion") == version,
            seconds=300,
        )
        self._show(f"get modelversion {version} -o wide")

    def _serve(self) -> None:
        self._apply("service-rollout.yaml")
        self._follow("inferenceservice", "tumor")
        self._show("get inferenceservice tumor")
        self._ask()

    def _release_brittle(self) -> float:
        """Register a model that was trained elsewhere; a first feature that it breaks on."""
        latest = self._cluster.get("modelversion", "tumor-2", NAMESPACE)
        artifact = latest["spec"]["artifact"]
        path = artifact["uri"].removeprefix("oci://").partition("/")[2]
        place = self._installation
        with self._cluster.port_forward(
            f"service/{place.registry}", 5000, place.namespace
        ) as registry:
            host = registry.removeprefix("http://")
            digest, size = release_brittle(host, path, artifact["digest"], "tumor")
        manifest = {
            "apiVersion": "regnant.dev/v1alpha1",
            "kind": "ModelVersion",
            "metadata": {"name": "tumor-3"},
            "spec": {
                "modelName": "tumor",
                "version": 3,
                "artifact": {"uri": artifact["uri"], "digest": digest},
            },
        }
        self._story.command(f"kubectl apply -n {NAMESPACE} -f tumor-3.yaml   # a ModelVersion")
        self._cluster.apply(manifest, NAMESPACE)
        return size

    def _follow_rollout(self, version: int) -> None:
        """Print every new phase of a version's rollout until it reigns or is rejected."""
        last = ""

        def over(found: dict[str, Any]) -> bool:
            nonlocal last
            status = found["status"]
            rollout = status.get("rollout")
            if rollout and rollout["to"]["version"] == version:
                shares = ", ".join(
                    f"{share['percent']} % tumor-{share['version']}" for share in status["traffic"]
                )
                words = f"{status['phase']:<10} {shares}"
                if words != last:
                    last = words
                    self._story.say(words)
            reigns = status["champion"]["version"] == version
            rejected = any(one["version"] == version for one in status.get("rejected", ()))
            return reigns or rejected

        self._cluster.wait_for_object("inferenceservice", "tumor", NAMESPACE, over, seconds=300)

    def _refuse(self) -> None:
        self._apply("pipeline-weak.yaml")
        found = self._cluster.wait_for_condition(
            "trainingpipeline", "tumor", NAMESPACE, "Stalled", reason="GateNotMet", seconds=300
        )
        condition = condition_of(found, "Stalled") or {}
        self._story.say(f"{condition['reason']}: {condition['message']}")

    def _regnant(self, *words: str) -> None:
        """What the command line says."""
        self._story.command(f"kubectl regnant {' '.join(words)} -n {NAMESPACE}")
        program = CHECKOUT / ".venv" / "bin" / "regnant"
        said = subprocess.run(
            [program, *words, "-n", NAMESPACE, "--context", self._cluster.context],
            env=os.environ | {"KUBECONFIG": str(self._cluster.kubeconfig)},
            check=True,
            capture_output=True,
            text=True,
        )
        self._story.say(said.stdout)

    def _ask(self) -> None:
        """Send the row as a user would, and show who answered."""
        self._story.command(f"curl -d @row.json http://tumor.{NAMESPACE}.svc/v2/models/tumor/infer")
        with self._cluster.port_forward("service/tumor", 80, NAMESPACE) as base:
            answer = httpx.post(f"{base}/v2/models/tumor/infer", json=request(ROW), timeout=10)
        answer.raise_for_status()
        version = answer.headers["x-regnant-version"]
        self._story.say(f"version {version}: {json.dumps(answer.json()['outputs'])}")

    def _follow(self, kind: str, name: str) -> None:
        """Print every new message of Ready until it is so."""
        last = ""

        def ready(found: dict[str, Any]) -> bool:
            nonlocal last
            condition = condition_of(found, "Ready")
            if condition is None or condition["observedGeneration"] != _generation(found):
                return False
            if condition["message"] != last:
                last = condition["message"]
                self._story.say(last)
            return bool(condition["status"] == "True")

        self._cluster.wait_for_object(kind, name, NAMESPACE, ready, seconds=300)

    def _show(self, words: str) -> None:
        self._story.command(f"kubectl {words} -n {NAMESPACE}")
        self._story.say(self._cluster.kubectl(*words.split(), "-n", NAMESPACE))


def request(row: list[float]) -> dict[str, Any]:
    """What is sent for one row."""
    tensor = {"name": "features", "datatype": "FP64", "shape": [1, len(row)], "data": row}
    return {"inputs": [tensor]}


def _generation(found: dict[str, Any]) -> int:
    return int(found["metadata"]["generation"])


def main() -> int:
    """Run the demo on the cluster of this checkout, or on the one KUBE_CONTEXT names."""
    Demo(Cluster.from_environment(), Story()).run()
    print("\nThe cluster stays up for you to look around; `make down` removes it.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
