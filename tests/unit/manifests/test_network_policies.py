"""Users reach routers alone; servers and the routers' second listener are not for them."""

from __future__ import annotations

from typing import Any

from regnant.api.meta import Kind, ObjectRef
from regnant.manifests import network
from regnant.manifests.platform import Platform
from tests.unit.lifecycle.worlds import serving_world

OWNER = ObjectRef(kind=Kind.INFERENCE_SERVICE, name="shop", namespace="ns", uid="u")


def platform(operator_namespace: str) -> Platform:
    return Platform("t", "s", "r", "oci://h/p", operator_namespace=operator_namespace)


def policies() -> dict[str, dict[str, Any]]:
    built = network.build(OWNER, platform("regnant-system"))
    return {manifest["metadata"]["name"]: manifest["spec"] for manifest in built}


def selects(policy: dict[str, Any], labels: dict[str, str]) -> bool:
    return bool(policy["podSelector"]["matchLabels"].items() <= labels.items())


def test_each_policy_selects_the_pods_that_are_made() -> None:
    pods = {
        manifest["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/name"]: manifest[
            "spec"
        ]["template"]["metadata"]["labels"]
        for manifest in serving_world().decide().apply
        if manifest["kind"] == "Deployment"
    }
    assert selects(policies()["shop-router"], pods["router"])
    assert selects(policies()["shop-server"], pods["server"])
    assert not selects(policies()["shop-server"], pods["router"])


def test_servers_are_reached_by_their_own_routers_and_the_operator() -> None:
    rule, metrics = policies()["shop-server"]["ingress"]
    routers, operator = rule["from"]
    assert routers["podSelector"]["matchLabels"]["regnant.dev/owner"] == "shop"
    assert "namespaceSelector" not in routers
    assert operator == {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "regnant-system"}}
    }
    assert [port["port"] for port in rule["ports"]] == [8080]
    assert metrics == {"ports": [{"port": 8000, "protocol": "TCP"}]}


def test_users_reach_one_listener_and_the_operator_both() -> None:
    users, operator = policies()["shop-router"]["ingress"]
    assert "from" not in users
    assert [port["port"] for port in users["ports"]] == [8080]
    (source,) = operator["from"]
    assert source["namespaceSelector"]["matchLabels"] == {
        "kubernetes.io/metadata.name": "regnant-system"
    }
    assert [port["port"] for port in operator["ports"]] == [8081]


def test_an_operator_outside_of_the_cluster_writes_none() -> None:
    assert network.build(OWNER, platform("")) == []
