"""What the environment may choose, and that nothing outside the project's folders is meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.cluster.errors import UnknownVersionError
from e2e.cluster.programs import kubernetes
from e2e.cluster.settings import GO_MODULES, KUBERNETES_VERSIONS, Settings


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "KUBERNETES_VERSION",
        "REGNANT_CACHE",
        "REGNANT_CLUSTER_STATE",
        "IMAGE_PREFIX",
        "IMAGE_TAG",
    ):
        monkeypatch.delenv(name, raising=False)


def test_the_newest_prepared_version_is_the_default() -> None:
    assert Settings.from_environment().kubernetes_version == KUBERNETES_VERSIONS[0]


def test_a_version_that_is_not_prepared_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_VERSION", "1.20.0")
    with pytest.raises(UnknownVersionError, match=r"1\.20\.0 .* choose one of 1\.36\.3"):
        Settings.from_environment()


def test_an_empty_variable_chooses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGE_PREFIX", "")
    assert Settings.from_environment().image("trainer") == "localhost/regnant-trainer:dev"


def test_images_are_named_after_the_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGE_PREFIX", "registry.example/team")
    monkeypatch.setenv("IMAGE_TAG", "1.2.3")
    reference = Settings.from_environment().image("server")
    assert reference == "registry.example/team/regnant-server:1.2.3"


def test_the_kubeconfig_is_never_the_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/home/someone/.kube/config")
    settings = Settings.from_environment()
    assert settings.kubeconfig.is_relative_to(settings.state)
    assert Path.home() / ".kube" not in settings.kubeconfig.parents


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
def test_every_prepared_version_has_its_module_with_sums(version: str) -> None:
    module = GO_MODULES / kubernetes(version).module
    assert f"k8s.io/kubernetes v{version}" in (module / "go.mod").read_text()
    minor = version.partition(".")[2]
    replaced = (module / "go.mod").read_text()
    assert f"k8s.io/apiserver => k8s.io/apiserver v0.{minor}" in replaced
    assert f"k8s.io/kubernetes v{version} h1:" in (module / "go.sum").read_text()


def test_the_programs_say_which_version_they_are() -> None:
    variables = kubernetes("1.35.4").variables
    assert variables["k8s.io/component-base/version.gitVersion"] == "v1.35.4"
    assert variables["k8s.io/client-go/pkg/version.gitMinor"] == "35"
