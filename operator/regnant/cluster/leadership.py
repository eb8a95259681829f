"""One replica acts, the others stand by: a Lease that its holder renews.

The library has an elector too (`kubernetes.aio.leaderelection`). It is not used because it writes
local time as UTC, lets a request outlast the lease, dies of a refused connection, and does not give
the lease back when it stops, which makes every upgrade wait for the lease to run out.

Ages are judged by one's own clock alone: a holder is gone when its record has not changed for the
lease's duration, whatever the dates in it say. A leader that could not renew for `renew_within`
has lost, before anybody else may have won; it must end its process, as nothing else surely stops
what it was doing.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from regnant.cluster.client import Cluster
from regnant.cluster.errors import AlreadyExistsError, ClusterError, ConflictError
from regnant.cluster.kinds import Manifest, Ref, collection

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Terms:
    """Seconds; each must be clearly shorter than the one before."""

    lease: int = 15
    renew_within: float = 10.0
    retry: float = 2.0


class LeadershipLostError(Exception):
    """The lease could not be renewed in time; somebody else may lead by now."""


class Leadership:
    """A candidate for one Lease, under an identity that no other candidate has."""

    def __init__(
        self, cluster: Cluster, target: Ref, identity: str, *, terms: Terms | None = None
    ) -> None:
        self._cluster = cluster
        self._target = target
        self._identity = identity
        self._terms = terms or Terms()
        self._seen: tuple[object, ...] | None = None
        self._seen_at = 0.0
        self._leading = False
        self._held: Manifest | None = None
        """The lease as it was written last, if that is known for sure."""

    @property
    def leading(self) -> bool:
        """Whether the lease is held."""
        return self._leading

    async def acquire(self) -> None:
        """Return when the lease is held."""
        while True:
            if await self._try():
                break
            await asyncio.sleep(self._terms.retry)
        self._leading = True
        logger.info("%s leads by %s", self._identity, self._target)

    async def hold(self) -> None:
        """Renew the lease until cancelled.

        Raises:
            LeadershipLostError: it could not be renewed in time, or somebody else has it.
        """
        renewed = _now()
        while _now() - renewed < self._terms.renew_within:
            await asyncio.sleep(self._terms.retry)
            left = self._terms.renew_within - (_now() - renewed)
            try:
                async with asyncio.timeout(max(left, 0.0)):
                    started = _now()
                    if await self._try():
                        renewed = started
            except TimeoutError:
                break
        self._leading = False
        raise LeadershipLostError(f"{self._identity} lost {self._target}")

    async def release(self) -> None:
        """Give the lease back, so that a standby need not wait for it to run out."""
        if not self._leading:
            return
        self._leading = False
        try:
            lease = await self._cluster.get(self._target)
            if lease is not None and _holder(lease) == self._identity:
                spec = {**lease["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
                await self._cluster.replace({**lease, "spec": spec})
        except ClusterError as error:
            logger.info("%s was not given back: %s", self._target, error)

    async def _try(self) -> bool:
        """Whether the lease is ours after this attempt.

        A renewal is one write on what was written last; a conflict tells that somebody wrote since.
        """
        known, self._held = self._held, None
        try:
            lease = known or await self._cluster.get(self._target)
            if lease is None:
                self._held = await self._cluster.create(self._lease(None))
                return True
            if _holder(lease) != self._identity and not self._has_run_out(lease):
                return False
            self._held = await self._cluster.replace(self._lease(lease))
        except (AlreadyExistsError, ConflictError):
            return await self._try() if known else False
        except ClusterError as error:
            logger.warning("%s cannot be held: %s", self._target, error)
            return False
        return True

    def _has_run_out(self, lease: Manifest) -> bool:
        """Whether nobody holds the lease, or its record has stood still for its duration."""
        spec = lease["spec"]
        if not spec.get("holderIdentity"):
            return True
        record = (spec.get("holderIdentity"), spec.get("renewTime"), spec.get("leaseTransitions"))
        if record != self._seen:
            self._seen, self._seen_at = record, _now()
        return _now() - self._seen_at >= float(spec.get("leaseDurationSeconds", self._terms.lease))

    def _metadata(self) -> dict[str, str]:
        return {"name": self._target.name, "namespace": self._target.namespace}

    def _lease(self, before: Manifest | None) -> Manifest:
        """The lease as ours; based on what was read, so that of two candidates one conflicts."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        old: dict[str, Any] = before["spec"] if before else {}
        kept = old.get("holderIdentity") == self._identity
        transitions = old.get("leaseTransitions", 0)
        return {
            "apiVersion": collection("Lease").api_version,
            "kind": "Lease",
            "metadata": before["metadata"] if before else self._metadata(),
            "spec": {
                "holderIdentity": self._identity,
                "leaseDurationSeconds": self._terms.lease,
                "acquireTime": old.get("acquireTime", now) if kept else now,
                "renewTime": now,
                "leaseTransitions": transitions if kept or not before else transitions + 1,
            },
        }


def _holder(lease: Manifest) -> str:
    return str(lease["spec"].get("holderIdentity") or "")


def _now() -> float:
    return asyncio.get_running_loop().time()
