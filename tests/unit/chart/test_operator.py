"""The operator's Deployment: what it is told, how it is kept, when it is replaced."""

from __future__ import annotations

import pytest

from regnant.handlers.settings import parse
from tests.unit.chart.rendering import INSTALLATIONS, container, refusal, render
from tests.unit.lifecycle.worlds import serving_world


@pytest.mark.parametrize("installation", INSTALLATIONS)
def test_the_operator_understands_all_that_it_is_told(installation: str) -> None:
    rendering = render(installation)
    settings = parse(rendering.operator_arguments, {})
    ports = {each["name"]: each["containerPort"] for each in container(rendering.operator)["ports"]}
    assert ports == {"metrics": settings.metrics_port, "health": settings.health_port}


def test_what_the_values_say_reaches_the_operators_settings() -> None:
    settings = parse(render("everything").operator_arguments, {})
    assert settings.concurrency == 16
    assert settings.log_format == "text"
    assert settings.resync.total_seconds() == 60
    assert settings.leader_elect
    assert settings.platform.store_plain_http
    assert settings.platform.image_pull_secrets == ("pull",)


def test_pods_know_who_they_are() -> None:
    names = {each["name"] for each in container(render("all-namespaces").operator)["env"]}
    assert names >= {"POD_NAME", "POD_NAMESPACE"}


def test_one_replica_has_no_disruption_budget_that_would_block_every_drain() -> None:
    assert render("all-namespaces").of_kind("PodDisruptionBudget") == []


def test_several_replicas_elect_a_leader_and_keep_one_while_nodes_are_drained() -> None:
    rendering = render("everything")
    assert "--leader-elect" in rendering.operator_arguments
    assert rendering.one("PodDisruptionBudget")["spec"]["minAvailable"] == 1
    spread = rendering.operator["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert spread[0]["topologyKey"] == "kubernetes.io/hostname"


def test_several_replicas_without_election_are_refused() -> None:
    said = refusal("--set=operator.replicas=2", "--set=operator.leaderElection=false")
    assert "operator.replicas" in said
    assert "operator.leaderElection" in said


def test_without_election_the_old_operator_ends_before_the_new_one_starts() -> None:
    rendering = render("smallest")
    assert "--leader-elect" not in rendering.operator_arguments
    assert rendering.operator["spec"]["strategy"] == {"type": "Recreate"}


def test_with_election_the_old_operator_stays_until_the_new_one_is_ready() -> None:
    strategy = render("all-namespaces").operator["spec"]["strategy"]
    assert strategy["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}


def test_it_watches_only_the_namespaces_that_are_named() -> None:
    named = [a for a in render("two-namespaces").operator_arguments if a.startswith("--namespace")]
    assert named == ["--namespace=team-a", "--namespace=team-b"]
    everywhere = render("all-namespaces").operator_arguments
    assert not any(argument.startswith("--namespace") for argument in everywhere)


def test_probes_ask_for_life_and_readiness_on_the_health_port() -> None:
    operator = container(render("all-namespaces").operator)
    assert operator["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "health"}
    assert operator["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "health"}
    assert {"name": "health", "containerPort": 8001, "protocol": "TCP"} in operator["ports"]


@pytest.mark.parametrize(
    ("role", "image"),
    [
        ("trainer", "registry.example.com/regnant/regnant-trainer:0.1.0"),
        ("server", "registry.example.com/regnant/regnant-server:0.1.0"),
        ("router", "registry.example.com/regnant/regnant-router:0.1.0"),
    ],
)
def test_images_come_from_the_one_registry_at_the_version_of_the_chart(
    role: str, image: str
) -> None:
    assert f"--{role}-image={image}" in render("all-namespaces").operator_arguments


def test_a_digest_names_an_image_instead_of_its_tag() -> None:
    image = container(render("everything").operator)["image"]
    assert image == "registry.example.com/regnant/regnant-operator@sha256:" + 64 * "0"


def test_one_image_may_come_from_elsewhere() -> None:
    arguments = render("everything").operator_arguments
    assert "--trainer-image=other.example.com/regnant-trainer:nightly" in arguments
    assert "--server-image=registry.example.com/regnant/regnant-server:1.2.3" in arguments


def test_pull_settings_reach_the_pods_that_the_operator_makes() -> None:
    arguments = render("everything").operator_arguments
    assert "--image-pull-policy=Always" in arguments
    assert "--image-pull-secret=pull" in arguments


def test_a_monitor_is_made_only_on_request() -> None:
    assert render("all-namespaces").of_kind("ServiceMonitor") == []
    endpoint = render("everything").one("ServiceMonitor")["spec"]["endpoints"][0]
    assert (endpoint["port"], endpoint["interval"]) == ("metrics", "15s")
    assert endpoint["honorLabels"] is True


def test_servers_are_monitored_only_on_request_and_by_the_labels_they_have() -> None:
    assert render("all-namespaces").of_kind("PodMonitor") == []
    spec = render("everything").one("PodMonitor")["spec"]
    (endpoint,) = spec["podMetricsEndpoints"]
    assert endpoint == {
        "port": "metrics",
        "path": "/metrics",
        "interval": "15s",
        "scrapeTimeout": "10s",
        "relabelings": [{"action": "labeldrop", "regex": "pod"}],
        "metricRelabelings": [
            {"action": "keep", "regex": "regnant_.*", "sourceLabels": ["__name__"]}
        ],
    }
    made = [one for one in serving_world().decide().apply if one["kind"] == "Deployment"]
    monitored = [
        template["spec"]["containers"][0]
        for template in (one["spec"]["template"] for one in made)
        if spec["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    ]
    assert [one["name"] for one in monitored] == ["server"]
    assert endpoint["port"] in {port["name"] for port in monitored[0]["ports"]}
