"""Where bundles live: the embedded registry, or a store of one's own."""

from __future__ import annotations

import pytest
import yaml

from tests.unit.chart.rendering import container, refusal, render


def test_bundles_go_to_the_embedded_registry_by_plain_http() -> None:
    arguments = render("all-namespaces").operator_arguments
    assert "--store-uri=oci://regnant-registry.regnant-system.svc:5000/models" in arguments
    assert "--store-plain-http" in arguments


def test_the_address_follows_the_port_of_the_service() -> None:
    rendering = render("everything")
    port = rendering.one("Service", "-registry")["spec"]["ports"][0]
    assert port == {"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}
    (uri,) = [a for a in rendering.operator_arguments if a.startswith("--store-uri")]
    assert uri.endswith(".svc:80/models")


def test_a_store_of_ones_own_replaces_the_embedded_registry() -> None:
    rendering = render("external-store")
    assert "--store-uri=oci://registry.example.com/models" in rendering.operator_arguments
    assert "--store-secret=model-store" in rendering.operator_arguments
    assert "--store-plain-http" not in rendering.operator_arguments
    names = [item["metadata"]["name"] for item in rendering.objects]
    assert [name for name in names if "registry" in name] == []


def test_no_store_at_all_is_refused_with_the_field_to_set() -> None:
    said = refusal("--set=registry.enabled=false")
    assert "store.uri" in said
    assert "registry.enabled" in said


@pytest.mark.parametrize("uri", ["http://registry/models", "oci://registry", "registry/models"])
def test_a_store_that_is_no_oci_repository_is_refused(uri: str) -> None:
    assert "/store/uri" in refusal(f"--set=store.uri={uri}")


def test_bundles_survive_an_uninstall() -> None:
    claim = render("all-namespaces").one("PersistentVolumeClaim")
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_keeping_bundles_is_a_choice() -> None:
    rendering = render("", "--set=registry.persistence.keepOnUninstall=false")
    assert "annotations" not in rendering.one("PersistentVolumeClaim")["metadata"]


def test_a_claim_of_ones_own_is_used_and_none_made() -> None:
    rendering = render("", "--set=registry.persistence.existingClaim=mine")
    assert rendering.of_kind("PersistentVolumeClaim") == []
    volumes = rendering.registry["spec"]["template"]["spec"]["volumes"]
    assert {"name": "bundles", "persistentVolumeClaim": {"claimName": "mine"}} in volumes


def test_without_a_claim_bundles_are_bounded_on_the_node() -> None:
    rendering = render("smallest")
    assert rendering.of_kind("PersistentVolumeClaim") == []
    volumes = rendering.registry["spec"]["template"]["spec"]["volumes"]
    assert {"name": "bundles", "emptyDir": {"sizeLimit": "1Gi"}} in volumes


def test_two_registries_never_write_to_one_volume() -> None:
    assert render("all-namespaces").registry["spec"]["strategy"] == {"type": "Recreate"}


def test_bundles_that_nobody_names_can_be_removed() -> None:
    rendering = render("all-namespaces")
    text = rendering.one("ConfigMap", "-registry")["data"]["config.yml"]
    assert yaml.safe_load(text)["storage"]["delete"] == {"enabled": True}


def test_the_registry_has_no_token_for_the_cluster() -> None:
    pod = render("all-namespaces").registry["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert container(render("all-namespaces").registry)["volumeMounts"][0]["readOnly"] is True
