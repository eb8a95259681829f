"""What holds for every pod that the operator makes, whatever the resources ask for."""

from __future__ import annotations

from typing import Any

import pytest

from regnant.manifests.names import COMPONENT, MANAGED_BY, OWNER, OWNER_KIND
from tests.unit.manifests.installations import (
    CONTAINER,
    GUARDED,
    PLACEMENT,
    PLATFORM,
    Manifest,
    pod,
    routers,
    servers,
    training,
)
from tests.unit.manifests.pod_security import violations

PODS: dict[str, Manifest] = {
    f"{name}, {installation}, {place}": made
    for installation, platform in (("open", PLATFORM), ("guarded", GUARDED))
    for place, placement in (("anywhere", {}), ("placed", PLACEMENT))
    for name, made in {
        "sklearn": training(platform=platform, placement=placement)[1],
        "sklearn with secrets": training(
            platform=platform, placement=placement, uri="s3://b/k.csv", credentials="lake"
        )[1],
        "container": training(platform=platform, placement=placement, trainer=CONTAINER)[1],
        "pvc": training(platform=platform, placement=placement, uri="pvc://claim/a.csv")[1],
        "server": servers(platform=platform, placement=placement)["Deployment"],
        "server with a secret": servers(platform=platform, placement=placement, secret="mine")[
            "Deployment"
        ],
        "router": routers(platform=platform, placement=placement)["Deployment"],
    }.items()
}

every_pod = pytest.mark.parametrize("made", PODS.values(), ids=PODS.keys())


def containers(made: Manifest) -> list[Manifest]:
    spec = pod(made)
    return [*spec.get("initContainers", ()), *spec["containers"]]


@every_pod
def test_the_restricted_standard_admits_it(made: Manifest) -> None:
    assert violations(pod(made)) == []


@pytest.mark.parametrize(
    ("change", "violation"),
    [
        ({"hostNetwork": True}, "hostNetwork"),
        ({"hostPID": True}, "hostPID"),
        ({"volumes": [{"name": "v", "hostPath": {}}]}, "volume v of type hostPath"),
        ({"securityContext": {}}, "server: runAsNonRoot"),
        ({"securityContext": {"runAsNonRoot": True}}, "server: seccompProfile"),
        ({"securityContext": {"sysctls": [{}]}}, "sysctls"),
        ({"containers": [{"name": "server"}]}, "server: allowPrivilegeEscalation"),
        ({"containers": [{"name": "server"}]}, "server: capabilities.drop"),
        (
            {"containers": [{"name": "a", "securityContext": {"privileged": True}}]},
            "a: privileged",
        ),
        (
            {"containers": [{"name": "a", "securityContext": {"capabilities": {"add": ["X"]}}}]},
            "a: capabilities.add",
        ),
        ({"containers": [{"name": "a", "securityContext": {"runAsUser": 0}}]}, "a: runAsUser"),
        ({"containers": [{"name": "a", "ports": [{"hostPort": 1}]}]}, "a: hostPort"),
        (
            {"containers": [{"name": "a", "securityContext": {"procMount": "Unmasked"}}]},
            "a: procMount",
        ),
    ],
)
def test_the_checker_of_the_standard_says_no(change: dict[str, Any], violation: str) -> None:
    assert violation in violations(pod(servers()["Deployment"]) | change)


@every_pod
def test_it_cannot_speak_to_the_api_server(made: Manifest) -> None:
    assert pod(made)["automountServiceAccountToken"] is False
    assert "serviceAccountName" not in pod(made)


@every_pod
def test_it_is_not_told_of_neighbouring_services(made: Manifest) -> None:
    assert pod(made)["enableServiceLinks"] is False


@every_pod
def test_its_containers_write_to_volumes_only(made: Manifest) -> None:
    for one in containers(made):
        assert one["securityContext"]["readOnlyRootFilesystem"] is True


@every_pod
def test_every_mount_has_its_volume_and_every_volume_its_mount(made: Manifest) -> None:
    volumes = [volume["name"] for volume in pod(made)["volumes"]]
    mounted = {mount["name"] for one in containers(made) for mount in one["volumeMounts"]}
    assert len(volumes) == len(set(volumes))
    assert mounted == set(volumes)


@every_pod
def test_secrets_configuration_and_claims_are_mounted_for_reading(made: Manifest) -> None:
    scratch = {volume["name"] for volume in pod(made)["volumes"] if "emptyDir" in volume}
    for one in containers(made):
        for mount in one["volumeMounts"]:
            assert mount.get("readOnly", False) or mount["name"] in scratch


@every_pod
def test_its_last_words_are_kept_when_it_writes_none(made: Manifest) -> None:
    for one in containers(made):
        assert one["terminationMessagePolicy"] == "FallbackToLogsOnError"


@every_pod
def test_every_container_asks_for_what_it_needs(made: Manifest) -> None:
    for one in containers(made):
        assert {"cpu", "memory"} <= one["resources"]["requests"].keys()
        assert "memory" in one["resources"]["limits"]


@every_pod
def test_its_labels_say_whose_it_is(made: Manifest) -> None:
    labels = made["spec"]["template"]["metadata"]["labels"]
    assert labels.items() >= {MANAGED_BY: "regnant", OWNER: "shop"}.items()
    assert labels[OWNER_KIND] in {"TrainingPipeline", "InferenceService"}
    assert labels[COMPONENT] in {"trainer", "server", "router"}
    assert made["metadata"]["labels"].items() <= labels.items()


@pytest.mark.parametrize("name", [name for name in PODS if "placed" in name])
def test_it_runs_where_it_was_placed(name: str) -> None:
    assert pod(PODS[name]).items() >= PLACEMENT.items()


@pytest.mark.parametrize("name", [name for name in PODS if "guarded" in name])
def test_images_are_pulled_with_the_installations_secrets(name: str) -> None:
    assert pod(PODS[name])["imagePullSecrets"] == [{"name": "pull-a"}, {"name": "pull-b"}]
