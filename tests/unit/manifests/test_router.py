"""The routers: the URL that never changes, and configuration that needs no restart."""

from __future__ import annotations

import pytest

from regnant.manifests.routing import Routing, Variant
from tests.unit.manifests.installations import (
    DIGEST,
    container,
    one_version,
    pod,
    routers,
    servers,
)

OTHER = "sha256:" + "cd" * 32


def test_the_stable_service_carries_the_inference_services_own_name() -> None:
    service = routers()["Service"]
    assert service["metadata"]["name"] == "shop"
    assert service["spec"]["ports"][0]["port"] == 80


def test_it_selects_routers_and_no_server() -> None:
    made = routers()
    selector = made["Service"]["spec"]["selector"]
    routed = made["Deployment"]["spec"]["template"]["metadata"]["labels"]
    served = servers()["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert selector.items() <= routed.items()
    assert not selector.items() <= served.items()
    assert selector == made["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"]


def test_a_promotion_changes_the_configuration_and_restarts_nothing() -> None:
    before, after = routers(), routers(routing=one_version())
    assert before["ConfigMap"]["data"] != after["ConfigMap"]["data"]
    assert before["Deployment"] == after["Deployment"]
    assert before["Service"] == after["Service"]


def test_the_whole_directory_is_mounted_so_that_changes_arrive() -> None:
    made = routers()
    mounts = container(made["Deployment"], "router")["volumeMounts"]
    (mount,) = [one for one in mounts if one["name"] == "config"]
    assert "subPath" not in mount
    assert pod(made["Deployment"])["volumes"][0]["configMap"]["name"] == "shop-router"
    assert "envoy.json" in made["ConfigMap"]["data"]


def test_a_router_drains_by_a_door_that_it_has_before_it_is_killed() -> None:
    made = routers()
    router = container(made["Deployment"], "router")
    hook = router["lifecycle"]["preStop"]["httpGet"]
    assert hook["port"] in {port["containerPort"] for port in router["ports"]}
    assert any(hook["path"] in text for text in made["ConfigMap"]["data"].values())
    assert pod(made["Deployment"])["terminationGracePeriodSeconds"] > 15


def test_replicas_are_the_specs() -> None:
    assert routers(replicas=4)["Deployment"]["spec"]["replicas"] == 4


def test_a_revision_names_one_configuration() -> None:
    assert one_version().revision == one_version().revision
    assert one_version().revision != Routing("shop", "ns", "churn").revision


def test_a_variant_is_found_by_its_digest() -> None:
    routing = one_version()
    assert routing.variant(DIGEST) == routing.variants[0]
    assert routing.variant(OTHER) is None


@pytest.mark.parametrize("role", ["champion", "fallback"])
def test_a_version_that_does_not_run_gets_no_traffic(role: str) -> None:
    with pytest.raises(ValueError, match=f"{role} .* is not among the variants"):
        Routing("shop", "ns", "churn", **{role: DIGEST})  # type: ignore[arg-type]


def test_a_version_is_not_its_own_fallback() -> None:
    variant = Variant("host", 3, DIGEST, 8080)
    with pytest.raises(ValueError, match="its own fallback"):
        Routing("shop", "ns", "churn", (variant,), champion=DIGEST, fallback=DIGEST)
