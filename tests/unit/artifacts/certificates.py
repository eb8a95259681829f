"""A certificate that nobody knows, for a server on loopback."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SelfSigned:
    """A certificate that is its own authority, and its key."""

    certificate: Path
    key: Path

    @classmethod
    def make(cls, directory: Path) -> SelfSigned:
        """Make one for 127.0.0.1."""
        directory.mkdir(parents=True, exist_ok=True)
        made = cls(directory / "ca.crt", directory / "tls.key")
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
                *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
                *("-keyout", str(made.key), "-out", str(made.certificate)),
            ],
            check=True,
            capture_output=True,
        )
        return made

    def sign(self, content: bytes) -> bytes:
        """The RS256 signature of these bytes."""
        command = ["openssl", "dgst", "-sha256", "-sign", str(self.key)]
        return subprocess.run(command, input=content, check=True, capture_output=True).stdout
