"""The cluster's certificate authority and the certificates that it signs.

One authority signs everything; who a component is, is its subject, as
Kubernetes' authorisers read it. Keys are P-256: a key takes a millisecond,
where RSA would take most of a second. Nothing here outlives `down`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .commands import run


@dataclass(frozen=True)
class KeyPair:
    """A certificate and its private key."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority in a folder; made on first use, reused afterwards."""

    _DAYS = "365"

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        self._folder = folder
        self.certificate = folder / "ca.crt"
        self.key = folder / "ca.key"
        if not self.certificate.exists():
            self._create(
                "ca",
                "/CN=regnant-local-ca",
                ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"],
                signed=False,
            )

    def client(self, name: str, user: str, group: str | None = None) -> KeyPair:
        """A certificate by which the API server knows its bearer as `user`."""
        subject = f"/O={group}/CN={user}" if group else f"/CN={user}"
        return self._pair(name, subject, ["extendedKeyUsage=clientAuth"])

    def server(self, name: str, names: list[str], addresses: list[str]) -> KeyPair:
        """A certificate for a listener that is reached by any of the names and addresses."""
        alternatives = [f"DNS:{entry}" for entry in names] + [f"IP:{entry}" for entry in addresses]
        return self._pair(
            name,
            f"/CN={(names + addresses)[0]}",
            ["extendedKeyUsage=serverAuth", f"subjectAltName={','.join(alternatives)}"],
        )

    def signing_key(self, name: str) -> KeyPair:
        """A private key and its public half, by which service account tokens are signed."""
        pair = KeyPair(self._folder / f"{name}.pub", self._folder / f"{name}.key")
        if not pair.certificate.exists():
            curve = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
            run(["openssl", "genpkey", *curve, "-out", pair.key])
            run(["openssl", "pkey", "-in", pair.key, "-pubout", "-out", pair.certificate])
        return pair

    def _pair(self, name: str, subject: str, extensions: list[str]) -> KeyPair:
        pair = KeyPair(self._folder / f"{name}.crt", self._folder / f"{name}.key")
        if not pair.certificate.exists():
            leaf = ["basicConstraints=critical,CA:FALSE", "keyUsage=critical,digitalSignature"]
            self._create(name, subject, [*leaf, *extensions], signed=True)
        return pair

    def _create(self, name: str, subject: str, extensions: list[str], *, signed: bool) -> None:
        certificate = self._folder / f"{name}.crt"
        partial = self._folder / f".{name}.crt"
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        # An empty configuration: the machine's own would add extensions of its own.
        request = ["openssl", "req", "-x509", "-config", "/dev/null", *curve]
        signer: list[str | Path] = ["-CA", self.certificate, "-CAkey", self.key] if signed else []
        added = [word for extension in extensions for word in ("-addext", extension)]
        where: list[str | Path] = ["-keyout", self._folder / f"{name}.key", "-out", partial]
        run([*request, "-days", self._DAYS, "-subj", subject, *signer, *added, *where])
        partial.rename(certificate)
