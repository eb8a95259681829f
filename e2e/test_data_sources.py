"""Data from https and from S3, with credentials from a Secret, as docs/examples show it.

The https server is a pod of the module's namespace, with a certificate that no one knows; the S3
server checks signatures. The lineage must name the very bytes that were served, and what a source
refuses must be told apart: forbidden, not found, not reachable, not readable.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from e2e.data_servers import CUSTOMERS, HttpsServer, S3Server, customers_csv, s3_server
from e2e.harness import Cluster, Manifest
from e2e.pipelines import (
    Ended,
    assert_ended,
    classification,
    example,
    pipeline,
    sklearn,
    wait_until_registered,
)

QUICK = sklearn("tree.DecisionTreeClassifier", max_depth=1)
NOT_TRAINED_ON = ["customer_id", "household", "signed_up"]
ACCESS, SECRET = "reader", "secret-of-the-reader"


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def secret(name: str, **content: str) -> Manifest:
    keys = {key.replace("_", "."): value for key, value in content.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": keys}


def customers(uri: str, credentials: str = "") -> Manifest:
    data = classification(uri, "churned", exclude=NOT_TRAINED_ON)
    return data | ({"credentialsSecretRef": {"name": credentials}} if credentials else {})


def indented(pem: str) -> str:
    return "ca.crt: |\n" + "".join(f"    {line}\n" for line in pem.splitlines())


@pytest.fixture(scope="module")
def server(
    regnant: object,
    cluster: Cluster,
    shared_namespace: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> HttpsServer:
    """The https server, with every pipeline that reads from it applied."""
    del regnant
    broken = customers_csv().splitlines()
    broken[20] = broken[20].replace(",", ";")
    files = {"customers.csv": customers_csv(), "broken.csv": "\n".join(broken)}
    scratch = tmp_path_factory.mktemp("tls")
    started = HttpsServer.start(cluster, shared_namespace, files, scratch)
    known = {"ca_crt": started.authority}
    cluster.apply(
        [
            secret("authority", **known),
            secret("wrong", username="reader", password="guess", **known),
            secret("token", token="token-of-the-reader", **known),
            *(
                pipeline(name, customers(f"{started.address}/{path}", credentials), QUICK)
                for name, path, credentials in (
                    ("by-token", "token/customers.csv", "token"),
                    ("wrong-password", "basic/customers.csv", "wrong"),
                    ("private", "private/customers.csv", "authority"),
                    ("nowhere", "open/nowhere.csv", "authority"),
                    ("broken", "open/broken.csv", "authority"),
                    ("stranger", "open/customers.csv", ""),
                )
            ),
        ],
        shared_namespace,
    )
    own_words = {
        "https://data.example.com/customers.csv": f"{started.address}/basic/customers.csv",
        "password: change-me": "password: secret",
        "# ca.crt: |\n  #   -----BEGIN CERTIFICATE-----\n": indented(started.authority),
    }
    cluster.apply(example("pipeline-https.yaml", **own_words), shared_namespace)
    return started


def test_a_file_behind_basic_credentials_and_an_own_authority_is_trained_on(
    cluster: Cluster, server: HttpsServer, shared_namespace: str
) -> None:
    version = wait_until_registered(cluster, shared_namespace, "churn", "churn-1")
    lineage = version["spec"]["lineage"]
    assert lineage["dataUri"] == f"{server.address}/basic/customers.csv"
    assert lineage["dataDigest"] == digest(customers_csv().encode())


@pytest.mark.usefixtures("server")
def test_a_file_behind_a_token_is_trained_on(cluster: Cluster, shared_namespace: str) -> None:
    version = wait_until_registered(cluster, shared_namespace, "by-token", "by-token-1")
    assert version["spec"]["lineage"]["rows"] == CUSTOMERS


@pytest.mark.parametrize(
    ("name", "ended"),
    [
        (
            "wrong-password",
            Ended("DataForbidden", "DataValid", ["data.uri", "401", "data.credentialsSecretRef"]),
        ),
        (
            "private",
            Ended("DataForbidden", "DataValid", ["data.uri", "403", "data.credentialsSecretRef"]),
        ),
        ("nowhere", Ended("DataNotFound", "DataValid", ["data.uri", "404", "check the address"])),
        ("broken", Ended("DataMalformed", "DataValid", ["row 21", "correct that row"])),
        (
            "stranger",
            Ended("DataUnavailable", "DataValid", ["ca.crt", "data.credentialsSecretRef"]),
        ),
    ],
)
@pytest.mark.usefixtures("server")
def test_what_a_server_refuses_is_told_apart(
    cluster: Cluster, shared_namespace: str, name: str, ended: Ended
) -> None:
    assert_ended(cluster, shared_namespace, name, ended)


@pytest.fixture(scope="module")
def lake(
    regnant: object,
    cluster: Cluster,
    shared_namespace: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[S3Server]:
    """The S3 server, with every pipeline that reads from it applied."""
    del regnant
    if not cluster.is_local:
        pytest.skip("pods of another cluster do not reach this machine")
    with s3_server(cluster, tmp_path_factory.mktemp("s3"), ACCESS, SECRET) as started:
        started.put("lake", "daily/customers.parquet", customers_parquet())
        keys = {"endpoint": started.endpoint, "allowHTTP": "true", "accessKeyId": ACCESS}
        cluster.apply(
            [
                secret("right-keys", secretAccessKey=SECRET, **keys),
                secret("wrong-keys", secretAccessKey="guess", **keys),
                secret("plain-http", secretAccessKey=SECRET, **keys | {"allowHTTP": "false"}),
                *(
                    pipeline(name, customers(f"s3://lake/daily/{key}", credentials), QUICK)
                    for name, key, credentials in (
                        ("wrong-keys", "customers.parquet", "wrong-keys"),
                        ("no-such-key", "costumers.parquet", "right-keys"),
                        ("plain-http", "customers.parquet", "plain-http"),
                    )
                ),
            ],
            shared_namespace,
        )
        own_words = {
            "accessKeyId: reader": f"accessKeyId: {ACCESS}",
            "secretAccessKey: change-me": f"secretAccessKey: {SECRET}",
            "endpoint: https://s3.example.com": f"endpoint: {started.endpoint}",
            'allowHTTP: "false"': 'allowHTTP: "true"',
            "name: churn": "name: churn-of-lake",
            "modelName: churn": "modelName: churn-of-lake",
        }
        cluster.apply(example("pipeline-s3.yaml", **own_words), shared_namespace)
        yield started


def customers_parquet() -> bytes:
    content = io.BytesIO()
    pd.read_csv(io.StringIO(customers_csv())).to_parquet(content)
    return content.getvalue()


def test_an_object_of_s3_is_trained_on(
    cluster: Cluster, lake: S3Server, shared_namespace: str
) -> None:
    version = wait_until_registered(cluster, shared_namespace, "churn-of-lake", "churn-of-lake-1")
    stored = Path(lake.folder, "lake", "daily", "customers.parquet").read_bytes()
    lineage = version["spec"]["lineage"]
    assert lineage["dataDigest"] == digest(stored)
    assert lineage["rows"] == CUSTOMERS


@pytest.mark.parametrize(
    ("name", "ended"),
    [
        (
            "wrong-keys",
            Ended("DataForbidden", "DataValid", ["data.uri", "data.credentialsSecretRef"]),
        ),
        ("no-such-key", Ended("DataNotFound", "DataValid", ["data.uri", "check bucket and key"])),
        (
            "plain-http",
            Ended("InvalidParameter", "DataValid", ["data.credentialsSecretRef", "allowHTTP"]),
        ),
    ],
)
@pytest.mark.usefixtures("lake")
def test_what_s3_refuses_is_told_apart(
    cluster: Cluster, shared_namespace: str, name: str, ended: Ended
) -> None:
    assert_ended(cluster, shared_namespace, name, ended)
