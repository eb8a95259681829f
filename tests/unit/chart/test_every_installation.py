"""What holds of every object of the chart, however it is installed."""

from __future__ import annotations

from collections import Counter

import pytest

from e2e.cluster.settings import KUBERNETES_VERSIONS
from e2e.installation import NAMESPACE
from tests.unit.chart.rendering import CHART, INSTALLATIONS, VALUES, Manifest, helm, render

CLUSTER_SCOPED = {
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
}

pytestmark = pytest.mark.parametrize("installation", INSTALLATIONS)


def key(item: Manifest) -> tuple[str, str, str]:
    metadata = item["metadata"]
    return item["kind"], metadata.get("namespace", ""), metadata["name"]


def test_helm_lint_finds_no_fault(installation: str) -> None:
    version = f"--kube-version={KUBERNETES_VERSIONS[0]}"
    helm("lint", "--strict", version, str(CHART), f"--values={VALUES / installation}.yaml")


def test_no_object_is_made_twice(installation: str) -> None:
    counted = Counter(key(item) for item in render(installation).objects)
    assert [name for name, times in counted.items() if times > 1] == []


def test_every_object_names_its_namespace(installation: str) -> None:
    # `kubectl apply -f` puts what names none into whatever namespace is current.
    allowed = {NAMESPACE, "team-a", "team-b"} if installation == "two-namespaces" else {NAMESPACE}
    for item in render(installation).objects:
        namespace = item["metadata"].get("namespace")
        if item["kind"] in CLUSTER_SCOPED:
            assert namespace is None, key(item)
        else:
            assert namespace in allowed, key(item)


def test_every_object_is_labelled_as_part_of_the_release(installation: str) -> None:
    for item in render(installation).objects:
        labels = item["metadata"]["labels"]
        assert labels["app.kubernetes.io/part-of"] == "regnant", key(item)
        assert labels["app.kubernetes.io/instance"] == "regnant", key(item)
        assert labels["app.kubernetes.io/component"], key(item)


def test_selectors_match_the_pods_that_they_are_for(installation: str) -> None:
    rendering = render(installation)
    for deployment in rendering.of_kind("Deployment"):
        wanted = deployment["spec"]["selector"]["matchLabels"]
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        assert wanted.items() <= labels.items()
    pods = [d["spec"]["template"]["metadata"]["labels"] for d in rendering.of_kind("Deployment")]
    selectors = [s["spec"]["selector"] for s in rendering.of_kind("Service")]
    selectors += [
        p["spec"]["podSelector"]["matchLabels"] for p in rendering.of_kind("NetworkPolicy")
    ]
    selectors += [
        b["spec"]["selector"]["matchLabels"] for b in rendering.of_kind("PodDisruptionBudget")
    ]
    for selector in selectors:
        assert sum(selector.items() <= labels.items() for labels in pods) == 1, selector


def test_pods_keep_to_the_restricted_standard(installation: str) -> None:
    for deployment in render(installation).of_kind("Deployment"):
        pod = deployment["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not pod.keys() & {"hostNetwork", "hostPID", "hostIPC"}
        for each in pod["containers"]:
            context = each["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["capabilities"] == {"drop": ["ALL"]}
        assert all("hostPath" not in volume for volume in pod["volumes"])


def test_an_upgrade_of_the_chart_alone_restarts_no_registry(installation: str) -> None:
    # It has one replica, and a push that meets its restart fails.
    for deployment in render(installation).of_kind("Deployment"):
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        assert "helm.sh/chart" not in labels
        assert "app.kubernetes.io/version" not in labels
