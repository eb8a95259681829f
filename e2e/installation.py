"""Installing the chart on the cluster of the tests.

The same for every test and for a developer: images that the local cluster has under
`localhost/regnant-*:dev`, or, on a cluster of one's own, under IMAGE_PREFIX and IMAGE_TAG. An image
that was built anew under its old name starts a new operator, and an installation that was
interrupted does not stand in the way of the next.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from e2e.cluster.image_builder import ImageBuilder
from e2e.cluster.settings import Settings
from e2e.harness import CHART, Cluster

RELEASE = "regnant"
NAMESPACE = "regnant-system"
_PATIENCE = timedelta(minutes=3)
_WAIT = ("--wait", f"--timeout={_PATIENCE.seconds}s")


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

    def upgrade(self, *words: str, chart: Path = CHART) -> None:
        """Change values (`--set=...`) or the chart, and wait until all is ready again."""
        self.cluster.helm(
            "upgrade",
            self.release,
            str(chart),
            f"--namespace={self.namespace}",
            "--reset-then-reuse-values",
            *_WAIT,
            *words,
        )

    def uninstall(self) -> None:
        """Remove the release; what the chart keeps stays."""
        self.cluster.helm("uninstall", self.release, f"--namespace={self.namespace}", *_WAIT)


def install(
    cluster: Cluster,
    *words: str,
    release: str = RELEASE,
    namespace: str = NAMESPACE,
    chart: Path = CHART,
) -> Installation:
    """Install the chart, or bring what is installed up to date, and wait until it is ready."""
    _forget_interrupted(cluster, release, namespace)
    cluster.helm(
        "upgrade",
        release,
        str(chart),
        "--install",
        f"--namespace={namespace}",
        "--create-namespace",
        *_WAIT,
        *image_values(cluster),
        *words,
    )
    return Installation(cluster, release, namespace)


def image_values(cluster: Cluster) -> list[str]:
    """The values that make the chart use the images of this checkout."""
    settings = Settings.from_environment()
    values = {
        "image.registry": settings.image_prefix,
        "image.tag": settings.image_tag,
        "registry.image.registry": settings.image_prefix,
        "registry.image.repository": "regnant-registry",
        "registry.image.tag": settings.image_tag,
    }
    if cluster.is_local:
        # The name alone does not tell a new image from the old one.
        image = ImageBuilder(settings.cache).stored(settings.image("operator"))
        digest = hashlib.sha256(image.configuration).hexdigest()
        values[r"operator.podAnnotations.regnant\.dev/image"] = f"sha256:{digest}"
    else:
        values["image.pullPolicy"] = "Always"
    return [f"--set-string={name}={value}" for name, value in values.items()]


def _forget_interrupted(cluster: Cluster, release: str, namespace: str) -> None:
    """Remove helm's record of an upgrade whose helm was ended: it would refuse every other."""
    pending = "status in (pending-install,pending-upgrade,pending-rollback)"
    records = cluster.find_all("secrets", namespace, f"owner=helm,name={release},{pending}")
    for record in records:
        metadata = record["metadata"]
        began = datetime.fromisoformat(metadata["creationTimestamp"])
        if datetime.now(UTC) - began > _PATIENCE:
            cluster.delete("secret", metadata["name"], namespace)


def _prefix(release: str) -> str:
    return release if "regnant" in release else f"{release}-regnant"
