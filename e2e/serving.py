"""One InferenceService as its user meets it: applied, asked from another pod, awaited.

    service = Service(cluster, namespace)
    service.apply(watch="5s")
    service.release(1, shelf.put(good(1.0)))
    service.wait_for_champion(1)
    answer = Asker(cluster, namespace).start().infer(service.url, request())

Nothing here knows how the operator works; it reads status, conditions and Events.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from e2e import bundles
from e2e.harness import Cluster, Manifest, condition_of
from e2e.namespaces import Namespaces
from e2e.python_pod import python_pod
from e2e.traffic import Crowd, Outcome, Users

MODEL = "line"
LABELS = "app.kubernetes.io/managed-by=regnant"
SERVERS = "app.kubernetes.io/name=server"
ROUTERS = "app.kubernetes.io/name=router"
PATIENCE = 90
RESOURCES: Manifest = {
    "requests": {"cpu": "20m", "memory": "64Mi"},
    "limits": {"memory": "512Mi"},
}
"""What a server and a router ask for: less than by default, so that two cores hold several."""
_ASK = """
import http.client, json, sys, urllib.parse
asked = json.load(sys.stdin)
url = urllib.parse.urlsplit(asked["url"])
connection = http.client.HTTPConnection(url.hostname, url.port or 80, timeout=30)
body = asked["body"].encode() + b" " * asked["padding"] if asked["body"] is not None else None
try:
    connection.request(asked["method"], url.path, body, asked["headers"])
except ConnectionError:
    pass  # refused while it was still being sent; the answer is there
answer = connection.getresponse()
text = answer.read().decode()
headers = {name.lower(): value for name, value in answer.getheaders()}
print(json.dumps({"status": answer.status, "headers": headers, "text": text}))
"""


@dataclass(frozen=True)
class Answer:
    """What a user got."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.text)

    @property
    def version(self) -> str:
        """The version that gave it."""
        return self.headers.get("x-regnant-version", "")


