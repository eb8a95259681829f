"""What an end-to-end test says to a cluster, and what it is shown when the cluster does not agree.

`Cluster` wraps kubectl and helm with one kubeconfig and one context, so that no other cluster can
be met by mistake: the context is the local cluster's own, or the one that KUBE_CONTEXT names.

    cluster.apply(manifest, namespace)              # a dict, a list of them, YAML text or a file
    service = cluster.get("inferenceservice", "churn", namespace)
    cluster.wait_for("churn is Ready", lambda: is_ready(cluster.find(...)), seconds=60)
    cluster.wait_for_condition("inferenceservice", "churn", namespace, "Ready")

Every wait ends with what was seen last; nothing here sleeps for its own sake. What a *test* needs
around it (a namespace of its own, the operator, the dump after a failure) is in conftest.py.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from e2e.access import Access, ProgramError, WrongClusterError, run
from e2e.cluster.control_plane import COMPONENT_CONTEXT
from e2e.cluster.settings import CHECKOUT, CONTEXT

Manifest = dict[str, Any]
Found = TypeVar("Found")

CHART = CHECKOUT / "charts" / "regnant"
_POLL_SECONDS = 0.3


class NotInTimeError(AssertionError):
    """What was waited for did not become true."""


class Cluster:
    """One cluster, through kubectl and helm."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._refuse_strangers()

    @classmethod
    def from_environment(cls) -> Cluster:
        """The cluster that this run of the tests is for."""
        return cls(Access.from_environment())

    @property
    def kubeconfig(self) -> Path:
        """The file to hand to a program that speaks to the cluster itself."""
        return self._access.kubeconfig

    @property
    def context(self) -> str:
        """The context in that file."""
        return self._access.context

    @property
    def is_local(self) -> bool:
        """Whether this is the cluster that the project builds for itself."""
        return self.context == CONTEXT

    # Programs

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl and return what it printed."""
        return run([*self._kubectl(), *arguments], stdin=stdin)

    def helm(self, *arguments: str) -> str:
        """Run helm and return what it printed."""
        access = self._access
        target = [f"--kubeconfig={access.kubeconfig}", f"--kube-context={access.context}"]
        return run([str(access.helm), *arguments, *target])

    # Objects

    def apply(
        self, manifests: Manifest | Iterable[Manifest] | str | Path, namespace: str = ""
    ) -> None:
        """Apply manifests as a user would, by kubectl and server-side."""
        self.kubectl(
            "apply", "--server-side", "--filename=-", *_in(namespace), stdin=_as_text(manifests)
        )

    def refusal(
        self, manifests: Manifest | Iterable[Manifest] | str | Path, namespace: str = ""
    ) -> str:
        """Apply what must be refused, and return the words of the refusal."""
        try:
            self.apply(manifests, namespace)
        except ProgramError as error:
            return error.stderr
        raise AssertionError("the cluster accepted what it should have refused")

    def get(self, kind: str, name: str, namespace: str = "") -> Manifest:
        """One object, which must exist."""
        text = self.kubectl("get", kind, name, *_in(namespace), "--output=json")
        return _object(text)

    def find(self, kind: str, name: str, namespace: str = "") -> Manifest | None:
        """One object, or None."""
        text = self.kubectl(
            "get", kind, name, *_in(namespace), "--output=json", "--ignore-not-found"
        )
        return _object(text) if text.strip() else None

    def find_all(self, kind: str, namespace: str = "", selector: str = "") -> list[Manifest]:
        """The objects of a kind (or several, with commas) in one namespace, or in all."""
        where = _in(namespace) or ["--all-namespaces"]
        which = [f"--selector={selector}"] if selector else []
        items: list[Manifest] = _object(self.kubectl("get", kind, *where, *which, "--output=json"))[
            "items"
        ]
        return items

    def delete(self, kind: str, name: str, namespace: str = "", *, wait: bool = True) -> None:
        """Delete one object; it need not exist."""
        self.kubectl(
            "delete",
            kind,
            name,
            *_in(namespace),
            "--ignore-not-found",
            f"--wait={str(wait).lower()}",
        )

    def patch(
        self, kind: str, name: str, namespace: str, change: Manifest, *, subresource: str = ""
    ) -> None:
        """Merge a change into one object, or into its status."""
        part = [f"--subresource={subresource}"] if subresource else []
        words = [kind, name, *_in(namespace), *part, "--type=merge"]
        self.kubectl("patch", *words, f"--patch={json.dumps(change)}")

    def events(self, namespace: str, about: str = "") -> list[Manifest]:
        """The Events of a namespace, oldest first; about one object by its name."""
        found = self.find_all("events.events.k8s.io", namespace)
        chosen = [e for e in found if not about or e["regarding"].get("name") == about]
        return sorted(chosen, key=lambda event: event["metadata"]["creationTimestamp"])

    # Waiting

    def wait_for(
        self,
        what: str,
        predicate: Callable[[], Found | None],
        *,
        seconds: float = 60,
        on_timeout: Callable[[], str] | None = None,
    ) -> Found:
        """Return the first true value of `predicate`, or fail and say `what` was awaited."""
        deadline = time.monotonic() + seconds
        while True:
            value = predicate()
            if value:
                return value
            if time.monotonic() > deadline:
                seen = f"; at last:\n{on_timeout()}" if on_timeout else ""
                raise NotInTimeError(f"not within {seconds:.0f} s: {what}{seen}")
            time.sleep(_POLL_SECONDS)

    def wait_for_object(
        self,
        kind: str,
        name: str,
        namespace: str,
        satisfies: Callable[[Manifest], object],
        *,
        what: str = "",
        seconds: float = 60,
    ) -> Manifest:
        """The object, as soon as it exists and satisfies; else its last status is shown."""

        def wanted() -> Manifest | None:
            found = self.find(kind, name, namespace)
            return found if found is not None and satisfies(found) else None

        return self.wait_for(
            what or f"{kind} {name} is as wanted",
            wanted,
            seconds=seconds,
            on_timeout=lambda: self.describe(kind, name, namespace),
        )

    def wait_for_condition(
        self,
        kind: str,
        name: str,
        namespace: str,
        condition: str,
        *,
        status: str = "True",
        reason: str = "",
        seconds: float = 60,
    ) -> Manifest:
        """The object, as soon as a condition of its current generation has a status and reason."""

        def holds(item: Manifest) -> bool:
            found = condition_of(item, condition)
            return (
                found is not None
                and found["status"] == status
                and reason in {"", found.get("reason")}
                and found.get("observedGeneration", item["metadata"].get("generation"))
                == item["metadata"].get("generation")
            )

        what = f"{kind} {name} has {condition}={status} {reason}".rstrip()
        return self.wait_for_object(kind, name, namespace, holds, what=what, seconds=seconds)

    def wait_until_gone(
        self, kind: str, name: str, namespace: str = "", *, seconds: float = 60
    ) -> None:
        """Return when the object does not exist."""
        self.wait_for(
            f"{kind} {name} is gone",
            lambda: self.find(kind, name, namespace) is None,
            seconds=seconds,
            on_timeout=lambda: self.describe(kind, name, namespace),
        )

    def describe(self, kind: str, name: str, namespace: str = "") -> str:
        """What `kubectl describe` says, or that there is nothing."""
        try:
            return self.kubectl("describe", kind, name, *_in(namespace))
        except ProgramError as error:
            return error.stderr

    # Reaching pods

    @contextlib.contextmanager
    def port_forward(self, target: str, port: int, namespace: str) -> Iterator[str]:
        """`http://127.0.0.1:PORT` that leads to a port of a pod or Service (`service/churn`)."""
        local = _free_port()
        command = [*self._kubectl(), "port-forward", *_in(namespace), target, f"{local}:{port}"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            self.wait_for(
                f"a connection to {target} in {namespace}",
                lambda: process.poll() is not None or _accepts(local),
                seconds=30,
            )
            if process.poll() is not None:
                said = process.stdout.read().decode() if process.stdout else ""
                raise ProgramError(command, said)
            yield f"http://127.0.0.1:{local}"
        finally:
            process.terminate()
            process.communicate()

    # After a failure

    def dump(self, namespaces: Iterable[str], directory: Path) -> None:
        """Write objects, Events and logs of namespaces; what cannot be read is noted instead."""
        for namespace in namespaces:
            folder = directory / namespace
            folder.mkdir(parents=True, exist_ok=True)
            for name, words in _DUMPED.items():
                (folder / name).write_text(self._attempt(*words, f"--namespace={namespace}"))
            for pod in self._pods_of(namespace):
                words = ("logs", pod, "--all-containers", "--prefix", "--tail=5000")
                (folder / f"{pod}.log").write_text(
                    self._attempt(*words, f"--namespace={namespace}")
                )

    def _pods_of(self, namespace: str) -> list[str]:
        try:
            return [pod["metadata"]["name"] for pod in self.find_all("pods", namespace)]
        except ProgramError:
            return []

    def _attempt(self, *arguments: str) -> str:
        try:
            return self.kubectl(*arguments)
        except ProgramError as error:
            return str(error)

    def _kubectl(self) -> list[str]:
        access = self._access
        return [
            str(access.kubectl),
            f"--kubeconfig={access.kubeconfig}",
            f"--context={access.context}",
        ]

    def _refuse_strangers(self) -> None:
        """Nothing is ever sent to a cluster that the project did not make and nobody named."""
        if self.context not in {CONTEXT, COMPONENT_CONTEXT, os.environ.get("KUBE_CONTEXT")}:
            raise WrongClusterError(
                f"context {self.context} is not the project's own; name it with KUBE_CONTEXT"
            )
        if not self.kubeconfig.exists():
            raise WrongClusterError(
                f"{self.kubeconfig} does not exist: `make up` starts the local cluster, "
                "or name a context of your own with KUBE_CONTEXT"
            )


_DUMPED = {
    "regnant.yaml": ("get", "regnant", "--output=yaml"),
    "objects.yaml": (
        "get",
        "jobs,deployments,pods,services,configmaps,endpointslices,poddisruptionbudgets,pvc",
        "--output=yaml",
    ),
    "overview.txt": ("get", "regnant,jobs,deployments,pods,services", "--output=wide"),
    "events.txt": ("get", "events", "--sort-by=.metadata.creationTimestamp", "--output=wide"),
    "pods.txt": ("describe", "pods"),
}


def condition_of(item: Manifest, name: str) -> Manifest | None:
    """One condition of an object's status."""
    conditions: list[Manifest] = item.get("status", {}).get("conditions", [])
    return next((each for each in conditions if each["type"] == name), None)


def _in(namespace: str) -> list[str]:
    return [f"--namespace={namespace}"] if namespace else []


def _as_text(manifests: Manifest | Iterable[Manifest] | str | Path) -> str:
    if isinstance(manifests, Path):
        return manifests.read_text(encoding="utf-8")
    if isinstance(manifests, str):
        return manifests
    items = [manifests] if isinstance(manifests, dict) else list(manifests)
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def _object(text: str) -> Manifest:
    value: Manifest = json.loads(text)
    return value


def _free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def _accepts(port: int) -> bool:
    with socket.socket() as attempt:
        attempt.settimeout(1)
        return attempt.connect_ex(("127.0.0.1", port)) == 0
