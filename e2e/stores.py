"""A store of a test's own, behind one address: guarded by a password, without room, or not there.

The store of an installation is one setting, so the address stays (`store.NAMESPACE.svc`) and what
answers there is exchanged: a pod with the registry's image, a configuration and a volume. Whoever
uses it upgrades the shared installation with `values`, and takes them back with `NO_VALUES`.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

from e2e.harness import Cluster, Manifest
from e2e.pipelines import image
from e2e.restricted_pod import restricted_pod

NO_VALUES = (
    *("--set-string=store.uri=", "--set-string=store.secretName="),
    "--set=store.plainHTTP=false",
)
_NAME = "store"
_USER, _PASSWORD = "regnant", "right-password"
# bcrypt of the password; there is no bcrypt in the standard library to make it with.
_PASSWORD_HASH = "$2b$04$eXabERCY7ZVdzvzA.6liXONUHNhcztffSZCS15QkqKHMcjXkNT22m"
_CONFIGURATION = """\
version: 0.1
log: {level: info}
storage: {filesystem: {rootdirectory: /var/lib/registry}}
http: {addr: ':5000'}
auth: {htpasswd: {realm: models, path: /etc/store/htpasswd}}
"""


@dataclass(frozen=True)
class OwnStore:
    """The store of one namespace."""

    cluster: Cluster
    namespace: str

    @property
    def host(self) -> str:
        """What reaches it from any pod."""
        return f"{_NAME}.{self.namespace}.svc:5000"

    @property
    def values(self) -> list[str]:
        """The chart's values that make it the store of an installation."""
        return [
            f"--set-string=store.uri=oci://{self.host}/models",
            f"--set-string=store.secretName={_NAME}",
            "--set=store.plainHTTP=true",
        ]

    def make(self) -> None:
        """Make what stays whatever answers: the address, and how a guarded one is set up."""
        files = {"config.yml": _CONFIGURATION, "htpasswd": f"{_USER}:{_PASSWORD_HASH}\n"}
        service = {"selector": {"app": _NAME}, "ports": [{"port": 5000}]}
        self.cluster.apply(
            [
                _object("ConfigMap", data=files),
                _object("Service", spec=service),
            ],
            self.namespace,
        )

    def run(self, *, room: str = "64Mi") -> None:
        """Have a registry answer that has so much room."""
        self.stop()
        self.cluster.apply(_pod(room), self.namespace)
        self.cluster.wait_for_condition("pod", _NAME, self.namespace, "Ready")

    def stop(self) -> None:
        """Have nothing answer."""
        self.cluster.delete("pod", _NAME, self.namespace)

    def hand_out(self, password: str = _PASSWORD) -> None:
        """Write the Secret that the platform's pods of this namespace show to the store."""
        auth = base64.b64encode(f"{_USER}:{password}".encode()).decode()
        words = {".dockerconfigjson": json.dumps({"auths": {self.host: {"auth": auth}}})}
        secret = _object("Secret", type="kubernetes.io/dockerconfigjson", stringData=words)
        self.cluster.apply(secret, self.namespace)

    def withdraw(self) -> None:
        """Take that Secret away."""
        self.cluster.delete("secret", _NAME, self.namespace)


def _object(kind: str, **content: object) -> Manifest:
    metadata = {"name": _NAME, "labels": {"app": _NAME}}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **content}


def _pod(room: str) -> Manifest:
    mounts = {"settings": "/etc/store", "bundles": "/var/lib/registry"}
    registry = {
        "name": "registry",
        "image": image("registry"),
        "command": ["registry", "serve", "/etc/store/config.yml"],
        "env": [{"name": "OTEL_TRACES_EXPORTER", "value": "none"}],
        "readinessProbe": {"tcpSocket": {"port": 5000}, "periodSeconds": 1},
        "volumeMounts": [{"name": name, "mountPath": path} for name, path in mounts.items()],
    }
    volumes = {
        "settings": {"configMap": {"name": _NAME}},
        # A volume in memory is the one kind that ends where its limit says.
        "bundles": {"emptyDir": {"medium": "Memory", "sizeLimit": room}},
    }
    return restricted_pod(_NAME, registry, volumes, labels={"app": _NAME})