class Asker:
    """A pod that asks one question at a time, as any pod of the cluster may."""

    def __init__(self, cluster: Cluster, namespace: str, name: str = "asker") -> None:
        self._cluster, self._namespace, self._name = cluster, namespace, name

    def start(self) -> Asker:
        """Run the pod; it lives as long as its namespace."""
        self._cluster.apply(python_pod(self._name), self._namespace)
        self._cluster.wait_for_condition("pod", self._name, self._namespace, "Ready")
        return self

    def get(self, url: str) -> Answer:
        """Ask without a body."""
        return self.send("GET", url, None)

    def infer(self, url: str, document: object, **headers: str) -> Answer:
        """Ask the model; in a header's name, `_` stands for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send("POST", f"{url}/infer", json.dumps(document), headers=named)

    def send(
        self,
        method: str,
        url: str,
        body: str | None,
        *,
        headers: dict[str, str] | None = None,
        padding: int = 0,
    ) -> Answer:
        """Send any body, followed by so many blanks."""
        given = {"content-type": "application/json"} | (headers or {})
        asked = {"method": method, "url": url, "body": body, "headers": given, "padding": padding}
        said = self._cluster.kubectl(
            "exec",
            "--stdin",
            f"--namespace={self._namespace}",
            self._name,
            "--",
            "python3",
            "-c",
            _ASK,
            stdin=json.dumps(asked),
        )
        return Answer(**json.loads(said))


class Service:
    """An InferenceService of the model line `line`, and its ModelVersions."""

    def __init__(
        self, cluster: Cluster, namespace: str, name: str = "line", model: str = MODEL
    ) -> None:
        self.cluster, self.namespace, self.name, self.model = cluster, namespace, name, model
        self.url = f"http://{name}.{namespace}.svc/v2/models/{model}"

    # What its owner does

    def apply(
        self,
        *,
        watch: str = "1s",
        deadline: str = "60s",
        replicas: int = 1,
        routers: int = 1,
        pin: int | None = None,
        rollout: Manifest | None = None,
        server: Manifest | None = None,
    ) -> None:
        """Say how it is to be; `rollout` and `server` are more fields of those parts."""
        usual = {"watch": {"duration": watch}, "progressDeadline": deadline}
        spec: Manifest = {
            "modelName": self.model,
            "server": {"replicas": replicas, "resources": RESOURCES} | (server or {}),
            "router": {"replicas": routers, "resources": RESOURCES},
            "rollout": usual | (rollout or {}),
        }
        if pin is not None:
            spec["champion"] = {"version": pin}
        self.cluster.apply(_resource("InferenceService", self.name, spec), self.namespace)

    def change(self, **spec: Manifest | None) -> None:
        """Change some fields of the spec, by their names in it; None removes one."""
        self.cluster.patch("inferenceservice", self.name, self.namespace, {"spec": spec})

    def act(self, action: str, *, transition: str | None = None, version: int = 0) -> Manifest:
        """Ask for something at once, as `kubectl regnant` does; gives the operator's answer.

        It is bound to the rollout that is open, unless another one is named.
        """
        seen = self.status.get("rollout", {}).get("id", "") if transition is None else transition
        asked = {"id": uuid.uuid4().hex, "action": action, "transition": seen, "by": "e2e"}
        if version:
            asked["version"] = version
        self.annotate(json.dumps(asked))
        status = self.wait_until(
            f"{action} is answered", lambda found: _answered(found) == asked["id"]
        )
        answer: Manifest = status["lastAction"]
        return answer

    def annotate(self, action: str) -> None:
        """Write the annotation that asks for an action."""
        change = {"metadata": {"annotations": {"regnant.dev/action": action}}}
        self.cluster.patch("inferenceservice", self.name, self.namespace, change)

    def release(
        self, number: int, artifact: Manifest, *, interface: Manifest | None = None
    ) -> None:
        """Register a bundle as a version of the model line."""
        spec: Manifest = {"modelName": self.model, "version": number, "artifact": artifact}
        if interface:
            spec["interface"] = interface
        name = self.version_name(number)
        self.cluster.apply(_resource("ModelVersion", name, spec), self.namespace)

    def version_name(self, number: int) -> str:
        """The ModelVersion's name."""
        return f"{self.model}-{number}"

    # What its status says

    def get(self) -> Manifest:
        """The whole object."""
        return self.cluster.get("inferenceservice", self.name, self.namespace)

    @property
    def status(self) -> Manifest:
        """Its status; empty before the operator saw it."""
        found: Manifest = self.get().get("status", {})
        return found

    def condition(self, kind: str) -> Manifest:
        """A condition, which must be there."""
        found = condition_of(self.get(), kind)
        assert found is not None, f"no condition {kind}"
        return found

    def events(self, reason: str) -> list[Manifest]:
        """Its Events of one reason."""
        found = self.cluster.events(self.namespace, about=self.name)
        return [event for event in found if event["reason"] == reason]

    def wait_for_champion(self, number: int, *, seconds: float = PATIENCE) -> Manifest:
        """Return when that version answers; gives the status."""
        return self.wait_until(
            f"version {number} is the champion",
            lambda status: status.get("champion", {}).get("version") == number,
            seconds,
        )

    def wait_until_settled(self, *, seconds: float = PATIENCE) -> Manifest:
        """Return when no takeover is under way and no server is being retired."""
        return self.wait_until(
            "it has settled",
            lambda status: not status.get("rollout") and not status.get("retiring"),
            seconds,
        )

    def wait_until_decided(self, *, seconds: float = PATIENCE) -> Manifest:
        """Return when no rollout is open; servers may still be on their way out."""
        return self.wait_until(
            "no rollout is open", lambda status: not status.get("rollout"), seconds
        )

    def wait_for_phase(self, phase: str, *, seconds: float = PATIENCE) -> Manifest:
        """Return when it is in that phase; gives the status."""
        return self.wait_until(
            f"it is {phase}", lambda status: status.get("phase") == phase, seconds
        )

    def wait_for_weight(self, weight: int, *, seconds: float = PATIENCE) -> Manifest:
        """Return when every router was seen to give the candidate that much; gives the status."""
        return self.wait_until(
            f"the candidate is given {weight} %",
            lambda status: _counted_weight(status) == weight,
            seconds,
        )

    def wait_for_rejection(self, number: int, *, seconds: float = PATIENCE) -> Manifest:
        """Return when that version was turned down; gives the entry of `status.rejected`."""
        status = self.wait_until(
            f"version {number} is rejected", lambda found: _rejection(found, number), seconds
        )
        found = _rejection(status, number)
        assert found is not None
        return found

    def wait_for_condition(
        self, kind: str, reason: str, *, status: str = "True", seconds: float = PATIENCE
    ) -> Manifest:
        """Return when a condition has a reason; gives the condition."""
        self.cluster.wait_for_condition(
            "inferenceservice",
            self.name,
            self.namespace,
            kind,
            status=status,
            reason=reason,
            seconds=seconds,
        )
        return self.condition(kind)

    def wait_until_it_says(self, words: str, *, seconds: float = PATIENCE) -> Manifest:
        """Return when the message of UpToDate has these words; gives the condition."""
        self.cluster.wait_for_object(
            "inferenceservice",
            self.name,
            self.namespace,
            lambda item: words in (condition_of(item, "UpToDate") or {}).get("message", ""),
            what=f"UpToDate of {self.name} says {words!r}",
            seconds=seconds,
        )
        return self.condition("UpToDate")

    def wait_until(
        self, what: str, holds: Callable[[Manifest], object], seconds: float = PATIENCE
    ) -> Manifest:
        """Return when the status is so; gives the status."""
        found = self.cluster.wait_for_object(
            "inferenceservice",
            self.name,
            self.namespace,
            lambda item: holds(item.get("status", {})),
            what=f"{what} (InferenceService {self.name})",
            seconds=seconds,
        )
        status: Manifest = found["status"]
        return status

    # What is seen from outside

    def send_users(self, *, per_second: float = 50, body: Any = None, **crowd: Any) -> Load:
        """Users who ask at a steady pace until the load is stopped; `crowd` are fields of Crowd."""
        users = Users(self.cluster, self.namespace, f"users-{uuid.uuid4().hex[:6]}")
        asked = Crowd(body or bundles.request(), per_second, **crowd)
        users.start_crowd(f"{self.url}/infer", asked, seconds=1200)
        return Load(users)

    @contextmanager
    def users(self, *, per_second: float = 50, body: Any = None, **crowd: Any) -> Iterator[Load]:
        """Users who ask until the block ends."""
        load = self.send_users(per_second=per_second, body=body, **crowd)
        yield load
        load.stop()

    def deployments(self, selector: str = SERVERS) -> dict[str, Manifest]:
        """Its Deployments by name."""
        found = self.cluster.find_all("deployments", self.namespace, f"{LABELS},{selector}")
        mine = f"regnant.dev/owner={self.name}"
        key, value = mine.split("=")
        return {
            item["metadata"]["name"]: item
            for item in found
            if item["metadata"]["labels"].get(key) == value
        }

    def pods(self, selector: str = SERVERS) -> list[Manifest]:
        """Its pods that are not on their way out."""
        chosen = f"{LABELS},{selector},regnant.dev/owner={self.name}"
        found = self.cluster.find_all("pods", self.namespace, chosen)
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


