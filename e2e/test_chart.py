"""The chart on a real Kubernetes: installed, upgraded, uninstalled.

What is one for a whole cluster (the CRDs, the admission policy, cluster roles) is tried on an API
server of the test's own, so that nobody else's installation is touched; what must run, on the
cluster, as a second release beside the one that all tests share. The shared one is only upgraded,
under load.
"""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from e2e.access import Access, ProgramError
from e2e.cluster.control_plane import COMPONENT_CONTEXT, component_control_plane
from e2e.cluster.settings import CHECKOUT
from e2e.harness import CHART, Cluster, Manifest, condition_of
from e2e.installation import Installation, install
from e2e.namespaces import Namespaces
from e2e.traffic import Users

pytestmark = pytest.mark.exclusive
EXAMPLES = CHECKOUT / "docs" / "examples"
REQUEST = {
    "inputs": [{"name": "features", "datatype": "FP64", "shape": [1, 30], "data": [1.0] * 30}]
}
RESOURCES = ("trainingpipelines", "modelversions", "inferenceservices")
VERSION: Manifest = {
    "apiVersion": "regnant.dev/v1alpha1",
    "kind": "ModelVersion",
    "metadata": {"name": "churn-3"},
    "spec": {
        "modelName": "churn",
        "version": 3,
        "artifact": {"uri": "oci://registry/models/churn", "digest": f"sha256:{64 * 'a'}"},
    },
}
IN_USE = {
    "usedBy": [
        {"inferenceService": "web", "role": "Champion"},
        {"inferenceService": "batch", "role": "Previous"},
    ]
}
OPERATOR = "system:serviceaccount:regnant-system:regnant-operator"
WORK = [
    "watch inferenceservices.regnant.dev",
    "patch inferenceservices.regnant.dev/status",
    "create modelversions.regnant.dev",
    "create jobs.batch",
    "delete deployments.apps",
    "patch pods",
    "get pods/log",
    "create events.events.k8s.io",
]
MISCHIEF = [
    "update inferenceservices.regnant.dev",
    "patch trainingpipelines.regnant.dev",
    "delete modelversions.regnant.dev",
    "get secrets",
    "create pods",
    "create pods/exec",
    "get leases.coordination.k8s.io",
    "create rolebindings.rbac.authorization.k8s.io",
    "update customresourcedefinitions.apiextensions.k8s.io",
]


@pytest.fixture(scope="module")
def bare_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """An API server without nodes: it admits, validates and authorizes, and runs nothing."""
    with component_control_plane(tmp_path_factory.mktemp("control-plane")) as plane:
        yield Cluster(Access.to(plane.kubeconfig, COMPONENT_CONTEXT))


class BareRelease:
    """The chart on a cluster without nodes, where waiting for pods would be in vain."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def bring(self, *words: str, chart: Path = CHART) -> None:
        """Install the release, or upgrade it."""
        where = ["--namespace=regnant-system", "--create-namespace"]
        self.cluster.helm("upgrade", "regnant", str(chart), "--install", *where, *words)

    def uninstall(self) -> None:
        """Remove it, if it is there."""
        self.cluster.helm(
            "uninstall", "regnant", "--namespace=regnant-system", "--ignore-not-found"
        )


@pytest.fixture
def release(bare_cluster: Cluster) -> Iterator[BareRelease]:
    """The chart with its default values."""
    release = BareRelease(bare_cluster)
    release.bring()
    for plural in RESOURCES:
        _wait_until_established(bare_cluster, plural)
    yield release
    release.uninstall()


@pytest.fixture
def bare_namespace(bare_cluster: Cluster) -> Iterator[str]:
    """A namespace for users' resources; without controllers it is never really gone."""
    name = "team-a"
    _make_namespace(bare_cluster, name)
    yield name
    bare_cluster.kubectl(
        "delete", "modelversions", "--all", f"--namespace={name}", "--ignore-not-found"
    )


