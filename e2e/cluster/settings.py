"""What may be chosen about the local cluster, read once from the environment.

Everything else (addresses, names of links and chains) is a constant here, so
that `down` finds what `up` made even when the environment has changed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from .errors import UnknownVersionError

CHECKOUT = Path(__file__).resolve().parents[2]
GO_MODULES = Path(__file__).resolve().parent / "go"

KUBERNETES_VERSIONS = ("1.36.3", "1.35.4", "1.34.4")

CONTEXT = "regnant-local"
NODE_NAME = "regnant-node"
BRIDGE = "cni0"
NODE_ADDRESS = "10.244.0.1"
POD_RANGE = "10.244.0.0/24"
SERVICE_RANGE = "10.96.0.0/16"
API_SERVICE_ADDRESS = "10.96.0.1"
DNS_ADDRESS = "10.96.0.10"
API_PORT = 6443


@dataclass(frozen=True)
class Settings:
    """Where things are kept and what they are called."""

    kubernetes_version: str
    cache: Path
    state: Path
    image_prefix: str
    image_tag: str

    @classmethod
    def from_environment(cls) -> Settings:
        """Read the settings; raise UnknownVersionError for a version without a module."""
        version = os.environ.get("KUBERNETES_VERSION") or KUBERNETES_VERSIONS[0]
        version = version.removeprefix("v")
        if version not in KUBERNETES_VERSIONS:
            raise UnknownVersionError(version, KUBERNETES_VERSIONS)
        home = Path(os.environ.get("REGNANT_CACHE") or Path.home() / ".cache" / "regnant")
        state = Path(os.environ.get("REGNANT_CLUSTER_STATE") or home / "cluster")
        return cls(
            kubernetes_version=version,
            cache=home.absolute(),
            state=state.absolute(),
            image_prefix=os.environ.get("IMAGE_PREFIX") or "localhost",
            image_tag=os.environ.get("IMAGE_TAG") or "dev",
        )

    @property
    def kubeconfig(self) -> Path:
        """The file by which this cluster, and no other, is reached."""
        return self.state / "kubeconfig"

    @property
    def containerd_socket(self) -> Path:
        """Where the cluster's own containerd listens."""
        return self.state / "containerd" / "containerd.sock"

    def image(self, name: str) -> str:
        """The full reference under which the image called `name` is known."""
        return f"{self.image_prefix}/regnant-{name}:{self.image_tag}"
