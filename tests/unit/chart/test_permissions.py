"""Who may do what: the operator no more than it does, users by the roles that they have anyway."""

from __future__ import annotations

import pytest

from e2e.installation import NAMESPACE
from regnant.cluster.kinds import CHILDREN, collection
from regnant.handlers.process import LEASE
from tests.unit.chart.rendering import INSTALLATIONS, Manifest, Rendering, render

ROLES = ("Role", "ClusterRole")
BINDINGS = ("RoleBinding", "ClusterRoleBinding")


def operator_roles(rendering: Rendering) -> list[Manifest]:
    return [
        role
        for role in rendering.of_kind(*ROLES)
        if role["metadata"]["labels"]["app.kubernetes.io/component"] == "operator"
    ]


def verbs(role: Manifest, resource: str) -> set[str]:
    group, _, plural = resource.rpartition(":")
    return {
        verb
        for rule in role["rules"]
        if group in rule["apiGroups"] and plural in rule["resources"]
        for verb in rule["verbs"]
    }


def test_in_all_namespaces_the_operator_has_one_cluster_role() -> None:
    rendering = render("all-namespaces")
    role = rendering.one("ClusterRole", "-operator")
    binding = rendering.one("ClusterRoleBinding")
    assert binding["roleRef"]["name"] == role["metadata"]["name"]


def test_in_two_namespaces_the_operator_has_roles_there_and_none_beyond() -> None:
    rendering = render("two-namespaces")
    assert rendering.of_kind("ClusterRole", "ClusterRoleBinding") == []
    places = {
        role["metadata"]["namespace"]
        for role in operator_roles(rendering)
        if verbs(role, "regnant.dev:trainingpipelines")
    }
    assert places == {"team-a", "team-b"}


@pytest.mark.parametrize("installation", INSTALLATIONS)
def test_nothing_is_granted_by_a_wildcard(installation: str) -> None:
    for role in render(installation).of_kind(*ROLES):
        for rule in role["rules"]:
            assert "*" not in rule["apiGroups"] + rule["resources"] + rule["verbs"]


@pytest.mark.parametrize("installation", INSTALLATIONS)
def test_the_operator_can_neither_read_secrets_nor_widen_its_own_rights(installation: str) -> None:
    for role in operator_roles(render(installation)):
        granted = {name for rule in role["rules"] for name in rule["resources"]}
        assert not granted & {"secrets", "pods/exec", "serviceaccounts", "serviceaccounts/token"}
        assert not any("rbac.authorization.k8s.io" in rule["apiGroups"] for rule in role["rules"])


def test_the_operator_never_changes_what_users_wrote() -> None:
    role = render("all-namespaces").one("ClusterRole", "-operator")
    for plural in ("trainingpipelines", "inferenceservices"):
        assert verbs(role, f"regnant.dev:{plural}") == {"get", "list", "watch"}
        assert verbs(role, f"regnant.dev:{plural}/status") == {"patch"}
    assert verbs(role, "regnant.dev:modelversions") == {"get", "list", "watch", "create", "patch"}


@pytest.mark.parametrize("kind", CHILDREN)
def test_the_operator_may_see_and_change_every_kind_of_child(kind: str) -> None:
    role = render("all-namespaces").one("ClusterRole", "-operator")
    child = collection(kind)
    group = child.api_version.rpartition("/")[0]
    assert verbs(role, f"{group}:{child.plural}") >= {"get", "list", "watch", "patch"}


def test_the_one_lease_is_granted_in_the_operators_own_namespace_only() -> None:
    granting = [
        role
        for role in operator_roles(render("two-namespaces"))
        if verbs(role, "coordination.k8s.io:leases")
    ]
    (role,) = granting
    assert role["metadata"]["namespace"] == NAMESPACE
    (changing,) = [rule for rule in role["rules"] if "update" in rule["verbs"]]
    assert changing["resourceNames"] == [LEASE]


@pytest.mark.parametrize("installation", INSTALLATIONS)
def test_every_binding_is_for_the_operators_own_service_account(installation: str) -> None:
    rendering = render(installation)
    account = rendering.operator["spec"]["template"]["spec"]["serviceAccountName"]
    for binding in rendering.of_kind(*BINDINGS):
        (subject,) = binding["subjects"]
        assert (subject["kind"], subject["name"], subject["namespace"]) == (
            "ServiceAccount",
            account,
            NAMESPACE,
        )


def test_users_get_the_three_resources_through_the_clusters_own_roles() -> None:
    rendering = render("all-namespaces")
    edit, view = rendering.one("ClusterRole", "-edit"), rendering.one("ClusterRole", "-view")
    aggregated = "rbac.authorization.k8s.io/aggregate-to-"
    assert aggregated + "view" not in edit["metadata"]["labels"]
    assert edit["metadata"]["labels"][aggregated + "edit"] == "true"
    assert view["metadata"]["labels"][aggregated + "view"] == "true"
    assert verbs(view, "regnant.dev:modelversions") == {"get", "list", "watch"}
    # What is decided is written by the operator alone.
    assert verbs(edit, "regnant.dev:modelversions/status") == set()
