"""Registries as they are met outside: with a certificate of their own, and with tokens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from regnant.artifacts.bundle import Bundle
from regnant.artifacts.credentials import StoreCredentials, load_credentials
from regnant.artifacts.errors import StoreForbidden, StoreUnavailable
from regnant.artifacts.reference import Repository
from regnant.artifacts.retry import Retry
from regnant.artifacts.store import fetch, push
from tests.unit.artifacts.certificates import SelfSigned
from tests.unit.artifacts.registry_process import PASSWORD, USER, passwords, running_registry
from tests.unit.artifacts.token_service import TokenService

RIGHT = StoreCredentials(USER, PASSWORD)


@pytest.fixture
def certificate(tmp_path: Path) -> SelfSigned:
    return SelfSigned.make(tmp_path / "authority")


@pytest.fixture
def over_tls(
    registry_binary: Path, tmp_path: Path, certificate: SelfSigned
) -> Iterator[Repository]:
    """It wants a password, too."""
    directory = tmp_path / "tls"
    auth = passwords(directory)
    with running_registry(registry_binary, directory, auth=auth, tls=certificate) as running:
        yield Repository(running.host, "models/churn")


def test_the_authority_in_the_secret_is_trusted(
    bundle: Bundle, over_tls: Repository, certificate: SelfSigned, tmp_path: Path
) -> None:
    secret = certificate.certificate.parent
    login = {"auths": {over_tls.host: {"username": USER, "password": PASSWORD}}}
    (secret / ".dockerconfigjson").write_text(json.dumps(login))
    credentials = load_credentials(secret, over_tls.host)
    digest = push(bundle, over_tls, "1", credentials=credentials).digest
    opened = fetch(over_tls, digest, tmp_path / "bundle", credentials=credentials)
    assert opened.model.read_bytes() == bundle.model


def test_a_registry_whose_authority_nobody_knows_is_not_spoken_to(
    bundle: Bundle, over_tls: Repository, impatient: Retry
) -> None:
    with pytest.raises(StoreUnavailable, match=r"ca\.crt"):
        push(bundle, over_tls, "1", credentials=RIGHT, retry=impatient)


def test_another_authority_than_the_registrys_is_not_enough(
    bundle: Bundle, over_tls: Repository, tmp_path: Path, impatient: Retry
) -> None:
    other = SelfSigned.make(tmp_path / "other")
    stranger = StoreCredentials(USER, PASSWORD, other.certificate)
    with pytest.raises(StoreUnavailable, match=r"ca\.crt"):
        push(bundle, over_tls, "1", credentials=stranger, retry=impatient)


@pytest.fixture
def tokens(certificate: SelfSigned) -> Iterator[TokenService]:
    with TokenService(certificate) as service:
        yield service


@pytest.fixture
def by_token(registry_binary: Path, tmp_path: Path, tokens: TokenService) -> Iterator[Repository]:
    auth = tokens.configuration
    with running_registry(registry_binary, tmp_path / "token", auth=auth) as running:
        yield Repository(running.host, "models/churn")


def test_a_token_is_fetched_where_the_registry_says(
    bundle: Bundle, by_token: Repository, tokens: TokenService, tmp_path: Path
) -> None:
    digest = push(bundle, by_token, "1", credentials=RIGHT, plain_http=True).digest
    opened = fetch(by_token, digest, tmp_path / "bundle", credentials=RIGHT, plain_http=True)
    assert opened.digest == digest
    assert tokens.issued > 0


def test_a_token_that_has_expired_is_renewed(
    bundle: Bundle, by_token: Repository, tokens: TokenService
) -> None:
    tokens.lifetimes = [-3600.0]
    push(bundle, by_token, "1", credentials=RIGHT, plain_http=True, retry=Retry(attempts=1))
    assert tokens.lifetimes == []
    assert tokens.issued > 1


@pytest.mark.parametrize(
    "credentials", [StoreCredentials(USER, "wrong"), StoreCredentials()], ids=["wrong", "none"]
)
def test_who_gets_no_token_is_told_to_check_the_secret(
    bundle: Bundle, by_token: Repository, credentials: StoreCredentials
) -> None:
    with pytest.raises(StoreForbidden, match="dockerconfigjson") as caught:
        push(bundle, by_token, "1", credentials=credentials, plain_http=True)
    assert "wrong" not in caught.value.message


def test_a_token_that_is_good_for_fetching_alone_pushes_nothing(
    bundle: Bundle, by_token: Repository, tokens: TokenService
) -> None:
    tokens.actions = ("pull",)
    with pytest.raises(StoreForbidden, match="dockerconfigjson"):
        push(bundle, by_token, "1", credentials=RIGHT, plain_http=True)
