"""What the command line and the environment mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from regnant.cluster.connection import InCluster, Kubeconfig
from regnant.handlers.settings import parse

NEEDED = ["--trainer-image=t", "--server-image=s", "--router-image=r", "--store-uri=oci://h:5/m"]


def test_inside_a_cluster_the_service_account_is_used() -> None:
    settings = parse(NEEDED, {"POD_NAME": "operator-1", "POD_NAMESPACE": "regnant"})
    assert settings.access == InCluster()
    assert (settings.identity, settings.home) == ("operator-1", "regnant")
    assert settings.namespaces == ()


def test_outside_of_one_the_context_is_named() -> None:
    settings = parse([*NEEDED, "--kubeconfig=/k", "--context=c"], {})
    assert settings.access == Kubeconfig(Path("/k"), "c")


@pytest.mark.parametrize("half", ["--kubeconfig=/k", "--context=c"])
def test_a_cluster_is_never_guessed(half: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse([*NEEDED, half], {})
    assert "--kubeconfig and --context go together" in capsys.readouterr().err


def test_what_pods_are_made_from_comes_from_arguments_or_environment() -> None:
    settings = parse(
        ["--server-image=s", "--store-plain-http", "--image-pull-secret=a", "--store-secret=key"],
        {
            "REGNANT_TRAINER_IMAGE": "t",
            "REGNANT_SERVER_IMAGE": "overruled",
            "REGNANT_ROUTER_IMAGE": "r",
            "REGNANT_STORE_URI": "oci://h:5/m",
        },
    )
    platform = settings.platform
    assert (platform.trainer_image, platform.server_image) == ("t", "s")
    assert platform.store_plain_http
    assert platform.store_secret_name == "key"
    assert platform.image_pull_secrets == ("a",)


def test_what_is_missing_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(NEEDED[1:], {})
    message = capsys.readouterr().err
    assert "--trainer-image is required, or REGNANT_TRAINER_IMAGE" in message


@pytest.mark.parametrize("wrong", ["--concurrency=0", "--concurrency=many", "--log-format=xml"])
def test_a_wrong_value_is_refused(wrong: str) -> None:
    with pytest.raises(SystemExit):
        parse([*NEEDED, wrong], {})


def test_a_namespace_that_is_named_twice_is_watched_once() -> None:
    settings = parse([*NEEDED, "--namespace=b", "--namespace=a", "--namespace=b"], {})
    assert settings.namespaces == ("b", "a")
