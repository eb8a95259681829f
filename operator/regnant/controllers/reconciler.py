"""The loop of every kind: read the object, observe, decide, carry out.

What is seen (`Observer`) and what is decided (`lifecycle`) differ by kind; the order in which a
decision is carried out does not. The status is written first, so that whatever is acted on was
announced; a crash at any point leaves a state from which the next round goes on.

A child that the cluster refuses (a taken name, a quota, an admission rule) is an obstacle: it is
remembered until a round succeeds, and shown by the next decision in the object's conditions.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Generic, Protocol

from regnant.api.meta import API_VERSION, Kind, ObjectRef
from regnant.api.resources import (
    InvalidResourceError,
    Resource,
    ResourceType,
    SpecT,
    StatusT,
    parse,
    reference,
)
from regnant.cluster.client import Cluster
from regnant.cluster.errors import AlreadyExistsError, ClusterError
from regnant.cluster.kinds import Manifest, Ref, ref
from regnant.controllers.metrics import ResourceMetrics
from regnant.controllers.queue import Key, Requeue
from regnant.lifecycle.decision import Announcement, Decision
from regnant.lifecycle.diagnosis import Fault
from regnant.manifests import names
from regnant.manifests.drift import is_current, stamped

logger = logging.getLogger(__name__)

Clock = Callable[[], datetime]
Children = Mapping[tuple[str, str], Manifest]
"""The children that exist, by kind and name."""

_CREATED_ONCE = frozenset({"Job", "ModelVersion"})
"""Kinds whose spec the API server never lets change: they are made, and never made different."""


@dataclass(frozen=True, slots=True)
class Sighting(Generic[StatusT]):
    """What was seen of one object: the decision it leads to, and the children that it has."""

    decide: Callable[[datetime], Decision[StatusT]]
    children: Children = field(default_factory=dict)
    afterwards: Callable[[Decision[StatusT]], Awaitable[None]] | None = None
    """What follows a decision that was carried out, such as telling pods of a new configuration."""
    lasting: bool = False
    """Whether `children` stay the same object from look to look for as long as nothing happens."""


@dataclass(frozen=True, slots=True)
class _Done:
    """What the last look at an object made of its children."""

    children: Children
    manifests: tuple[Manifest, ...]


class Observer(Protocol[SpecT, StatusT]):
    """Sees what a decision on one kind rests on; it writes nothing."""

    async def observe(
        self, resource: Resource[SpecT, StatusT], obstacle: Fault | None
    ) -> Sighting[StatusT]:
        """What is so now."""


class Reconciler(Generic[SpecT, StatusT]):
    """Reconciles the objects of one kind."""

    def __init__(
        self,
        row: ResourceType,
        models: tuple[type[SpecT], type[StatusT]],
        observer: Observer[SpecT, StatusT],
        cluster: Cluster,
        *,
        clock: Clock,
        metrics: ResourceMetrics,
    ) -> None:
        self._row = row
        self._models = models
        self._observer = observer
        self._cluster = cluster
        self._clock = clock
        self._metrics = metrics
        self._obstacles: dict[Key, Fault] = {}
        self._done: dict[Key, _Done] = {}
        """For those that are looked at all the time."""

    async def reconcile(self, key: Key) -> Requeue:
        """Bring one object a step closer to what its spec asks for."""
        body = await self._cluster.get(Ref(key.kind.value, key.namespace, key.name))
        done = self._done.pop(key, None)
        if body is None:
            self._obstacles.pop(key, None)
            self._metrics.gone(key.kind, key.namespace, key.name)
            return Requeue()
        try:
            resource = parse(body, *self._models)
        except InvalidResourceError as error:
            logger.error("%s cannot be read: %s; apply it again as docs/reference says", key, error)
            return Requeue()
        obstacle = self._obstacles.get(key)
        seen = await self._observer.observe(resource, obstacle)
        decision = seen.decide(self._clock())
        await self._write_status(body, resource, decision)
        manifests = _unmade(done, seen, decision)
        try:
            await self._carry_out(resource, seen, replace(decision, apply=manifests))
        except ClusterError as error:
            if not error.transient:
                self._obstacles[key] = Fault(error.reason, error.message)
            raise
        self._obstacles.pop(key, None)
        if seen.lasting:
            self._done[key] = _Done(seen.children, decision.apply)
        return Requeue(timedelta(0) if obstacle else decision.requeue_after)

    async def _write_status(
        self,
        body: Manifest,
        resource: Resource[SpecT, StatusT],
        decision: Decision[StatusT],
    ) -> None:
        """Write what was decided, if it differs, and only on the object that was read."""
        phase = getattr(decision.status, "phase", "")
        head = resource.metadata
        self._metrics.seen(self._row.kind, head.namespace, head.name, phase=phase)
        if decision.status == resource.status:
            return
        manifest = {
            "apiVersion": API_VERSION,
            "kind": self._row.kind.value,
            "metadata": {"name": head.name, "namespace": head.namespace},
            "status": decision.status.to_json(),
        }
        version = body["metadata"]["resourceVersion"]
        await self._cluster.apply(manifest, subresource="status", resource_version=version)

    async def _carry_out(
        self,
        resource: Resource[SpecT, StatusT],
        seen: Sighting[StatusT],
        decision: Decision[StatusT],
    ) -> None:
        owner = reference(self._row.kind, resource.metadata)
        for announcement in decision.announce:
            await self._announce(owner, announcement)
        for manifest in decision.apply:
            await self._apply(owner, manifest, seen.children)
        for child in decision.delete:
            if found := seen.children.get((child.kind, child.name)):
                target = Ref(child.kind, owner.namespace, child.name)
                # Only what was judged: by now the name may be somebody else's.
                await self._cluster.delete(target, uid=found["metadata"]["uid"])
        if seen.afterwards:
            await seen.afterwards(decision)

    async def _apply(self, owner: ObjectRef, manifest: Manifest, children: Children) -> None:
        """Make a child what it should be; one that is so already costs no request.

        It is made by apply and not by create: fields that an object was created with belong to the
        creation, and a later apply could never drop one that is not wanted any more.
        """
        target, wanted = ref(manifest), stamped(manifest)
        live = children.get((target.kind, target.name)) or await self._cluster.get(target)
        if live is None:
            await self._cluster.apply(wanted)
        elif not _belongs_to(live, owner):
            raise AlreadyExistsError(
                f"{target.kind} {target.name} exists and is not {owner.kind} {owner.name}'s; "
                f"delete it, or give the {owner.kind} another name"
            )
        elif target.kind not in _CREATED_ONCE and not is_current(live, wanted):
            await self._cluster.apply(wanted)

    async def _announce(self, owner: ObjectRef, announcement: Announcement) -> None:
        logger.info(
            "%s %s/%s: %s: %s",
            owner.kind,
            owner.namespace,
            owner.name,
            announcement.reason,
            announcement.message,
            extra={
                "kind": owner.kind.value,
                "namespace": owner.namespace,
                "object": owner.name,
                "reason": announcement.reason,
            },
        )
        try:
            await self._cluster.create_event(
                owner,
                severity=announcement.type,
                reason=announcement.reason,
                message=announcement.message,
                occurrence=self._clock().isoformat(),
            )
        except ClusterError as error:
            # What happened stands in the status; an Event that is lost must not stop the work.
            logger.warning("the Event %s was not written: %s", announcement.reason, error)


def _unmade(
    done: _Done | None, seen: Sighting[StatusT], decision: Decision[StatusT]
) -> tuple[Manifest, ...]:
    """What is to be compared with the children; nothing if the last look found both the same."""
    if done is None or done.children is not seen.children or done.manifests != decision.apply:
        return decision.apply
    return ()


def _belongs_to(live: Mapping[str, Any], owner: ObjectRef) -> bool:
    """Whether an object is the owner's: by its owner reference, or else by our label."""
    metadata = live["metadata"]
    references = metadata.get("ownerReferences", [])
    if references:
        return any(reference["uid"] == owner.uid for reference in references)
    labels: Mapping[str, str] = metadata.get("labels", {})
    return live["kind"] == Kind.MODEL_VERSION or labels.get(names.OWNER) == owner.name
