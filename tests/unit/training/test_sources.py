"""Sources answered by real servers on loopback: HTTPS with its own authority, S3, and a claim."""

from __future__ import annotations

import base64
import hashlib
import http.server
import os
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import obstore
import pytest
from obstore.store import S3Store

from regnant.training.errors import (
    DataEmpty,
    DataForbidden,
    DataMalformed,
    DataNotFound,
    DataUnavailable,
    InvalidParameter,
    TrainingFailure,
)
from regnant.training.sources import DataMounts, RawData, fetch_data
from tests.unit.artifacts.registry_process import await_http
from tests.unit.ports import free_port
from tests.unit.programs import program

CSV = b"x,y\n1,a\n2,b\n"
CSV_DIGEST = f"sha256:{hashlib.sha256(CSV).hexdigest()}"
TOKEN = "opaque-token"


@pytest.fixture
def secret(mounts: DataMounts) -> DataMounts:
    mounts.credentials.mkdir()
    return mounts


def put(mounts: DataMounts, **values: str) -> None:
    for name, value in values.items():
        (mounts.credentials / name).write_text(value)


def fetched(uri: str, mounts: DataMounts, scratch: Path) -> RawData:
    return fetch_data(uri, "Auto", scratch, mounts)


@dataclass
class Site:
    """What a small HTTPS site serves, by path."""

    url: str
    authority: Path
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    guards: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("tls")
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    files = ["-keyout", str(directory / "key.pem"), "-out", str(directory / "cert.pem")]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    subprocess.run([*command, *subject, *files], check=True, capture_output=True)
    return directory


@pytest.fixture
def site(certificate: Path) -> Iterator[Site]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = running.answers.get(self.path, (404, b""))
            wanted = running.guards.get(self.path)
            if wanted and self.headers.get("Authorization") != wanted:
                status, body = 403, b""
            self.send_response(status)
            if status == 302:
                self.send_header("Location", body.decode())
                body = b""
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    running = Site(f"https://127.0.0.1:{server.server_port}", certificate / "cert.pem")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield running
    server.shutdown()
    server.server_close()
    thread.join(timeout=10)


@pytest.fixture
def trusting(secret: DataMounts, site: Site) -> DataMounts:
    put(secret, **{"ca.crt": site.authority.read_text()})
    return secret


def test_https_is_fetched_with_an_authority_of_ones_own(
    site: Site, trusting: DataMounts, tmp_path: Path
) -> None:
    site.answers["/data.csv"] = (200, CSV)
    raw = fetched(f"{site.url}/data.csv", trusting, tmp_path)
    assert (raw.format, raw.digest) == ("CSV", CSV_DIGEST)
    assert raw.path.read_bytes() == CSV


def test_https_from_a_stranger_is_refused_with_the_remedy(
    site: Site, mounts: DataMounts, tmp_path: Path
) -> None:
    site.answers["/data.csv"] = (200, CSV)
    with pytest.raises(DataUnavailable, match=r"ca\.crt to data\.credentialsSecretRef"):
        fetched(f"{site.url}/data.csv", mounts, tmp_path)


def test_a_token_opens_https(site: Site, trusting: DataMounts, tmp_path: Path) -> None:
    site.answers["/data.csv"] = (200, CSV)
    site.guards["/data.csv"] = f"Bearer {TOKEN}"
    with pytest.raises(DataForbidden, match="403; check the Secret"):
        fetched(f"{site.url}/data.csv", trusting, tmp_path)
    put(trusting, token=f"{TOKEN}\n")
    assert fetched(f"{site.url}/data.csv", trusting, tmp_path).digest == CSV_DIGEST


def test_a_password_opens_https(site: Site, trusting: DataMounts, tmp_path: Path) -> None:
    site.answers["/data.csv"] = (200, CSV)
    site.guards["/data.csv"] = "Basic " + base64.b64encode(b"user:secret").decode()
    put(trusting, username="user", password="secret")
    assert fetched(f"{site.url}/data.csv", trusting, tmp_path).digest == CSV_DIGEST


