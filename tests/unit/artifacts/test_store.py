"""Against a real registry: what is stored comes back, and what is damaged does not."""

from __future__ import annotations

import errno
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from regnant.artifacts.__main__ import main
from regnant.artifacts.bundle import Bundle, build_manifest
from regnant.artifacts.credentials import StoreCredentials, load_credentials
from regnant.artifacts.errors import (
    ArtifactFailure,
    BundleNotFound,
    DigestMismatch,
    ReferenceInvalid,
    StoreForbidden,
    StoreFull,
    StoreUnavailable,
)
from regnant.artifacts.layout import open_bundle
from regnant.artifacts.reference import Repository
from regnant.artifacts.retry import Retry
from regnant.artifacts.store import fetch, push
from tests.unit.artifacts.cutting_proxy import CuttingProxy
from tests.unit.artifacts.registry_process import (
    PASSWORD,
    USER,
    RunningRegistry,
    passwords,
    running_registry,
)
from tests.unit.ports import free_port


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "bundle"


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def layer_digest(bundle: Bundle, title: str) -> str:
    layers = build_manifest(bundle).layers
    return next(layer.descriptor.digest for layer in layers if layer.descriptor.title == title)


def test_a_bundle_comes_back_as_it_was_stored(
    bundle: Bundle, repository: Repository, target: Path
) -> None:
    descriptor = push(bundle, repository, "3", plain_http=True)
    opened = fetch(repository, descriptor.digest, target, plain_http=True)
    assert descriptor == build_manifest(bundle).descriptor
    assert {name: (target / name).read_bytes() for name in bundle.files()} == bundle.files()
    assert sorted(path.name for path in target.iterdir()) == [
        "card.md",
        "config.json",
        "golden.json",
        "manifest.json",
        "model.onnx",
        "profile.json",
        "signature.json",
    ]
    assert opened.signature.model_name == "churn"
    assert opened.profile == target / "profile.json"
    assert opened.card == target / "card.md"


def test_a_model_larger_than_a_chunk_comes_back_whole(
    bundle: Bundle, repository: Repository, target: Path
) -> None:
    large = replace(bundle, model=os.urandom(1 << 20) * 33)
    descriptor = push(large, repository, "3", plain_http=True)
    opened = fetch(repository, descriptor.digest, target, plain_http=True)
    assert opened.model.read_bytes() == large.model


def test_pushing_twice_changes_nothing(bundle: Bundle, repository: Repository) -> None:
    first = push(bundle, repository, "3", plain_http=True)
    assert push(bundle, repository, "3", plain_http=True) == first


def test_a_bundle_that_is_already_there_needs_no_store(
    bundle: Bundle, repository: Repository, target: Path
) -> None:
    digest = push(bundle, repository, "3", plain_http=True).digest
    fetch(repository, digest, target, plain_http=True)
    nowhere = Repository(f"127.0.0.1:{free_port()}", repository.path)
    assert fetch(nowhere, digest, target, plain_http=True).digest == digest


def test_a_damaged_local_bundle_is_fetched_anew(
    bundle: Bundle, repository: Repository, target: Path
) -> None:
    digest = push(bundle, repository, "3", plain_http=True).digest
    fetch(repository, digest, target, plain_http=True)
    flip_a_bit(target / "model.onnx")
    fetch(repository, digest, target, plain_http=True)
    assert (target / "model.onnx").read_bytes() == bundle.model


@pytest.mark.parametrize("title", ["model.onnx", "signature.json", "golden.json", "card.md"])
def test_a_flipped_bit_on_the_registrys_disk_is_refused(
    bundle: Bundle,
    registry: RunningRegistry,
    repository: Repository,
    target: Path,
    title: str,
) -> None:
    digest = push(bundle, repository, "3", plain_http=True).digest
    flip_a_bit(registry.blob_file(layer_digest(bundle, title)))
    with pytest.raises(DigestMismatch, match=title):
        fetch(repository, digest, target, plain_http=True)
    assert list(target.iterdir()) == []


def test_a_flipped_bit_in_the_manifest_is_refused(
    bundle: Bundle,
    registry: RunningRegistry,
    repository: Repository,
    target: Path,
    impatient: Retry,
) -> None:
    digest = push(bundle, repository, "3", plain_http=True).digest
    flip_a_bit(registry.blob_file(digest))
    with pytest.raises(ArtifactFailure):
        fetch(repository, digest, target, plain_http=True, retry=impatient)
    assert list(target.iterdir()) == []


def test_a_blob_that_was_cut_short_is_refused(
    bundle: Bundle,
    registry: RunningRegistry,
    repository: Repository,
    target: Path,
    impatient: Retry,
) -> None:
    digest = push(bundle, repository, "3", plain_http=True).digest
    blob = registry.blob_file(layer_digest(bundle, "model.onnx"))
    blob.write_bytes(blob.read_bytes()[:-1])
    with pytest.raises(DigestMismatch, match=r"model\.onnx"):
        fetch(repository, digest, target, plain_http=True, retry=impatient)
    assert list(target.iterdir()) == []


