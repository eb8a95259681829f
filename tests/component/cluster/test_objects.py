"""Reading and writing objects on a real API server."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.cluster.control_plane import COMPONENT_CONTEXT, ControlPlane
from e2e.cluster.kubeconfig import write_kubeconfig
from regnant.api.meta import Kind, ObjectRef
from regnant.cluster.client import Cluster
from regnant.cluster.connection import Kubeconfig
from regnant.cluster.errors import (
    AlreadyExistsError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    UnavailableError,
)
from regnant.cluster.kinds import Manifest, Ref
from tests.component.objects import child, reference, service, version


async def test_applying_the_same_again_changes_nothing(cluster: Cluster, namespace: str) -> None:
    wanted = child(namespace, "config", owner="churn")
    first = await cluster.apply(wanted)
    second = await cluster.apply(wanted)
    assert first["metadata"]["resourceVersion"] == second["metadata"]["resourceVersion"]


async def test_applying_takes_back_what_somebody_changed(cluster: Cluster, namespace: str) -> None:
    wanted = child(namespace, "config", owner="churn")
    live = await cluster.apply(wanted)
    await cluster.replace({**live, "data": {"key": "meddled", "other": "theirs"}})
    assert (await cluster.apply(wanted))["data"] == {"key": "1", "other": "theirs"}


async def test_applying_drops_what_is_asked_for_no_more(cluster: Cluster, namespace: str) -> None:
    wanted = child(namespace, "config", owner="churn")
    await cluster.apply({**wanted, "data": {"key": "1", "old": "2"}})
    assert (await cluster.apply(wanted))["data"] == {"key": "1"}


async def test_a_status_is_written_only_on_what_was_read(cluster: Cluster, namespace: str) -> None:
    live = await cluster.apply(service(namespace))
    status = {**service(namespace), "status": {"phase": "Waiting"}}
    del status["spec"]
    read = live["metadata"]["resourceVersion"]
    after = await cluster.apply(status, subresource="status", resource_version=read)
    assert after["status"]["phase"] == "Waiting"
    assert after["metadata"]["generation"] == 1
    with pytest.raises(ConflictError):
        await cluster.apply(status, subresource="status", resource_version=read)


async def test_the_status_of_what_does_not_exist_is_not_found(
    cluster: Cluster, namespace: str
) -> None:
    status = {**service(namespace, "gone"), "status": {"phase": "Waiting"}}
    with pytest.raises(NotFoundError):
        await cluster.apply(status, subresource="status")
    assert await cluster.get(Ref("InferenceService", namespace, "gone")) is None


async def test_a_name_is_given_once(cluster: Cluster, namespace: str) -> None:
    await cluster.create(version(namespace, 1))
    with pytest.raises(AlreadyExistsError):
        await cluster.create(version(namespace, 1))


async def test_a_refusal_names_the_field(cluster: Cluster, namespace: str) -> None:
    wrong = version(namespace, 1)
    wrong["metadata"]["name"] = "other"
    with pytest.raises(InvalidError, match=r"metadata\.name: must be spec\.modelName"):
        await cluster.create(wrong)


async def test_what_is_not_permitted_is_forbidden(
    control_plane: ControlPlane, tmp_path: Path, namespace: str
) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    write_kubeconfig(
        kubeconfig,
        context=COMPONENT_CONTEXT,
        server=control_plane.endpoints.api_server,
        authority=control_plane.authority.certificate,
        identity=control_plane.authority.client("stranger", "stranger"),
    )
    async with Cluster(Kubeconfig(kubeconfig, COMPONENT_CONTEXT)) as stranger:
        with pytest.raises(ForbiddenError, match="stranger"):
            await stranger.list("Pod", namespace)


async def test_a_server_that_does_not_answer_is_unavailable(
    control_plane: ControlPlane, tmp_path: Path, unused_tcp_port: int
) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    write_kubeconfig(
        kubeconfig,
        context=COMPONENT_CONTEXT,
        server=f"https://127.0.0.1:{unused_tcp_port}",
        authority=control_plane.authority.certificate,
        identity=control_plane.authority.client("stranger", "stranger"),
    )
    async with Cluster(Kubeconfig(kubeconfig, COMPONENT_CONTEXT)) as nobody:
        with pytest.raises(UnavailableError, match="GET /api/v1/namespaces/team/pods/x"):
            await nobody.get(Ref("Pod", "team", "x"))


async def test_a_kubeconfig_that_cannot_be_read_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="no access to a cluster"):
        async with Cluster(Kubeconfig(tmp_path / "missing", COMPONENT_CONTEXT)):
            pass


async def test_deleting_is_done_when_it_is_gone(cluster: Cluster, namespace: str) -> None:
    config = child(namespace, "config", owner="churn")
    await cluster.apply(config)
    await cluster.delete(reference(config))
    await cluster.delete(reference(config))
    assert await cluster.get(reference(config)) is None


async def test_a_namesake_is_not_deleted(cluster: Cluster, namespace: str) -> None:
    config = child(namespace, "config", owner="churn")
    await cluster.apply(config)
    with pytest.raises(ConflictError):
        await cluster.delete(reference(config), uid="another")
    assert await cluster.get(reference(config))


async def test_annotating_touches_nothing_else(cluster: Cluster, namespace: str) -> None:
    config = child(namespace, "config", owner="churn")
    await cluster.apply(config)
    await cluster.annotate(reference(config), {"regnant.dev/config": "r1"})
    live = await cluster.get(reference(config))
    assert live is not None
    assert live["metadata"]["annotations"] == {"regnant.dev/config": "r1"}
    assert live["data"] == {"key": "1"}
    with pytest.raises(NotFoundError):
        await cluster.annotate(Ref("Pod", namespace, "gone"), {"regnant.dev/config": "r1"})


async def test_a_list_has_what_the_labels_select_from_every_page(
    cluster: Cluster, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("regnant.cluster.client._PAGE", "2")
    for number in range(5):
        await cluster.apply(child(namespace, f"config-{number}", owner="churn"))
    await cluster.apply(child(namespace, "other", owner="fraud"))
    found = await cluster.list("ConfigMap", namespace, {"regnant.dev/owner": "churn"})
    assert [one["metadata"]["name"] for one in found] == [f"config-{n}" for n in range(5)]
    assert {(one["apiVersion"], one["kind"]) for one in found} == {("v1", "ConfigMap")}


async def test_a_transition_that_is_told_again_makes_no_second_event(
    cluster: Cluster, namespace: str
) -> None:
    live = await cluster.apply(service(namespace))
    owner = ObjectRef(
        kind=Kind.INFERENCE_SERVICE,
        name="churn",
        namespace=namespace,
        uid=live["metadata"]["uid"],
    )
    for occurrence in ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"):
        await cluster.create_event(
            owner,
            severity="Normal",
            reason="Promoted",
            message="é" * 2000,
            occurrence=occurrence,
        )
    events: list[Manifest] = await cluster.list("Event", namespace)
    assert len(events) == 2
    assert {event["regarding"]["name"] for event in events} == {"churn"}
    assert {event["reportingController"] for event in events} == {"regnant.dev/operator"}
    assert all(len(event["note"].encode()) <= 1024 for event in events)
