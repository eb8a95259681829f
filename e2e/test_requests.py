"""What a user of a model gets: answers that say who gave them, and reasons instead of failures.

One service, asked from another pod by the URL of its status. What is wrong with a request is said
with 400 and never ends in a 500; what is the operator's own is not within users' reach.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from e2e.access import ProgramError
from e2e.bundles import Shelf, good, request
from e2e.harness import Cluster, Manifest
from e2e.installation import Installation
from e2e.serving import ROUTERS, Answer, Asker, Service, shared_namespace

TOO_MANY_BYTES = 16 * 1024 * 1024 + 1


@dataclass(frozen=True)
class World:
    """A service, and a pod that asks it."""

    service: Service
    asker: Asker
    artifact: Manifest

    def ask(self, document: object, **headers: str) -> Answer:
        """Ask the model behind the service's URL."""
        return self.asker.infer(self.service.url, document, **headers)


@pytest.fixture(scope="module")
def shelf(regnant: Installation) -> Iterator[Shelf]:
    """The store."""
    with Shelf.open(regnant) as shelf:
        yield shelf


@pytest.fixture(scope="module")
def world(
    regnant: Installation, cluster: Cluster, shelf: Shelf, request: pytest.FixtureRequest
) -> Iterator[World]:
    """Version 1 serves; it was registered by hand, after its service."""
    del regnant
    with shared_namespace(cluster, request) as namespace:
        service = Service(cluster, namespace)
        service.apply()
        asker = Asker(cluster, namespace).start()
        waiting = service.wait_for_condition("Ready", "ModelVersionNotFound", status="False")
        assert "there is no ModelVersion of line in this namespace yet" in waiting["message"]
        artifact = shelf.put(good(1.0))
        service.release(1, artifact)
        service.wait_for_condition("Ready", "Serving")
        yield World(service, asker, artifact)


def test_a_version_that_appears_is_answered_by_at_the_url_of_the_status(world: World) -> None:
    status = world.service.status
    assert status["champion"]["version"] == 1
    assert [(one["version"], one["percent"]) for one in status["traffic"]] == [(1, 100)]
    answer = world.asker.infer(status["url"], request())
    assert answer.status == 200
    assert answer.json["outputs"] == [
        {"name": "prediction", "datatype": "FP64", "shape": [1, 1], "data": [4.0]}
    ]
    events = world.service.events("Promoted")
    assert [event["note"] for event in events] == [
        "line-1 is the first version, and was verified; it answers all requests"
    ]


def test_every_answer_says_which_version_and_digest_gave_it(world: World) -> None:
    answer = world.ask(request(), x_request_id="17")
    assert answer.headers["x-regnant-model"] == "line"
    assert answer.headers["x-regnant-version"] == "1"
    assert answer.headers["x-regnant-digest"] == world.artifact["digest"]
    assert answer.headers["x-request-id"] == "17"


def test_metadata_of_server_and_model_come_through_the_router(world: World) -> None:
    url = world.service.url
    root = url.removesuffix("/models/line")
    assert world.asker.get(root).json["extensions"] is not None
    for health in (f"{root}/health/live", f"{root}/health/ready", f"{url}/ready"):
        assert world.asker.get(health).status == 200
    assert "/v1/models/line:predict" in world.asker.get(f"{root}/openapi.json").json["paths"]
    metadata = world.asker.get(url).json
    assert metadata["name"] == "line"
    assert metadata["versions"] == ["1"]
    assert metadata["inputs"] == [{"name": "features", "datatype": "FP64", "shape": [-1, 4]}]
    assert metadata["outputs"] == [{"name": "prediction", "datatype": "FP64", "shape": [-1, 1]}]
    assert world.asker.get(f"{url}/versions/1").json == metadata
    assert world.asker.infer(f"{url}/versions/1", request()).status == 200


def test_rows_are_predicted_through_the_router(world: World) -> None:
    url = world.service.url.replace("/v2/", "/v1/")
    rows = {"instances": [[1, 1, 1, 1], {f"features[{place}]": 2 for place in range(4)}]}
    answer = world.asker.send("POST", f"{url}:predict", json.dumps(rows))
    assert answer.json == {"predictions": [4.0, 8.0]}
    assert answer.headers["x-regnant-version"] == "1"
    assert world.asker.get(url).json == {"name": "line", "ready": True}


def _changed(**change: Any) -> dict[str, Any]:
    [tensor] = request()["inputs"]
    return {"inputs": [tensor | change]}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (_changed(name="feature"), 'there is no tensor "feature"'),
        (_changed(shape=[1, 3]), "shape: [1, 3] does not fit; expected [-1, 4]"),
        (_changed(shape=[2, 4]), "data"),
        (_changed(datatype="FP32"), 'datatype: "FP32" is not FP64'),
        (_changed(data=["a", "b", "c", "d"]), 'tensor "features"'),
        ({"inputs": []}, 'tensor "features" is missing'),
        ([1, 2, 3], "the body must be a JSON object"),
    ],
    ids=["name", "columns", "rows", "datatype", "values", "nothing", "list"],
)
def test_a_wrong_request_is_answered_by_400_and_the_reason(
    world: World, body: object, reason: str
) -> None:
    answer = world.ask(body)
    assert answer.status == 400
    assert reason in answer.json["error"]