def test_a_push_does_not_trust_a_damaged_blob_that_the_store_already_has(
    bundle: Bundle, registry: RunningRegistry, repository: Repository
) -> None:
    push(bundle, repository, "3", plain_http=True)
    flip_a_bit(registry.blob_file(layer_digest(bundle, "model.onnx")))
    with pytest.raises(DigestMismatch, match=r"model\.onnx: the store gives back"):
        push(bundle, repository, "4", plain_http=True)


def test_a_missing_blob_is_named(
    bundle: Bundle, registry: RunningRegistry, repository: Repository, target: Path
) -> None:
    digest = push(bundle, repository, "3", plain_http=True).digest
    missing = layer_digest(bundle, "model.onnx")
    registry.blob_file(missing).unlink()
    with pytest.raises(BundleNotFound, match=missing):
        fetch(repository, digest, target, plain_http=True)
    assert list(target.iterdir()) == []


def test_a_missing_manifest_is_named(repository: Repository, target: Path) -> None:
    digest = "sha256:" + "0" * 64
    with pytest.raises(BundleNotFound, match=digest) as caught:
        fetch(repository, digest, target, plain_http=True)
    assert caught.value.exit_code == 64
    assert "check uri and digest" in caught.value.message


def test_a_half_digest_is_refused_before_anything_is_asked(target: Path) -> None:
    with pytest.raises(ReferenceInvalid, match="digest 'sha256:12'"):
        fetch(Repository("nowhere", "x"), "sha256:12", target)
    assert not target.exists()


@pytest.fixture
def guarded(registry_binary: Path, tmp_path: Path) -> Iterator[Repository]:
    directory = tmp_path / "guarded"
    with running_registry(registry_binary, directory, auth=passwords(directory)) as running:
        yield Repository(running.host, "models/churn")


def test_the_right_password_opens_a_guarded_store(
    bundle: Bundle, guarded: Repository, target: Path
) -> None:
    credentials = StoreCredentials(USER, PASSWORD)
    digest = push(bundle, guarded, "1", credentials=credentials, plain_http=True).digest
    opened = fetch(guarded, digest, target, credentials=credentials, plain_http=True)
    assert opened.digest == digest


@pytest.mark.parametrize(
    "credentials", [StoreCredentials(USER, "wrong"), StoreCredentials()], ids=["wrong", "none"]
)
def test_refused_credentials_are_not_tried_again(
    bundle: Bundle, guarded: Repository, credentials: StoreCredentials
) -> None:
    waits: list[float] = []
    with pytest.raises(StoreForbidden, match="dockerconfigjson") as caught:
        push(
            bundle,
            guarded,
            "1",
            credentials=credentials,
            plain_http=True,
            retry=Retry(sleep=waits.append),
        )
    assert waits == []
    assert caught.value.exit_code == 64
    assert "wrong" not in caught.value.message


def test_a_store_that_is_down_is_tried_again_and_then_reported(
    bundle: Bundle, target: Path
) -> None:
    waits: list[float] = []
    nowhere = Repository(f"127.0.0.1:{free_port()}", "models/churn")
    with pytest.raises(StoreUnavailable, match="Connection refused") as caught:
        push(bundle, nowhere, "1", plain_http=True, retry=Retry(attempts=4, sleep=waits.append))
    assert len(waits) == 3
    assert waits[0] < waits[1] < waits[2]
    assert caught.value.exit_code == 75


def test_tls_to_a_plain_store_says_what_to_do(
    bundle: Bundle, repository: Repository, impatient: Retry
) -> None:
    with pytest.raises(StoreUnavailable, match="allow plain HTTP"):
        push(bundle, repository, "1", plain_http=False, retry=impatient)


@contextmanager
def tiny_disk(path: Path) -> Iterator[Path]:
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(path)], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")


@needs_root
def test_a_full_store_is_reported_as_full(
    bundle: Bundle, registry_binary: Path, tmp_path: Path, impatient: Retry
) -> None:
    with (
        tiny_disk(tmp_path / "disk") as disk,
        running_registry(registry_binary, tmp_path / "full", storage=disk) as running,
    ):
        repository = Repository(running.host, "models/churn")
        with pytest.raises(StoreFull, match="has no room") as caught:
            push(bundle, repository, "1", plain_http=True, retry=impatient)
    assert caught.value.exit_code == 75


@needs_root
def test_a_volume_without_room_is_reported_before_the_download(
    bundle: Bundle, repository: Repository, tmp_path: Path
) -> None:
    digest = push(bundle, repository, "1", plain_http=True).digest
    with tiny_disk(tmp_path / "disk") as disk:
        with pytest.raises(ArtifactFailure, match="bytes are free") as caught:
            fetch(repository, digest, disk, plain_http=True)
        assert list(disk.iterdir()) == []
    assert (caught.value.reason, caught.value.exit_code) == ("VolumeFull", 75)