def test_a_redirect_is_followed(site: Site, trusting: DataMounts, tmp_path: Path) -> None:
    site.answers["/old.csv"] = (302, b"/data.csv")
    site.answers["/data.csv"] = (200, CSV)
    assert fetched(f"{site.url}/old.csv", trusting, tmp_path).digest == CSV_DIGEST


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, DataForbidden),
        (403, DataForbidden),
        (404, DataNotFound),
        (410, DataNotFound),
        (418, DataNotFound),
        (429, DataUnavailable),
        (500, DataUnavailable),
        (503, DataUnavailable),
    ],
)
def test_what_https_answers_is_told_apart(
    site: Site,
    trusting: DataMounts,
    tmp_path: Path,
    status: int,
    error: type[TrainingFailure],
) -> None:
    site.answers["/data.csv"] = (status, b"no")
    with pytest.raises(error, match=rf"^data\.uri: .*answered {status}") as caught:
        fetched(f"{site.url}/data.csv", trusting, tmp_path)
    assert caught.value.exit_code == (75 if error is DataUnavailable else 64)


def test_a_server_that_is_not_there_may_come_back(trusting: DataMounts, tmp_path: Path) -> None:
    with pytest.raises(DataUnavailable, match="check the address") as caught:
        fetched(f"https://127.0.0.1:{free_port()}/data.csv", trusting, tmp_path)
    assert caught.value.exit_code == 75


def test_an_authority_that_is_none_is_named(site: Site, secret: DataMounts, tmp_path: Path) -> None:
    put(secret, **{"ca.crt": "not a certificate"})
    with pytest.raises(InvalidParameter, match=r"ca\.crt is no certificate"):
        fetched(f"{site.url}/data.csv", secret, tmp_path)


def test_no_bytes_are_no_data(site: Site, trusting: DataMounts, tmp_path: Path) -> None:
    site.answers["/data.csv"] = (200, b"")
    with pytest.raises(DataEmpty, match="is empty"):
        fetched(f"{site.url}/data.csv", trusting, tmp_path)