def test_broken_json_is_answered_by_400_and_where_it_breaks(world: World) -> None:
    answer = world.asker.send("POST", f"{world.service.url}/infer", '{"inputs": [')
    assert answer.status == 400
    assert "the body is not JSON" in answer.json["error"]


def test_a_body_beyond_the_limit_is_refused_and_harms_nobody(world: World) -> None:
    answer = world.asker.send(
        "POST", f"{world.service.url}/infer", json.dumps(request()), padding=TOO_MANY_BYTES
    )
    assert answer.status == 413
    assert answer.json["error"]
    assert world.ask(request()).status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/v2/models/other",
        "/v2/models/line/versions/2",
        "/v2/nothing",
        "/v3",
        "/regnant/v1/golden",
        "/regnant/v1/drain",
        "/envoy/config_dump",
        "/envoy/stats/prometheus",
        "/stats",
        "/v2/../regnant/v1/golden",
        "//regnant/v1/golden",
    ],
)
def test_what_is_not_for_users_is_not_found_by_them(world: World, path: str) -> None:
    root = world.service.url.removesuffix("/v2/models/line")
    answer = world.asker.get(root + path)
    assert answer.status == 404
    assert answer.json["error"]


def test_a_header_of_the_operators_chooses_no_version_for_a_user(world: World) -> None:
    answer = world.ask(request(), x_regnant_verify_version="2", x_regnant_door="operator")
    assert (answer.status, answer.version) == (200, "1")


def test_the_stable_service_opens_the_users_door_only(world: World) -> None:
    service = world.service
    [port] = service.cluster.get("service", service.name, service.namespace)["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (80, 8080)


def test_a_wrong_method_is_answered_by_405(world: World) -> None:
    assert world.asker.get(f"{world.service.url}/infer").status == 405


def test_no_pod_of_ours_needs_a_privilege_or_a_token(world: World) -> None:
    service = world.service
    # The namespace admits only what the restricted Pod Security Standard allows.
    namespace = service.cluster.get("namespace", service.namespace)
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    pods = service.pods() + service.pods(ROUTERS)
    assert len(pods) == 2
    for pod in pods:
        assert pod["spec"]["automountServiceAccountToken"] is False
        assert not [volume for volume in pod["spec"]["volumes"] if "projected" in volume]
        for container in pod["spec"]["containers"] + pod["spec"].get("initContainers", []):
            assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_the_spec_of_a_version_cannot_be_edited(world: World) -> None:
    service = world.service
    change = {"spec": {"artifact": {"digest": f"sha256:{64 * 'a'}"}}}
    with pytest.raises(ProgramError, match="a ModelVersion's spec is immutable"):
        service.cluster.patch("modelversion", "line-1", service.namespace, change)


def test_a_child_that_somebody_changed_or_deleted_comes_back(world: World) -> None:
    service = world.service
    cluster, namespace = service.cluster, service.namespace
    [deployment] = service.deployments()
    cluster.delete("service", deployment, namespace, wait=False)
    cluster.patch("configmap", "line-router", namespace, {"data": {"rds.json": "{}"}})
    cluster.kubectl("scale", f"deployment/{deployment}", "--replicas=0", f"-n={namespace}")
    cluster.wait_for_object("service", deployment, namespace, lambda _: True)
    cluster.wait_for_object(
        "configmap", "line-router", namespace, lambda found: found["data"]["rds.json"] != "{}"
    )
    cluster.wait_for_object(
        "deployment",
        deployment,
        namespace,
        lambda found: found["status"].get("readyReplicas") == 1 and found["spec"]["replicas"] == 1,
    )
    cluster.wait_for("it answers again", lambda: world.ask(request()).status == 200)


def test_a_users_own_service_of_the_same_name_is_not_taken_over(world: World) -> None:
    cluster, namespace = world.service.cluster, world.service.namespace
    own: Manifest = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "taken"},
        "spec": {"selector": {"app": "mine"}, "ports": [{"port": 8000}]},
    }
    cluster.apply(own, namespace)
    service = Service(cluster, namespace, "taken")
    service.apply()
    stalled = service.wait_for_condition("Stalled", "AlreadyExists")
    assert "Service taken exists and is not InferenceService taken's" in stalled["message"]
    spec = cluster.get("service", "taken", namespace)["spec"]
    assert spec["selector"] == {"app": "mine"}
    cluster.delete("service", "taken", namespace)
    service.wait_for_condition("Ready", "Serving")
    assert world.asker.infer(service.url, request()).status == 200
    cluster.delete("inferenceservice", "taken", namespace, wait=False)
