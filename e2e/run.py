"""The operator from this checkout against the running cluster: a change is tried in seconds.

Run by `make run`. The chart is installed for its CRDs and its store; its own operator is scaled to
zero for the time and back at the end, so that two never work at once.
"""

from __future__ import annotations

import os
import subprocess
import sys

from e2e.cluster.settings import CHECKOUT, Settings
from e2e.harness import Cluster
from e2e.installation import Installation, install


def main() -> int:
    """Run until Ctrl-C."""
    cluster = Cluster.from_environment()
    installation = install(cluster)
    _scale(installation, 0)
    print(f"operator of this checkout on {cluster.context}; Ctrl-C ends it", flush=True)
    try:
        return subprocess.run(_command(installation), env=_environment(), check=False).returncode
    except KeyboardInterrupt:
        return 0
    finally:
        _scale(installation, 1)


def _command(installation: Installation) -> list[str]:
    images = Settings.from_environment()
    host = f"{installation.registry}.{installation.namespace}.svc:5000"
    return [
        sys.executable,
        "-m",
        "regnant.handlers",
        f"--kubeconfig={installation.cluster.kubeconfig}",
        f"--context={installation.cluster.context}",
        f"--trainer-image={images.image('trainer')}",
        f"--server-image={images.image('server')}",
        f"--router-image={images.image('router')}",
        f"--store-uri=oci://{host}/models",
        "--store-plain-http",
        "--log-format=text",
    ]


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(CHECKOUT / "operator")}


def _scale(installation: Installation, replicas: int) -> None:
    installation.cluster.kubectl(
        "scale",
        f"deployment/{installation.operator}",
        f"--replicas={replicas}",
        f"--namespace={installation.namespace}",
    )


if __name__ == "__main__":
    sys.exit(main())