def test_a_cut_connection_is_resumed_where_it_stopped(
    bundle: Bundle, registry: RunningRegistry, repository: Repository, target: Path
) -> None:
    digest = push(bundle, repository, "1", plain_http=True).digest
    with CuttingProxy(registry.host, cut_after=500_000) as proxy:
        through = Repository(proxy.host, repository.path)
        waits: list[float] = []
        fetch(through, digest, target, plain_http=True, retry=Retry(sleep=waits.append))
        assert len(waits) == 1
        assert any(b"Range: bytes=" in request for request in proxy.requests)
    assert (target / "model.onnx").read_bytes() == bundle.model


def test_opening_a_directory_verifies_every_file(
    bundle: Bundle, repository: Repository, target: Path
) -> None:
    digest = push(bundle, repository, "1", plain_http=True).digest
    fetch(repository, digest, target, plain_http=True)
    for path in sorted(target.iterdir()):
        whole = path.read_bytes()
        flip_a_bit(path)
        with pytest.raises(ArtifactFailure):
            open_bundle(target, digest)
        path.unlink()
        with pytest.raises(BundleNotFound, match=path.name):
            open_bundle(target, digest)
        path.write_bytes(whole)
    assert open_bundle(target, digest).digest == digest


def test_the_wrong_digest_does_not_open_a_whole_directory(
    bundle: Bundle, repository: Repository, target: Path
) -> None:
    digest = push(bundle, repository, "1", plain_http=True).digest
    fetch(repository, digest, target, plain_http=True)
    with pytest.raises(DigestMismatch, match=r"manifest\.json"):
        open_bundle(target, "sha256:" + "0" * 64)


Secret = Callable[[str], Path]


@pytest.fixture
def secret(tmp_path: Path) -> Secret:
    def write(content: str) -> Path:
        (tmp_path / ".dockerconfigjson").write_text(content)
        return tmp_path

    return write


@pytest.mark.parametrize("name", ["h:5000", "https://h:5000", "http://h:5000/v2/"])
def test_credentials_are_found_by_host(secret: Secret, name: str) -> None:
    directory = secret(json.dumps({"auths": {name: {"auth": "dTpwOnc="}, "other": {}}}))
    found = load_credentials(directory, "h:5000")
    assert (found.username, found.password) == ("u", "p:w")
    assert load_credentials(directory, "elsewhere") == StoreCredentials()


def test_a_user_name_and_password_in_clear_are_taken(secret: Secret) -> None:
    directory = secret('{"auths": {"h": {"username": "u", "password": "p"}}}')
    assert load_credentials(directory, "h") == StoreCredentials("u", "p")
    assert "password" not in repr(load_credentials(directory, "h"))


@pytest.mark.parametrize(
    "content",
    ["not json", '{"auths": {"h": {"auth": "%%"}}}', '{"auths": {"h": {"auth": "dQ=="}}}'],
)
def test_a_broken_secret_is_named(secret: Secret, content: str) -> None:
    with pytest.raises(StoreForbidden, match="dockerconfigjson"):
        load_credentials(secret(content), "h")


def test_an_authority_of_ones_own_is_trusted(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("certificate")
    assert load_credentials(tmp_path, "h").ca_file == tmp_path / "ca.crt"


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "termination"
    monkeypatch.setenv("REGNANT_TERMINATION_LOG", str(path))
    return path


def test_the_command_fetches(
    bundle: Bundle, repository: Repository, target: Path, tmp_path: Path, log: Path
) -> None:
    digest = push(bundle, repository, "1", plain_http=True).digest
    options = ["--uri", str(repository), "--digest", digest, "--into", str(target)]
    code = main(["fetch", *options, "--plain-http", "--credentials", str(tmp_path)])
    assert code == 0
    assert open_bundle(target, digest).digest == digest
    assert not log.exists()


def test_the_command_leaves_by_the_termination_message(
    repository: Repository, target: Path, tmp_path: Path, log: Path
) -> None:
    options = ["--uri", str(repository), "--digest", "sha256:" + "0" * 64, "--into", str(target)]
    code = main(["fetch", *options, "--plain-http", "--credentials", str(tmp_path)])
    message = json.loads(log.read_bytes())
    assert code == 64
    assert (message["reason"], message["stage"]) == ("BundleNotFound", "FetchingBundle")


def test_other_faults_of_the_disk_are_not_swallowed(
    bundle: Bundle, repository: Repository, tmp_path: Path
) -> None:
    digest = push(bundle, repository, "1", plain_http=True).digest
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="exists") as caught:
        fetch(repository, digest, tmp_path / "file", plain_http=True)
    assert caught.value.errno == errno.EEXIST
