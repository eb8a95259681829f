"""What is written. The local cluster's network enforces no policy, so no test can see it held."""

from __future__ import annotations

from regnant.manifests import names
from tests.unit.chart.rendering import Manifest, render


def peers(rule: Manifest) -> list[Manifest]:
    found: list[Manifest] = rule["from"] if "from" in rule else rule.get("to", [])
    return found


def test_only_trainers_and_servers_reach_the_registry() -> None:
    policy = render("all-namespaces").one("NetworkPolicy", "-registry")["spec"]
    (rule,) = policy["ingress"]
    (peer,) = peers(rule)
    assert peer["namespaceSelector"] == {}
    assert peer["podSelector"] == {
        "matchLabels": {names.MANAGED_BY: "regnant"},
        "matchExpressions": [
            {
                "key": "app.kubernetes.io/name",
                "operator": "In",
                "values": ["trainer", "server"],
            }
        ],
    }


def test_the_registry_connects_to_nothing() -> None:
    policy = render("all-namespaces").one("NetworkPolicy", "-registry")["spec"]
    assert "Egress" in policy["policyTypes"]
    assert policy["egress"] == []


def test_pods_of_other_namespaces_do_not_reach_a_registry_of_two() -> None:
    policy = render("two-namespaces").one("NetworkPolicy", "-registry")["spec"]
    (peer,) = peers(policy["ingress"][0])
    (selected,) = peer["namespaceSelector"]["matchExpressions"]
    assert selected["values"] == ["team-a", "team-b"]


def test_the_operator_reaches_names_the_api_server_routers_and_servers() -> None:
    policy = render("all-namespaces").one("NetworkPolicy", "-operator")["spec"]
    reached = {port["port"]: peers(rule) for rule in policy["egress"] for port in rule["ports"]}
    assert set(reached) == {53, 443, 6443, 8080, 8081}
    for port, component in ((8081, "router"), (8080, "server")):
        (peer,) = reached[port]
        assert peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"] == component


def test_metrics_are_for_whom_they_are_meant() -> None:
    policy = render("everything").one("NetworkPolicy", "-operator")["spec"]
    (rule,) = [r for r in policy["ingress"] if r["ports"][0]["port"] == "metrics"]
    (peer,) = peers(rule)
    assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "monitoring"}


def test_policies_can_be_left_to_the_platform() -> None:
    assert render("smallest").of_kind("NetworkPolicy") == []
