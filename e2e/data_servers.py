"""Where training data comes from in tests: a claim, an https server, an S3 server, and the data.

The customers are made up by a seed, so that their bytes, and with them the digest in a lineage, are
known before anything runs. The https server is a pod of the test's namespace; the S3 server is a
program on this machine, which only pods of the local cluster can reach.
"""

from __future__ import annotations

import csv
import io
import math
import random
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from e2e.cluster.programs import build_programs
from e2e.cluster.settings import NODE_ADDRESS, Settings
from e2e.harness import Cluster, Manifest
from e2e.pipelines import example, image
from e2e.python_pod import python_pod

CUSTOMERS = 400
COLUMNS = (
    *("customer_id", "household", "signed_up"),
    *("tenure_months", "monthly_fee", "calls", "plan", "region", "churned"),
)
_HTTPS_PROGRAM = Path(__file__).with_name("data_https.py")


def customers_csv(rows: int = CUSTOMERS) -> str:
    """Customers with numbers, categories, gaps in both, and a churn that can be learnt."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    chance = random.Random(7)
    table.writerows(_customer(number, chance) for number in range(rows))
    return text.getvalue()


def _customer(number: int, chance: random.Random) -> list[object]:
    tenure, fee = chance.randint(0, 72), round(chance.uniform(5, 90), 2)
    calls, plan = chance.randint(0, 9), chance.choice(["basic", "family", "business"])
    region = chance.choice(["north", "south", "Île-de-France", ""])
    pull = 0.06 * fee + 0.5 * calls - 0.09 * tenure + (1.5 if plan == "basic" else 0) - 1.5
    churned = chance.random() < 1 / (1 + math.exp(-pull))
    identity = [f"c{number:04}", f"h{number // 3:03}", date(2020, 1, 1) + timedelta(days=number)]
    seen_fee = "" if chance.random() < 0.1 else fee
    return [*identity, tenure, seen_fee, calls, plan, region, "yes" if churned else "no"]


def fill_claim(cluster: Cluster, namespace: str, files: Mapping[str, str]) -> None:
    """Make the claim `lake` and put files on it, by the commands of docs/examples."""
    cluster.apply(
        example("claim-upload.yaml", **{"localhost/regnant-python:dev": image("python")}), namespace
    )
    cluster.wait_for_condition("pod", "upload", namespace, "Ready")
    for name, content in files.items():
        into = f"mkdir -p $(dirname /data/{name}) && cat > /data/{name}"
        words = (f"--namespace={namespace}", "-i", "upload", "--", "sh", "-c", into)
        cluster.kubectl("exec", *words, stdin=content)
    cluster.delete("pod", "upload", namespace, wait=False)


@dataclass(frozen=True)
class HttpsServer:
    """A pod that serves files by https, with a certificate that nobody knows."""

    address: str
    authority: str

    @classmethod
    def start(
        cls, cluster: Cluster, namespace: str, files: Mapping[str, str], scratch: Path
    ) -> HttpsServer:
        """Start one in the namespace and wait until it answers."""
        host = f"data.{namespace}.svc"
        certificate, key = _self_signed(host, scratch)
        cluster.apply(_https_objects(files, certificate, key), namespace)
        cluster.wait_for_condition("pod", "data", namespace, "Ready")
        return cls(f"https://{host}", certificate)


def _self_signed(host: str, scratch: Path) -> tuple[str, str]:
    certificate, key = scratch / "tls.crt", scratch / "tls.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", f"/CN={host}"),
            *("-addext", f"subjectAltName=DNS:{host}"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate.read_text(), key.read_text()


def _https_objects(files: Mapping[str, str], certificate: str, key: str) -> list[Manifest]:
    volumes = {
        "program": {"configMap": {"name": "data-program"}},
        "files": {"configMap": {"name": "data-files"}},
        "tls": {"secret": {"secretName": "data-tls"}},
    }
    program = {"data_https.py": _HTTPS_PROGRAM.read_text(encoding="utf-8")}
    return [
        _holder("ConfigMap", "data-program", data=program),
        _holder("ConfigMap", "data-files", data=dict(files)),
        _holder("Secret", "data-tls", stringData={"tls.crt": certificate, "tls.key": key}),
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "data"},
            "spec": {"selector": {"app": "data"}, "ports": [{"port": 443, "targetPort": 8443}]},
        },
        python_pod(
            "data",
            *("/program/data_https.py", "/tls/tls.crt", "/tls/tls.key", "/files"),
            volumes=volumes,
            labels={"app": "data"},
            readinessProbe={"tcpSocket": {"port": 8443}, "periodSeconds": 1},
        ),
    ]


def _holder(kind: str, name: str, **content: object) -> Manifest:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **content}


@dataclass(frozen=True)
class S3Server:
    """An S3 server that checks signatures; its buckets are folders."""

    endpoint: str
    folder: Path

    def put(self, bucket: str, key: str, content: bytes) -> None:
        """Put an object into a bucket."""
        path = self.folder / bucket / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@contextmanager
def s3_server(cluster: Cluster, folder: Path, access: str, secret: str) -> Iterator[S3Server]:
    """Run one on the address by which pods of the local cluster reach this machine."""
    program = build_programs(Settings.from_environment(), ["versitygw"])["versitygw"]
    address = f"{NODE_ADDRESS}:{_free_port()}"
    buckets = folder / "buckets"
    buckets.mkdir()
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        [program, "--access", access, "--secret", secret, "--port", address, "posix", buckets],
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    try:
        cluster.wait_for("the S3 server listens", lambda: _listens(address), seconds=30)
        yield S3Server(f"http://{address}", buckets)
    finally:
        process.terminate()
        process.wait()
        log.close()


def _free_port() -> int:
    with socket.socket() as held:
        held.bind((NODE_ADDRESS, 0))
        return int(held.getsockname()[1])


def _listens(address: str) -> bool:
    host, port = address.split(":")
    with socket.socket() as attempt:
        return attempt.connect_ex((host, int(port))) == 0
