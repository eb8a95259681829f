"""The pod in which tests run a few lines of Python of their own, where any pod of the cluster is.

    cluster.apply(python_pod("asker"), namespace)                   # idles, to be entered by exec
    cluster.apply(python_pod("users", "/load/generator.py", volumes={"load": ...}), namespace)

It asks for no more than the restricted Pod Security profile allows: the tests' own pods are held
to what the operator's are. It runs once: a pod that ended is seen to have ended.
"""

from __future__ import annotations

from collections.abc import Mapping

from e2e.cluster.settings import Settings
from e2e.harness import Manifest

_USER = 65532
_IDLE = ("-c", "import signal; signal.pause()")


def python_pod(
    name: str,
    *arguments: str,
    volumes: Mapping[str, Manifest] | None = None,
    labels: Mapping[str, str] | None = None,
    **container: object,
) -> Manifest:
    """`python3 ARGUMENTS` in a pod; each volume is mounted under its name, `/NAME`.

    `container` are more fields of the container, as Kubernetes names them.
    """
    mounted = volumes or {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": dict(labels or {})},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": _USER,
                "fsGroup": _USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "python",
                    "image": Settings.from_environment().image("python"),
                    "command": ["python3", *(arguments or _IDLE)],
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "volumeMounts": [{"name": each, "mountPath": f"/{each}"} for each in mounted],
                    **container,
                }
            ],
            "volumes": [{"name": each, **source} for each, source in mounted.items()],
        },
    }
