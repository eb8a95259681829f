"""The servers of a version: what they fetch, with which credentials, and how they are replaced."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from regnant.api.inference_service import Tuning
from regnant.serving.settings import parse_settings
from tests.unit.manifests.installations import (
    DIGEST,
    GUARDED,
    PLATFORM,
    STORE,
    container,
    pod,
    secrets_of,
    servers,
)

ELSEWHERE = "oci://registry.example.org/team/churn"


def test_service_deployment_and_budget_share_one_name_and_select_the_same_pods() -> None:
    made = servers()
    names = {manifest["metadata"]["name"] for manifest in made.values()}
    assert names == {"shop-3-abababab"}
    labels = made["Deployment"]["spec"]["template"]["metadata"]["labels"]
    selector = made["Deployment"]["spec"]["selector"]["matchLabels"]
    assert selector == made["Service"]["spec"]["selector"]
    assert selector == made["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"]
    assert selector.items() <= labels.items()


def test_two_versions_never_select_each_others_pods() -> None:
    one = servers(version=3)["Deployment"]
    for other in (servers(version=4), servers(digest="sha256:" + "cd" * 32), servers(name="two")):
        selector = other["Deployment"]["spec"]["selector"]["matchLabels"]
        labels = one["spec"]["template"]["metadata"]["labels"]
        assert not selector.items() <= labels.items()


def test_the_service_is_headless_so_that_routers_see_every_server() -> None:
    spec = servers()["Service"]["spec"]
    assert spec["clusterIP"] == "None"
    assert spec["publishNotReadyAddresses"] is True, "routers check health themselves"


def test_the_bundle_is_fetched_by_digest_and_mounted_for_reading() -> None:
    made = servers()["Deployment"]
    arguments = container(made, "fetch")["args"]
    assert arguments[:4] == ["--uri", f"oci://{STORE}/models/ns/churn", "--digest", DIGEST]
    mount = {"name": "bundle", "mountPath": "/bundle", "readOnly": True}
    assert mount in container(made, "server")["volumeMounts"]
    environment = {one["name"]: one["value"] for one in container(made, "server")["env"]}
    assert environment["REGNANT_BUNDLE_DIGEST"] == DIGEST
    assert environment["REGNANT_MODEL_NAME"] == "churn"
    assert environment["REGNANT_MODEL_VERSION"] == "3"


def test_the_server_never_sees_the_stores_credentials() -> None:
    made = servers(platform=GUARDED)["Deployment"]
    assert secrets_of(made, "fetch") == {"store"}
    assert secrets_of(made, "server") == set()


def test_a_versions_own_secret_wins_over_the_installations() -> None:
    made = servers(platform=GUARDED, secret="mine")["Deployment"]
    assert secrets_of(made, "fetch") == {"mine"}


def test_the_installations_secret_is_not_shown_to_another_registry() -> None:
    made = servers(platform=GUARDED, uri=ELSEWHERE)["Deployment"]
    assert secrets_of(made, "fetch") == set()


@pytest.mark.parametrize(
    "uri", [ELSEWHERE, f"oci://{STORE}.example.org/models/churn", "oci://registry.regnant/m/churn"]
)
def test_another_registry_is_never_spoken_to_without_tls(uri: str) -> None:
    made = servers(uri=uri)["Deployment"]
    assert "--plain-http" not in container(made, "fetch")["args"]


def test_the_installations_store_is_spoken_to_as_it_was_installed() -> None:
    encrypted = replace(PLATFORM, store_plain_http=False)
    assert "--plain-http" in container(servers()["Deployment"], "fetch")["args"]
    assert (
        "--plain-http" not in container(servers(platform=encrypted)["Deployment"], "fetch")["args"]
    )


def test_fewer_servers_than_asked_for_are_never_ready_while_they_are_replaced() -> None:
    spec = servers(replicas=3)["Deployment"]["spec"]
    assert spec["replicas"] == 3
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}


def test_a_drained_node_takes_one_server_at_a_time_and_is_never_blocked_by_a_sick_one() -> None:
    spec = servers()["PodDisruptionBudget"]["spec"]
    assert spec["maxUnavailable"] == 1
    assert spec["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_a_server_has_time_to_drain_before_it_is_killed() -> None:
    made = servers()["Deployment"]
    environment = {one["name"]: one["value"] for one in container(made, "server")["env"]}
    assert int(environment["REGNANT_DRAIN_SECONDS"]) < pod(made)["terminationGracePeriodSeconds"]


def test_no_inference_outlives_the_patience_of_the_routers() -> None:
    (running,) = pod(servers()["Deployment"])["containers"]
    told = {one["name"]: one["value"] for one in running["env"]}
    assert told["REGNANT_INFERENCE_SECONDS"] == "90"


def test_slow_starts_are_the_startup_probes_concern() -> None:
    server = container(servers()["Deployment"], "server")
    assert (
        server["startupProbe"]["failureThreshold"] * server["startupProbe"]["periodSeconds"] >= 600
    )
    assert server["livenessProbe"]["httpGet"]["path"] == "/v2/health/live"
    assert server["readinessProbe"]["httpGet"]["path"] == "/v2/health/ready"


def environment(tuning: Tuning) -> dict[str, str]:
    made = servers(tuning=tuning)["Deployment"]
    return {one["name"]: one["value"] for one in container(made, "server")["env"]}


def test_what_is_tuned_reaches_the_server_and_the_rest_keeps_its_default() -> None:
    tuning = Tuning(
        access_log_share=Decimal("0.01"),
        max_in_flight=100_000,
        max_body_bytes=1 << 30,
        max_batch_rows=1,
        queue_timeout=timedelta(seconds=5),
    )
    given = environment(tuning)
    settings = parse_settings(given)
    assert settings.access_log_sample == 0.01
    assert settings.limits.in_flight == 100_000
    assert settings.limits.body_bytes == 1 << 30
    assert settings.limits.batch_rows == 1
    assert settings.limits.queue_seconds == 5
    names = {"REGNANT_ACCESS_LOG_SAMPLE", "REGNANT_MAX_BATCH_ROWS", "REGNANT_QUEUE_SECONDS"}
    assert names.isdisjoint(environment(Tuning()))
