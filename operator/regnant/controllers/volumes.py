"""What keeps the volumes from a pod: the kubelet tells that in Events alone.

They are asked for only about a pod of which nothing was created yet, so a pod that runs costs no
request.
"""

from __future__ import annotations

from collections.abc import Iterable

from regnant.cluster.client import Cluster
from regnant.cluster.kinds import Manifest, ref
from regnant.lifecycle.diagnosis import Fault, unmounted, waits_for_volumes


async def missing_volume(cluster: Cluster, pods: Iterable[Manifest]) -> Fault | None:
    """The first volume that a pod waits for in vain; None where no pod does."""
    for pod in filter(waits_for_volumes, pods):
        if fault := unmounted(await cluster.warnings_about(ref(pod))):
            return fault
    return None
