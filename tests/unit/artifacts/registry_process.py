"""A real registry on loopback: CNCF Distribution, as the local cluster has it, and run a test."""

from __future__ import annotations

import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.unit.artifacts.certificates import SelfSigned
from tests.unit.ports import free_port

USER, PASSWORD = "trainer", "right-password"
# bcrypt of PASSWORD; there is no bcrypt in the standard library to make it with.
PASSWORD_HASH = "$2b$04$eXabERCY7ZVdzvzA.6liXONUHNhcztffSZCS15QkqKHMcjXkNT22m"
START_SECONDS = 30


def await_http(url: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until something answers, whatever it says and whoever it is."""
    anybody = ssl.create_default_context()
    anybody.check_hostname = False
    anybody.verify_mode = ssl.CERT_NONE
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the server ended with {process.returncode}"
        try:
            urllib.request.urlopen(url, timeout=5, context=anybody).close()
        except urllib.error.HTTPError as error:
            error.close()
        except OSError:
            time.sleep(0.02)
            continue
        return
    raise AssertionError(f"{url} did not answer within {START_SECONDS} s")


@dataclass(frozen=True)
class RunningRegistry:
    """A registry that listens, and its folder on disk."""

    host: str
    storage: Path

    def blob_file(self, digest: str) -> Path:
        """The file that a blob is on the registry's disk."""
        algorithm, _, hexadecimal = digest.partition(":")
        blobs = self.storage / "docker/registry/v2/blobs"
        return blobs / algorithm / hexadecimal[:2] / hexadecimal / "data"


def passwords(directory: Path) -> str:
    """The part of a configuration by which USER has to know PASSWORD."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "htpasswd").write_text(f"{USER}:{PASSWORD_HASH}\n")
    return f"auth:\n  htpasswd: {{realm: models, path: {directory / 'htpasswd'}}}\n"


@contextmanager
def running_registry(
    binary: Path,
    directory: Path,
    *,
    auth: str = "",
    tls: SelfSigned | None = None,
    storage: Path | None = None,
) -> Iterator[RunningRegistry]:
    """Run a registry for the length of a block; `auth` is that part of its configuration."""
    directory.mkdir(parents=True, exist_ok=True)
    data = storage or directory / "storage"
    port = free_port()
    secured = f", tls: {{certificate: {tls.certificate}, key: {tls.key}}}" if tls else ""
    config = directory / "config.yml"
    config.write_text(
        "version: 0.1\n"
        "log: {level: error, accesslog: {disabled: true}}\n"
        f"storage: {{filesystem: {{rootdirectory: {data}}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'{secured}}}\n{auth}"
    )
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen([binary, "serve", config], stdout=log, stderr=log)
        try:
            await_http(f"{'https' if tls else 'http'}://127.0.0.1:{port}/v2/", process)
            yield RunningRegistry(f"127.0.0.1:{port}", data)
        finally:
            process.terminate()
            process.wait(timeout=30)
