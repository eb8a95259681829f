"""An InferenceService from version to version, with pods and routers played by the test."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from regnant.api.meta import Kind
from regnant.cluster.errors import AlreadyExistsError, ConflictError
from regnant.manifests import names
from regnant.manifests.router import CONFIG_SYNC
from tests.component.controllers.node import crashing, creating
from tests.component.controllers.operators import Operator
from tests.component.resources.documents import Manifest, service, version

SERVICE = "InferenceService"
ONE, TWO = ("sha256:" + letter * 64 for letter in "ab")
FIRST, SECOND = (names.server("shop", number, digest) for number, digest in ((1, ONE), (2, TWO)))
QUICK: dict[str, Any] = {"rollout": {"watch": {"duration": "30s"}}}


async def serving(operator: Operator, **spec: Any) -> None:
    """churn-1 answers, and nothing is left to do."""
    await operator.create(version(operator.namespace, 1, digest=ONE))
    await operator.create(service(operator.namespace, **(QUICK | spec)))
    await operator.settle(SERVICE, "shop")
    assert (await operator.status(SERVICE, "shop"))["phase"] == "Serving"


async def test_a_service_waits_for_a_version_and_says_so(operator: Operator) -> None:
    await operator.create(service(operator.namespace))
    await operator.settle(SERVICE, "shop")
    status, reason, message = await operator.condition(SERVICE, "shop")
    assert (status, reason) == ("False", "ModelVersionNotFound")
    assert "modelName" in message
    assert (await operator.status(SERVICE, "shop"))["phase"] == "Waiting"
    assert await operator.find("Service", "shop"), "the URL is there from the beginning"


async def test_the_first_version_is_verified_and_answers(operator: Operator) -> None:
    await serving(operator)
    status = await operator.status(SERVICE, "shop")
    assert (status["champion"]["version"], status["champion"]["artifact"]["digest"]) == (1, ONE)
    assert [(one["version"], one["percent"]) for one in status["traffic"]] == [(1, 100)]
    assert status["url"] == f"http://shop.{operator.namespace}.svc/v2/models/churn"
    assert await operator.condition(SERVICE, "shop") == (
        "True",
        "Serving",
        "churn-1 answers all requests",
    )
    assert (await operator.condition(SERVICE, "shop", "Available"))[0] == "True"
    for settled in ("Reconciling", "Stalled"):
        assert (await operator.condition(SERVICE, "shop", settled))[0] == "False"
    assert "/v2/models/churn/infer" in operator.node.router.asked, "it was proven by its answers"
    assert {"RolloutStarted", "Promoted"} <= set(await operator.events())


async def test_every_child_goes_with_its_service(operator: Operator) -> None:
    await serving(operator)
    uid = (await operator.get(SERVICE, "shop"))["metadata"]["uid"]
    for kind, name in children():
        (owner,) = (await operator.get(kind, name))["metadata"]["ownerReferences"]
        assert (owner["uid"], owner["controller"]) == (uid, True)


def children() -> list[tuple[str, str]]:
    return [
        ("Service", "shop"),
        ("ConfigMap", "shop-router"),
        ("Deployment", "shop-router"),
        ("PodDisruptionBudget", "shop-router"),
        ("NetworkPolicy", "shop-router"),
        ("NetworkPolicy", "shop-server"),
        ("Service", FIRST),
        ("Deployment", FIRST),
        ("PodDisruptionBudget", FIRST),
    ]


SPELLINGS = {
    "server": {
        "resources": {
            "requests": {"cpu": "0.5", "memory": "1024Mi"},
            "limits": {"cpu": 2, "memory": "1.5Gi"},
        },
        "placement": {
            "nodeSelector": {"pool": "models"},
            "tolerations": [{"operator": "Exists", "key": ""}],
            "affinity": {"podAntiAffinity": {}},
        },
    },
    "router": {"replicas": 2},
}


@pytest.mark.parametrize("spec", [{}, SPELLINGS], ids=["plain", "spelled in other ways"])
async def test_a_settled_service_costs_no_write_and_asks_no_router(
    spec: Manifest, operator: Operator
) -> None:
    await serving(operator, **spec)
    before = await operator.snapshot()
    operator.cluster.writes.clear()
    operator.node.router.asked.clear()
    for _ in range(2):
        assert (await operator.reconcile(SERVICE, "shop")).after is None
    assert operator.cluster.writes == []
    assert operator.node.router.asked == []
    assert await operator.snapshot() == before


def spoil_replicas(live: Manifest) -> None:
    live["spec"]["replicas"] = 7


def spoil_image(live: Manifest) -> None:
    live["spec"]["template"]["spec"]["containers"][0]["image"] = "evil:1"


def drop_volume_mount(live: Manifest) -> None:
    live["spec"]["template"]["spec"]["containers"][0]["volumeMounts"].pop()


def spoil_selector(live: Manifest) -> None:
    live["spec"]["selector"] = {"app": "theirs"}


def spoil_ports(live: Manifest) -> None:
    live["spec"]["ports"][0]["targetPort"] = 1


def spoil_routes(live: Manifest) -> None:
    live["data"]["rds.json"] = "{}"


def drop_routes(live: Manifest) -> None:
    del live["data"]["rds.json"]


def spoil_budget(live: Manifest) -> None:
    live["spec"]["maxUnavailable"] = 0


def open_policy(live: Manifest) -> None:
    live["spec"]["ingress"] = [{}]


def drop_label(live: Manifest) -> None:
    del live["metadata"]["labels"]["app.kubernetes.io/instance"]


def drop_annotations(live: Manifest) -> None:
    live["metadata"]["annotations"] = {}


def drop_owner(live: Manifest) -> None:
    del live["metadata"]["ownerReferences"]


CHANGES: list[tuple[str, str, Callable[[Manifest], Any]]] = [
    ("Deployment", FIRST, spoil_replicas),
    ("Deployment", FIRST, spoil_image),
    ("Deployment", FIRST, drop_volume_mount),
    ("Deployment", "shop-router", spoil_image),
    ("Deployment", "shop-router", drop_annotations),
    ("Service", "shop", spoil_selector),
    ("Service", "shop", spoil_ports),
    ("Service", "shop", drop_owner),
    ("Service", FIRST, spoil_selector),
    ("ConfigMap", "shop-router", spoil_routes),
    ("ConfigMap", "shop-router", drop_routes),
    ("ConfigMap", "shop-router", drop_label),
    ("PodDisruptionBudget", FIRST, spoil_budget),
    ("NetworkPolicy", "shop-router", open_policy),
]


async def test_what_somebody_changed_is_put_back(operator: Operator) -> None:
    await serving(operator)
    for kind, name, change in CHANGES:
        before = await operator.get(kind, name)
        await operator.edit(kind, name, change)
        await operator.reconcile(SERVICE, "shop")
        assert content(await operator.get(kind, name)) == content(before), change
        operator.cluster.writes.clear()
        await operator.reconcile(SERVICE, "shop")
        assert operator.cluster.writes == [], change


def content(live: Manifest) -> Manifest:
    """The parts of an object that somebody wants to be so."""
    head = live["metadata"]
    mine = {key: head.get(key) for key in ("labels", "annotations", "ownerReferences")}
    mine["annotations"] = {
        key: value
        for key, value in (mine["annotations"] or {}).items()
        if not key.startswith("deployment.kubernetes.io")
    }
    return {**mine, **{key: live[key] for key in ("spec", "data") if key in live}}


async def test_what_somebody_deleted_is_made_again(operator: Operator) -> None:
    await serving(operator)
    for kind, name in children():
        before = await operator.get(kind, name)
        await operator.delete(kind, name)
        await operator.reconcile(SERVICE, "shop")
        after = await operator.get(kind, name)
        assert after["metadata"]["uid"] != before["metadata"]["uid"]
        assert content(after)["labels"] == content(before)["labels"]


async def test_what_is_asked_for_no_more_goes_away(operator: Operator) -> None:
    placed = {"server": {"placement": {"nodeSelector": {"pool": "models"}}}}
    await serving(operator, **placed)
    made = await operator.get("Deployment", FIRST)
    assert made["spec"]["template"]["spec"]["nodeSelector"] == {"pool": "models"}

    def unplace(live: Manifest) -> None:
        live["spec"]["server"]["placement"] = {}

    await operator.edit(SERVICE, "shop", unplace)
    await operator.reconcile(SERVICE, "shop")
    made = await operator.get("Deployment", FIRST)
    assert "nodeSelector" not in made["spec"]["template"]["spec"]


async def test_a_scaled_service_is_reported_until_it_is_so(operator: Operator) -> None:
    await serving(operator)
    await operator.edit(SERVICE, "shop", lambda live: live["spec"]["server"].update(replicas=2))
    await operator.reconcile(SERVICE, "shop")
    assert (await operator.condition(SERVICE, "shop"))[:2] == ("False", "Scaling")
    await operator.settle(SERVICE, "shop")
    assert (await operator.condition(SERVICE, "shop"))[:2] == ("True", "Serving")


def foreign_service(namespace: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "shop", "namespace": namespace},
        "spec": {"selector": {"app": "theirs"}, "ports": [{"name": "http", "port": 80}]},
    }


async def test_a_service_of_the_users_is_never_taken_over(operator: Operator) -> None:
    theirs = await operator.create(foreign_service(operator.namespace))
    await operator.create(version(operator.namespace, 1, digest=ONE))
    await operator.create(service(operator.namespace, **QUICK))
    for _ in range(3):
        with pytest.raises(AlreadyExistsError):
            await operator.reconcile(SERVICE, "shop")
    status, reason, message = await operator.condition(SERVICE, "shop")
    assert (status, reason) == ("False", "AlreadyExists")
    assert "Service shop exists and is not InferenceService shop's" in message
    assert "delete it" in message
    assert (await operator.condition(SERVICE, "shop", "Stalled"))[0] == "True"
    assert await operator.get("Service", "shop") == theirs
    await operator.delete("Service", "shop")
    await operator.settle(SERVICE, "shop")
    assert (await operator.condition(SERVICE, "shop"))[:2] == ("True", "Serving")


async def test_children_of_a_service_that_was_deleted_are_not_taken_over(
    operator: Operator,
) -> None:
    """The garbage collector is about to delete them; the new ones are made afterwards."""
    await serving(operator)
    await operator.delete(SERVICE, "shop")
    await operator.create(service(operator.namespace, **QUICK))
    old = await operator.get("Service", "shop")
    with pytest.raises(AlreadyExistsError):
        await operator.reconcile(SERVICE, "shop")
    assert await operator.get("Service", "shop") == old
    for kind, name in children():
        await operator.delete(kind, name)
    await operator.settle(SERVICE, "shop")
    assert (await operator.condition(SERVICE, "shop"))[:2] == ("True", "Serving")
    assert (await operator.get("Service", "shop"))["metadata"]["uid"] != old["metadata"]["uid"]


async def test_a_status_that_somebody_changed_meanwhile_is_not_overwritten(
    operator: Operator,
) -> None:
    await operator.create(version(operator.namespace, 1, digest=ONE))
    await operator.create(service(operator.namespace, **QUICK))

    async def meddle() -> None:
        await operator.edit(
            SERVICE, "shop", lambda live: live["metadata"].update(labels={"a": "b"})
        )

    operator.cluster.before_status = meddle
    with pytest.raises(ConflictError):
        await operator.reconcile(SERVICE, "shop")
    assert await operator.find("Deployment", FIRST) is None, "nothing is done before it is written"
    await operator.settle(SERVICE, "shop")
    assert (await operator.status(SERVICE, "shop"))["phase"] == "Serving"


async def test_a_deleted_service_leaves_nothing_to_do(operator: Operator) -> None:
    await serving(operator)
    await operator.delete(SERVICE, "shop")
    operator.cluster.writes.clear()
    assert (await operator.reconcile(SERVICE, "shop")).after is None
    assert operator.cluster.writes == []


async def test_a_service_that_is_being_deleted_is_not_acted_on(operator: Operator) -> None:
    await serving(operator)

    def hold(live: Manifest) -> None:
        live["metadata"]["finalizers"] = ["example.org/theirs"]

    await operator.edit(SERVICE, "shop", hold)
    await operator.delete(SERVICE, "shop")
    await operator.delete("Deployment", FIRST)
    operator.cluster.writes.clear()
    assert (await operator.reconcile(SERVICE, "shop")).after is None
    assert operator.cluster.writes == []


async def test_a_newer_version_takes_over_and_the_former_one_goes_after_its_watch(
    operator: Operator,
) -> None:
    await serving(operator)
    stable = (await operator.get("Service", "shop"))["metadata"]["uid"]
    await operator.create(version(operator.namespace, 2, digest=TWO))
    await operator.until(SERVICE, "shop", "Watching")
    status = await operator.status(SERVICE, "shop")
    assert (status["champion"]["version"], status["previous"]["version"]) == (2, 1)
    assert await operator.find("Deployment", FIRST), "it stays while it may be needed"
    await operator.settle(SERVICE, "shop")
    for kind in ("Deployment", "Service", "PodDisruptionBudget"):
        assert await operator.find(kind, FIRST) is None
        assert await operator.find(kind, SECOND)
    assert (await operator.get("Service", "shop"))["metadata"]["uid"] == stable
    assert {"Promoted", "RolloutCompleted"} <= set(await operator.events())


async def test_what_a_crash_left_of_a_version_that_is_over_goes_too(operator: Operator) -> None:
    await serving(operator)
    left = [await operator.get(kind, FIRST) for kind in ("Service", "PodDisruptionBudget")]
    await operator.create(version(operator.namespace, 2, digest=TWO))
    await operator.settle(SERVICE, "shop")
    for one in left:
        head = one["metadata"]
        kept = {key: head[key] for key in ("name", "namespace", "labels", "ownerReferences")}
        await operator.create({**one, "metadata": kept})
    await operator.reconcile(SERVICE, "shop")
    for kind in ("Service", "PodDisruptionBudget"):
        assert await operator.find(kind, FIRST) is None
        assert await operator.find(kind, SECOND)


async def test_routers_are_told_of_every_configuration(operator: Operator) -> None:
    await serving(operator)
    labels = names.owned_by(Kind.INFERENCE_SERVICE, "shop") | {names.COMPONENT: "router"}
    (router,) = await operator.cluster.list("Pod", operator.namespace, labels)
    config = await operator.get("ConfigMap", "shop-router")
    revision = json.loads(config["data"]["cds.json"])["version_info"]
    assert router["metadata"]["annotations"][CONFIG_SYNC] == revision


async def test_users_are_not_sent_to_a_version_that_is_not_proven(operator: Operator) -> None:
    await serving(operator)
    await operator.create(version(operator.namespace, 2, digest=TWO))
    operator.node.sick[SECOND] = {"conditions": [{"type": "Ready", "status": "False"}]}
    await operator.until(SERVICE, "shop", "Preparing")
    status = await operator.status(SERVICE, "shop")
    assert (status["champion"]["version"], status["rollout"]["to"]["version"]) == (1, 2)
    assert "verifiedAt" not in status["rollout"]
    assert (await operator.condition(SERVICE, "shop"))[:2] == ("True", "Serving")


async def test_a_version_with_false_answers_is_rejected_through_the_router(
    operator: Operator,
) -> None:
    await serving(operator)
    operator.node.router.wrong.add(2)
    await operator.create(version(operator.namespace, 2, digest=TWO))
    await operator.settle(SERVICE, "shop")
    status = await operator.status(SERVICE, "shop")
    (rejected,) = status["rejected"]
    assert (rejected["version"], rejected["digest"]) == (2, TWO)
    assert rejected["reason"] == "VerificationFailed"
    assert 'tensor "label"' in rejected["message"]
    assert status["champion"]["version"] == 1
    assert (await operator.condition(SERVICE, "shop", "UpToDate"))[:2] == (
        "False",
        "VerificationFailed",
    )
    assert await operator.find("Deployment", SECOND) is None
    assert "VerificationFailed" in await operator.events()


async def test_a_version_whose_server_takes_other_tensors_is_rejected_with_the_difference(
    operator: Operator,
) -> None:
    """Its ModelVersion declares none, so only its server tells."""
    await serving(operator)
    operator.node.router.other_columns.add(2)
    await operator.create(version(operator.namespace, 2, digest=TWO))
    await operator.settle(SERVICE, "shop")
    (rejected,) = (await operator.status(SERVICE, "shop"))["rejected"]
    assert rejected["reason"] == "InterfaceChanged"
    assert "input features is missing; input income is new" in rejected["message"]


async def test_a_version_that_routers_hold_for_unhealthy_is_not_verified_yet(
    operator: Operator,
) -> None:
    """Users would not reach it, and whoever was told that it reigns would wonder."""
    await serving(operator)
    operator.node.router.unhealthy.add(2)
    await operator.create(version(operator.namespace, 2, digest=TWO))
    await operator.until(SERVICE, "shop", "Verifying")
    for _ in range(3):
        await operator.reconcile(SERVICE, "shop")
    status = await operator.status(SERVICE, "shop")
    assert (status["phase"], "verifiedAt" in status["rollout"]) == ("Verifying", False)
    operator.node.router.unhealthy.clear()
    await operator.until(SERVICE, "shop", "Watching")


async def test_a_version_that_says_it_is_broken_is_rejected_in_its_own_words(
    operator: Operator,
) -> None:
    await serving(operator)
    words = {"reason": "ModelLoadFailed", "message": "model.onnx: no such operator"}
    operator.node.sick[SECOND] = {
        "conditions": [{"type": "Ready", "status": "False"}],
        "containerStatuses": [crashing("server", 64, json.dumps(words))],
    }
    await operator.create(version(operator.namespace, 2, digest=TWO))
    await operator.settle(SERVICE, "shop")
    (rejected,) = (await operator.status(SERVICE, "shop"))["rejected"]
    assert (rejected["reason"], rejected["message"]) == tuple(words.values())
    assert "ModelLoadFailed" in await operator.events()


async def test_a_server_that_waits_for_the_secret_of_the_store_says_so_and_goes_on_by_itself(
    operator: Operator,
) -> None:
    operator.node.sick[FIRST] = {"initContainerStatuses": [creating("fetch")]}
    await operator.create(version(operator.namespace, 1, digest=ONE))
    await operator.create(service(operator.namespace, **QUICK))
    await operator.until(SERVICE, "shop", "Preparing")
    await operator.node.run()
    assert "Secret of the store" not in (await operator.condition(SERVICE, "shop"))[2]
    note = 'MountVolume.SetUp failed for volume "store-credentials" : secret "keys" not found'
    await operator.node.warn(f"{FIRST}-0", "FailedMount", note)
    await operator.reconcile(SERVICE, "shop")
    status, _, message = await operator.condition(SERVICE, "shop")
    assert status == "False"
    assert 'the Secret of the store: secret "keys" not found' in message
    del operator.node.sick[FIRST]
    await operator.settle(SERVICE, "shop")
    assert (await operator.status(SERVICE, "shop"))["phase"] == "Serving"


async def test_a_champion_that_falls_ill_in_its_watch_gives_way(operator: Operator) -> None:
    await serving(operator)
    await operator.create(version(operator.namespace, 2, digest=TWO))
    await operator.until(SERVICE, "shop", "Watching")
    operator.node.sick[SECOND] = {
        "conditions": [{"type": "Ready", "status": "False"}],
        "containerStatuses": [crashing("server", 1, "boom")],
    }
    await operator.node.run()
    await operator.settle(SERVICE, "shop")
    status = await operator.status(SERVICE, "shop")
    assert status["champion"]["version"] == 1
    assert status["rejected"][0]["reason"] == "Crashed"
    assert "RolledBack" in await operator.events()


async def test_versions_say_who_uses_them(operator: Operator) -> None:
    await serving(operator)
    assert operator.key("ModelVersion", "churn-1") in operator.woken
    await operator.reconcile("ModelVersion", "churn-1")
    assert await uses(operator, 1) == [("shop", "Champion")]
    assert (await operator.condition("ModelVersion", "churn-1", "Verified"))[0] == "True"

    operator.woken.clear()
    await operator.create(version(operator.namespace, 2, digest=TWO))
    await operator.until(SERVICE, "shop", "Preparing")
    await operator.reconcile("ModelVersion", "churn-2")
    assert await uses(operator, 2) == [("shop", "Candidate")]

    await operator.until(SERVICE, "shop", "Watching")
    for number in (1, 2):
        assert operator.key("ModelVersion", f"churn-{number}") in operator.woken
        await operator.reconcile("ModelVersion", f"churn-{number}")
    assert await uses(operator, 1) == [("shop", "Previous")]
    assert await uses(operator, 2) == [("shop", "Champion")]

    await operator.delete(SERVICE, "shop")
    for number in (1, 2):
        await operator.reconcile("ModelVersion", f"churn-{number}")
        assert await uses(operator, number) == []
    assert (await operator.status("ModelVersion", "churn-2"))["phase"] == "Verified"


async def uses(operator: Operator, number: int) -> list[tuple[str, str]]:
    status = await operator.status("ModelVersion", f"churn-{number}")
    return [(use["inferenceService"], use["role"]) for use in status.get("usedBy", ())]
