"""Whose pods are looked at: those of the Deployment that exists now.

A version that is tried again gets a Deployment of the same name and labels at once, while the
garbage collector is still busy with the pods of the former try. What they died of was judged then.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from regnant.cluster.kinds import Manifest


def of_this_attempt(pods: Sequence[Manifest], deployments: Sequence[Manifest]) -> list[Manifest]:
    """The pods that are not older than the youngest of these Deployments; none without one.

    Both dates are the API server's, so no clock has to be right.
    """
    since = max((_created(one) for one in deployments), default=None)
    return [pod for pod in pods if since is not None and _created(pod) >= since]


def _created(found: Manifest) -> datetime:
    return datetime.fromisoformat(found["metadata"]["creationTimestamp"])