def test_definitions_and_users_resources_survive_an_uninstall(
    release: BareRelease, bare_cluster: Cluster, bare_namespace: str
) -> None:
    bare_cluster.apply(VERSION, bare_namespace)
    release.uninstall()
    for plural in RESOURCES:
        _wait_until_established(bare_cluster, plural)
    assert bare_cluster.get("modelversion", "churn-3", bare_namespace)["spec"]["version"] == 3
    left = bare_cluster.find_all("deployments,services,serviceaccounts,roles", "regnant-system")
    assert [item for item in left if "regnant" in item["metadata"]["name"]] == []
    # The bundles of those versions, too.
    bare_cluster.get("pvc", "regnant-registry", "regnant-system")
    release.bring()
    assert bare_cluster.get("modelversion", "churn-3", bare_namespace)["spec"]["version"] == 3


def test_a_changed_definition_comes_with_an_upgrade(
    release: BareRelease, bare_cluster: Cluster, tmp_path: Path
) -> None:
    chart = tmp_path / "regnant"
    shutil.copytree(CHART, chart)
    file = chart / "files" / "crds" / "regnant.dev_modelversions.yaml"
    definition = yaml.safe_load(file.read_text())
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["properties"]["spec"]["properties"]["note"] = {"type": "string", "maxLength": 10}
    file.write_text(yaml.safe_dump(definition, sort_keys=False))
    release.bring(chart=chart)
    served = bare_cluster.get("crd", "modelversions.regnant.dev")
    fields = served["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert fields["properties"]["note"]["maxLength"] == 10
    assert served["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


@pytest.mark.usefixtures("release")
def test_a_version_in_use_is_not_deleted_and_the_refusal_says_by_whom(
    bare_cluster: Cluster, bare_namespace: str
) -> None:
    bare_cluster.apply(VERSION, bare_namespace)
    bare_cluster.patch(
        "modelversion", "churn-3", bare_namespace, {"status": IN_USE}, subresource="status"
    )
    refusal = bare_cluster.wait_for(
        "the policy is enforced",
        lambda: _refusal_to_delete(bare_cluster, bare_namespace),
        seconds=30,
    )
    assert "ModelVersion churn-3 is in use" in refusal
    assert "InferenceService web (Champion), InferenceService batch (Previous)" in refusal
    assert "let that serve another version or delete it first" in refusal
    assert bare_cluster.find("modelversion", "churn-3", bare_namespace)
    bare_cluster.patch(
        "modelversion", "churn-3", bare_namespace, {"status": {"usedBy": []}}, subresource="status"
    )
    bare_cluster.delete("modelversion", "churn-3", bare_namespace)
    assert bare_cluster.find("modelversion", "churn-3", bare_namespace) is None


@pytest.mark.usefixtures("release")
def test_a_namespace_that_is_deleted_takes_versions_in_use_along(bare_cluster: Cluster) -> None:
    name = "team-leaving"
    _make_namespace(bare_cluster, name)
    bare_cluster.apply(VERSION, name)
    bare_cluster.patch("modelversion", "churn-3", name, {"status": IN_USE}, subresource="status")
    bare_cluster.wait_for(
        "the policy is enforced", lambda: _refusal_to_delete(bare_cluster, name), seconds=30
    )
    bare_cluster.delete("namespace", name, wait=False)
    bare_cluster.wait_for(
        "the policy has seen that the namespace goes",
        lambda: _refusal_to_delete(bare_cluster, name) == "",
        seconds=30,
    )
    # What the namespace's controller does next; here there is none.
    bare_cluster.delete("modelversion", "churn-3", name)
    assert bare_cluster.find("modelversion", "churn-3", name) is None


@pytest.mark.usefixtures("release")
def test_the_api_server_grants_the_operator_its_work_and_nothing_else(
    bare_cluster: Cluster,
) -> None:
    granted = [words for words in WORK if _may(bare_cluster, OPERATOR, words, "default")]
    assert granted == WORK
    too_much = [words for words in MISCHIEF if _may(bare_cluster, OPERATOR, words, "default")]
    assert too_much == []


def test_an_operator_of_one_namespace_is_nobody_in_another(
    release: BareRelease, bare_cluster: Cluster, bare_namespace: str
) -> None:
    release.bring(f"--set=watchNamespaces={{{bare_namespace}}}")
    assert _may(bare_cluster, OPERATOR, "list trainingpipelines.regnant.dev", bare_namespace)
    assert not _may(bare_cluster, OPERATOR, "list trainingpipelines.regnant.dev", "default")
    release.bring("--set=watchNamespaces=null")


def test_the_plain_manifest_is_accepted_whole(bare_cluster: Cluster) -> None:
    manifest = str(CHECKOUT / "charts" / "regnant.yaml")
    validated = "--validate=strict"
    bare_cluster.kubectl("apply", "--server-side", validated, "--force-conflicts", "-f", manifest)
    for plural in RESOURCES:
        _wait_until_established(bare_cluster, plural)
    bare_cluster.get("deployment", "regnant-operator", "regnant-system")
    bare_cluster.kubectl("delete", "--wait=false", "-f", manifest)


def test_the_expressions_of_the_policy_fit_the_schema_that_they_read(
    regnant: Installation, cluster: Cluster
) -> None:
    name = f"{regnant.namespace}.{regnant.release}-versions-in-use"
    policy = cluster.wait_for_object(
        "validatingadmissionpolicy",
        name,
        "",
        lambda item: item.get("status", {}).get("observedGeneration"),
        what="the policy's expressions are checked",
    )
    assert policy["status"]["typeChecking"] == {}


def test_a_release_comes_up_changes_and_goes(
    regnant: Installation, cluster: Cluster, new_namespace: Namespaces
) -> None:
    namespace = new_namespace()
    mine = install(
        cluster,
        f"--set=watchNamespaces={{{namespace}}}",
        "--set=crds.install=false",
        "--set=rbac.aggregateUserRoles=false",
        "--set=admission.protectVersionsInUse=false",
        "--set=registry.persistence.size=1Gi",
        release="mine",
        namespace=namespace,
    )
    assert _ready_replicas(cluster, mine) == 1
    with cluster.port_forward(f"service/{mine.registry}", 5000, namespace) as url:
        assert _status(f"{url}/v2/") == 200
    with cluster.port_forward(f"service/{mine.operator}-metrics", 8000, namespace) as url:
        assert "workqueue_depth" in _body(f"{url}/metrics")

    registry_before = _pods(cluster, namespace, "registry")
    mine.upgrade("--set=operator.replicas=2")
    assert _ready_replicas(cluster, mine) == 2
    assert _pods(cluster, namespace, "registry") == registry_before

    cluster.apply(VERSION, namespace)
    mine.uninstall()
    cluster.wait_until_gone("deployment", mine.operator, namespace)
    assert cluster.get("modelversion", "churn-3", namespace)["spec"]["version"] == 3
    cluster.get("pvc", mine.registry, namespace)
    assert _ready_replicas(cluster, regnant) == 1


def test_an_upgrade_of_the_operator_under_load_fails_no_request(
    regnant: Installation, cluster: Cluster, namespace: str
) -> None:
    _serve(cluster, [namespace])
    users = Users(cluster, namespace)
    users.start(
        f"http://tumor.{namespace}.svc/v2/models/tumor/infer", REQUEST, per_second=50, seconds=300
    )
    before = _pods(cluster, regnant.namespace, "operator")
    regnant.upgrade(f"--set-string=operator.podAnnotations.upgraded={namespace}")
    cluster.wait_for(
        "the old operator is gone",
        lambda: not set(before) & set(_pods(cluster, regnant.namespace, "operator")),
    )
    # The new operator is at work, and finds nothing to change in what is served.
    cluster.delete("poddisruptionbudget", _servers(cluster, namespace)[0], namespace)
    cluster.wait_for_object(
        "poddisruptionbudget", _servers(cluster, namespace)[0], namespace, lambda _: True
    )
    outcome = users.stop()
    assert outcome.sent > 100
    assert outcome.failed == 0, outcome
    assert set(outcome.versions) == {"1"}


@pytest.mark.usefixtures("regnant")
def test_two_namespaces_never_touch_each_other(cluster: Cluster, new_namespace: Namespaces) -> None:
    leaving, staying = new_namespace(), new_namespace()
    _serve(cluster, [leaving, staying])
    before = _children(cluster, staying)
    assert "InferenceService tumor (Champion)" in _refusal_to_delete(cluster, leaving, "tumor-1")
    cluster.delete("inferenceservice", "tumor", leaving)
    cluster.wait_for(
        "what nobody uses may be deleted",
        lambda: _refusal_to_delete(cluster, leaving, "tumor-1") == "",
    )
    cluster.delete("modelversion", "tumor-1", leaving)
    cluster.delete("namespace", leaving)
    assert _children(cluster, staying) == before
    # Only the one in the namespace that stays ever said who uses it.
    assert "InferenceService tumor (Champion)" in _refusal_to_delete(cluster, staying, "tumor-1")


def _serve(cluster: Cluster, namespaces: list[str]) -> None:
    """Train the first example and serve it, in several namespaces at the same time."""
    for namespace in namespaces:
        cluster.apply(EXAMPLES / "pipeline.yaml", namespace)
        cluster.apply(EXAMPLES / "service.yaml", namespace)
    for namespace in namespaces:
        cluster.wait_for_condition("inferenceservice", "tumor", namespace, "Ready", seconds=300)


def _servers(cluster: Cluster, namespace: str) -> list[str]:
    found = cluster.find_all("deployments", namespace, "app.kubernetes.io/name=server")
    return [item["metadata"]["name"] for item in found]


def _children(cluster: Cluster, namespace: str) -> dict[str, tuple[str, int]]:
    """Who the operator's children are, and how often their wanted state was changed."""
    kinds = "deployments,services,configmaps,poddisruptionbudgets,jobs"
    found = cluster.find_all(kinds, namespace, "app.kubernetes.io/managed-by=regnant")
    return {
        f"{item['kind']}/{item['metadata']['name']}": (
            item["metadata"]["uid"],
            item["metadata"].get("generation", 0),
        )
        for item in found
    }


def _wait_until_established(cluster: Cluster, plural: str) -> None:
    cluster.wait_for_condition("crd", f"{plural}.regnant.dev", "", "Established", seconds=30)


def _make_namespace(cluster: Cluster, name: str) -> None:
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})


