"""The pod in which tests run a few lines of Python of their own, where any pod of the cluster is.

    cluster.apply(python_pod("asker"), namespace)                   # idles, to be entered by exec
    cluster.apply(python_pod("users", "/load/generator.py", volumes={"load": ...}), namespace)

It runs once: a pod that ended is seen to have ended.
"""

from __future__ import annotations

from collections.abc import Mapping

from e2e.cluster.settings import Settings
from e2e.harness import Manifest
from e2e.restricted_pod import restricted_pod

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
    python = {
        "name": "python",
        "image": Settings.from_environment().image("python"),
        "command": ["python3", *(arguments or _IDLE)],
        "volumeMounts": [{"name": each, "mountPath": f"/{each}"} for each in mounted],
        **container,
    }
    return restricted_pod(name, python, mounted, labels=labels or {}, restartPolicy="Never")