class Load:
    """Users at work, and what became of their requests once they stopped."""

    def __init__(self, users: Users) -> None:
        self._users = users
        self.outcome = Outcome()

    def stop(self) -> None:
        """Wait for the last answers."""
        self.outcome = self._users.stop()

    def assert_nobody_failed(self, *, versions: set[str], at_least: int = 50) -> None:
        """Every request was answered, by these versions and no other."""
        assert self.outcome.sent >= at_least, self.outcome
        assert self.outcome.failed == 0, self.outcome
        assert set(self.outcome.versions) == versions, self.outcome


@contextmanager
def shared_namespace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace for the tests of one module; dumped if one of them fails."""
    failed_before = request.session.testsfailed
    namespaces = Namespaces(cluster, request.node.name.removesuffix(".py"))
    try:
        yield namespaces()
    except BaseException as failure:
        namespaces.dump(f"the module was not set up: {failure}")
        raise
    else:
        if request.session.testsfailed > failed_before:
            namespaces.dump("one of the module's tests failed")
    finally:
        namespaces.delete()


def _answered(status: Manifest) -> str:
    """The id of the action that was answered last."""
    found: str = status.get("lastAction", {}).get("id", "")
    return found


def _counted_weight(status: Manifest) -> int:
    """The weight of the step that is being counted; 0 outside of a step."""
    stage = status.get("rollout", {}).get("stage", {})
    found: int = stage.get("step", {}).get("weight", 0) if "evidence" in stage else 0
    return found


def _rejection(status: Manifest, number: int) -> Manifest | None:
    found: list[Manifest] = status.get("rejected", [])
    return next((one for one in found if one["version"] == number), None)


def _resource(kind: str, name: str, spec: Manifest) -> Manifest:
    return {
        "apiVersion": "regnant.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    }