def _refusal_to_delete(cluster: Cluster, namespace: str, version: str = "churn-3") -> str:
    """What the API server says against deleting a version; nothing when it would delete it."""
    words = ["modelversion", version, f"--namespace={namespace}", "--ignore-not-found"]
    try:
        cluster.kubectl("delete", *words, "--dry-run=server")
    except ProgramError as error:
        return error.stderr
    return ""


def _may(cluster: Cluster, account: str, words: str, namespace: str) -> bool:
    """Ask the API server whether an account may do VERB RESOURCE[.GROUP][/SUBRESOURCE]."""
    verb, _, target = words.partition(" ")
    target, _, part = target.partition("/")
    plural, _, group = target.partition(".")
    asked = {"verb": verb, "group": group, "resource": plural, "subresource": part}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": account, "resourceAttributes": {**asked, "namespace": namespace}},
    }
    said = cluster.kubectl("create", "--filename=-", "--output=json", stdin=json.dumps(review))
    return bool(json.loads(said)["status"]["allowed"])


def _ready_replicas(cluster: Cluster, installation: Installation) -> int:
    found = cluster.get("deployment", installation.operator, installation.namespace)
    assert condition_of(found, "Available")
    return int(found["status"].get("readyReplicas", 0))


def _pods(cluster: Cluster, namespace: str, component: str) -> list[str]:
    selector = f"app.kubernetes.io/component={component}"
    return [pod["metadata"]["uid"] for pod in cluster.find_all("pods", namespace, selector)]


def _status(url: str) -> int:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return int(answer.status)


def _body(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())