def test_more_bytes_than_allowed_are_not_kept(
    site: Site, trusting: DataMounts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGNANT_DATA_LIMIT_BYTES", "5")
    site.answers["/data.csv"] = (200, CSV)
    with pytest.raises(DataMalformed, match="more than the 5 bytes"):
        fetched(f"{site.url}/data.csv", trusting, tmp_path)


@dataclass(frozen=True)
class Bucket:
    """A bucket of a real S3 server, and the keys to it."""

    endpoint: str
    name: str = "lake"
    key: str = "access"
    secret: str = "secret-key"


@pytest.fixture(scope="session")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    binary = program("versitygw")
    folder = tmp_path_factory.mktemp("s3")
    (folder / "data" / Bucket.name).mkdir(parents=True)
    port = free_port()
    command = [str(binary), "--port", f"127.0.0.1:{port}", "--access", Bucket.key]
    command += ["--secret", Bucket.secret, "--region", "us-east-1"]
    command += ["posix", "--nometa", str(folder / "data")]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            await_http(f"http://127.0.0.1:{port}/", process)
            yield Bucket(f"http://127.0.0.1:{port}")
        finally:
            process.terminate()
            process.wait(timeout=30)


@pytest.fixture
def keys(secret: DataMounts, bucket: Bucket) -> DataMounts:
    put(
        secret,
        accessKeyId=bucket.key,
        secretAccessKey=bucket.secret,
        endpoint=bucket.endpoint,
        region="us-east-1",
        allowHTTP="true",
    )
    return secret


@pytest.fixture
def stored(bucket: Bucket) -> str:
    store = S3Store(
        bucket.name,
        config={
            "access_key_id": bucket.key,
            "secret_access_key": bucket.secret,
            "endpoint": bucket.endpoint,
            "region": "us-east-1",
        },
        client_options={"allow_http": True},
    )
    obstore.put(store, "team/data.csv", CSV)
    return f"s3://{bucket.name}/team/data.csv"


def test_s3_is_fetched_from_an_endpoint_of_ones_own(
    stored: str, keys: DataMounts, tmp_path: Path
) -> None:
    raw = fetched(stored, keys, tmp_path)
    assert (raw.format, raw.digest) == ("CSV", CSV_DIGEST)


def test_a_key_that_is_not_in_s3_is_not_found(
    stored: str, keys: DataMounts, tmp_path: Path
) -> None:
    with pytest.raises(DataNotFound, match="does not exist; check bucket and key"):
        fetched(stored.replace("data", "other"), keys, tmp_path)


def test_a_wrong_secret_key_is_forbidden(stored: str, keys: DataMounts, tmp_path: Path) -> None:
    put(keys, secretAccessKey="wrong")
    with pytest.raises(DataForbidden, match=r"check the Secret of data\.credentialsSecretRef"):
        fetched(stored, keys, tmp_path)


def test_s3_in_clear_must_be_allowed(stored: str, keys: DataMounts, tmp_path: Path) -> None:
    put(keys, allowHTTP="false")
    with pytest.raises(InvalidParameter, match="allowHTTP"):
        fetched(stored, keys, tmp_path)


def test_an_endpoint_that_is_not_there_may_come_back(
    stored: str, keys: DataMounts, tmp_path: Path
) -> None:
    put(keys, endpoint=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(DataUnavailable, match="check the endpoint"):
        fetched(stored, keys, tmp_path)


def test_a_file_of_a_claim_is_read(claim: Path, mounts: DataMounts, tmp_path: Path) -> None:
    (claim / "in").mkdir()
    (claim / "in" / "my data.csv").write_bytes(CSV)
    assert fetched("pvc://claim/in/my%20data.csv", mounts, tmp_path).digest == CSV_DIGEST


def test_a_file_that_is_not_in_the_claim_is_named(mounts: DataMounts, tmp_path: Path) -> None:
    with pytest.raises(DataNotFound, match=r"no file 'in/data\.csv'"):
        fetched("pvc://claim/in/data.csv", mounts, tmp_path)


def test_a_directory_is_no_file(claim: Path, mounts: DataMounts, tmp_path: Path) -> None:
    (claim / "in").mkdir()
    with pytest.raises(DataNotFound, match="is a directory"):
        fetched("pvc://claim/in", mounts, tmp_path)


@pytest.mark.parametrize("path", ["../secret.csv", "in/../../secret.csv", "%2e%2e/secret.csv"])
def test_a_path_cannot_leave_the_claim(
    claim: Path, mounts: DataMounts, tmp_path: Path, path: str
) -> None:
    (claim.parent / "secret.csv").write_bytes(CSV)
    with pytest.raises(InvalidParameter, match="leaves the claim"):
        fetched(f"pvc://claim/{path}", mounts, tmp_path)


def test_a_link_cannot_leave_the_claim(claim: Path, mounts: DataMounts, tmp_path: Path) -> None:
    (claim.parent / "secret.csv").write_bytes(CSV)
    (claim / "data.csv").symlink_to(claim.parent / "secret.csv")
    with pytest.raises(InvalidParameter, match="leaves the claim"):
        fetched("pvc://claim/data.csv", mounts, tmp_path)


@contextmanager
def as_nobody() -> Iterator[Path]:
    """Drop root's right to read everything; gives a folder that nobody may write to."""
    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch).chmod(0o777)
        before = os.geteuid()
        os.seteuid(65534 if before == 0 else before)
        try:
            yield Path(scratch)
        finally:
            os.seteuid(before)


def test_a_file_that_may_not_be_read_is_forbidden(claim: Path, mounts: DataMounts) -> None:
    (claim / "data.csv").write_bytes(CSV)
    (claim / "data.csv").chmod(0)
    with as_nobody() as scratch, pytest.raises(DataForbidden, match="may not be read"):
        fetched("pvc://claim/data.csv", mounts, scratch)


def test_the_format_goes_by_the_spec_the_name_and_the_magic(
    claim: Path, mounts: DataMounts, tmp_path: Path
) -> None:
    (claim / "a.pq").write_bytes(b"x")
    (claim / "b").write_bytes(b"PAR1rest")
    (claim / "c").write_bytes(CSV)
    formats = [
        fetched(f"pvc://claim/{name}", mounts, tmp_path).format for name in ("a.pq", "b", "c")
    ]
    assert formats == ["Parquet", "Parquet", "CSV"]
    assert fetch_data("pvc://claim/c", "Parquet", tmp_path, mounts).format == "Parquet"
