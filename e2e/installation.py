"""Installing the chart on the cluster of the tests.

The same for every test and for a developer: images that the local cluster has under
`localhost/regnant-*:dev`, or, on a cluster of one's own, under IMAGE_PREFIX and IMAGE_TAG.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from e2e.cluster.settings import Settings
from e2e.harness import CHART, Cluster

RELEASE = "regnant"
NAMESPACE = "regnant-system"


@dataclass(frozen=True)
class Installation:
    """One release of the chart."""

    cluster: Cluster
    release: str
    namespace: str

    @property
    def operator(self) -> str:
        """The name of the operator's Deployment."""
        return f"{_prefix(self.release)}-operator"

    @property
    def registry(self) -> str:
        """The name of the embedded registry's Deployment and Service."""
        return f"{_prefix(self.release)}-registry"

    @property
    def operator_selector(self) -> str:
        """The labels of the operator's pods."""
        return f"app.kubernetes.io/instance={self.release},app.kubernetes.io/component=operator"

    def operator_logs(self, *, tail: int = 1000) -> str:
        """What the operator's pods wrote last."""
        return self.cluster.logs(self.namespace, self.operator_selector, tail=tail)

    def upgrade(self, *words: str, chart: Path = CHART) -> None:
        """Change values (`--set=...`) or the chart, and wait until all is ready again."""
        self.cluster.helm(
            "upgrade",
            self.release,
            str(chart),
            f"--namespace={self.namespace}",
            "--reset-then-reuse-values",
            "--wait",
            "--timeout=180s",
            *words,
        )

    def uninstall(self) -> None:
        """Remove the release; what the chart keeps stays."""
        self.cluster.helm(
            "uninstall", self.release, f"--namespace={self.namespace}", "--wait", "--timeout=120s"
        )


def install(
    cluster: Cluster,
    *words: str,
    release: str = RELEASE,
    namespace: str = NAMESPACE,
    chart: Path = CHART,
) -> Installation:
    """Install the chart, or bring what is installed up to date, and wait until it is ready."""
    cluster.helm(
        "upgrade",
        release,
        str(chart),
        "--install",
        f"--namespace={namespace}",
        "--create-namespace",
        "--wait",
        "--timeout=180s",
        *image_values(),
        *words,
    )
    return Installation(cluster, release, namespace)


def image_values() -> list[str]:
    """The values that make the chart use the images of this checkout."""
    settings = Settings.from_environment()
    values = {
        "image.registry": settings.image_prefix,
        "image.tag": settings.image_tag,
        "registry.image.registry": settings.image_prefix,
        "registry.image.repository": "regnant-registry",
        "registry.image.tag": settings.image_tag,
    }
    return [f"--set-string={name}={value}" for name, value in values.items()]


def _prefix(release: str) -> str:
    return release if "regnant" in release else f"{release}-regnant"
