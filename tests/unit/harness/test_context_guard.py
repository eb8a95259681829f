"""No cluster is ever touched that the project did not make and nobody named."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.access import Access, WrongClusterError
from e2e.cluster.settings import CONTEXT
from e2e.harness import Cluster


def access(kubeconfig: Path, context: str) -> Access:
    return Access(Path("kubectl"), Path("helm"), kubeconfig, context)


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    file = tmp_path / "kubeconfig"
    file.touch()
    return file


@pytest.fixture(autouse=True)
def nobody_named_a_context(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBE_CONTEXT", raising=False)


def test_a_context_of_the_users_is_refused(kubeconfig: Path) -> None:
    with pytest.raises(WrongClusterError, match="production is not the project's own"):
        Cluster(access(kubeconfig, "production"))


def test_a_context_that_was_named_is_taken(
    kubeconfig: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBE_CONTEXT", "kind-try")
    cluster = Cluster(access(kubeconfig, "kind-try"))
    assert (cluster.context, cluster.is_local) == ("kind-try", False)


def test_naming_one_context_opens_no_other(
    kubeconfig: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBE_CONTEXT", "kind-try")
    with pytest.raises(WrongClusterError):
        Cluster(access(kubeconfig, "production"))


def test_the_local_cluster_needs_no_name(kubeconfig: Path) -> None:
    assert Cluster(access(kubeconfig, CONTEXT)).is_local


def test_a_cluster_that_is_not_there_is_said_to_be_started_how(tmp_path: Path) -> None:
    with pytest.raises(WrongClusterError, match="make up"):
        Cluster(access(tmp_path / "absent", CONTEXT))


def test_without_a_name_the_users_kubeconfig_is_never_opened(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "users-own"))
    monkeypatch.setenv("REGNANT_CLUSTER_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("REGNANT_KUBECTL", "/bin/kubectl")
    monkeypatch.setenv("REGNANT_HELM", "/bin/helm")
    found = Access.from_environment()
    assert (found.kubeconfig, found.context) == (tmp_path / "state" / "kubeconfig", CONTEXT)
