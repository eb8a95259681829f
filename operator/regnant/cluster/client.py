"""Reading and writing objects: the few verbs that the operator needs, for any kind of the table.

Everything that we own is written by server-side apply with one field manager, so that a repeated
write changes nothing and what we stop asking for goes away. Objects are the API server's own JSON.
"""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal, Self

from regnant.api.meta import ObjectRef
from regnant.cluster.connection import Access
from regnant.cluster.errors import AlreadyExistsError, NotFoundError
from regnant.cluster.events import event_manifest
from regnant.cluster.kinds import Manifest, Ref, collection, ref
from regnant.cluster.transport import Request, Timeouts, Transport

FIELD_MANAGER = "regnant"
_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"
_MANAGED = (("fieldManager", FIELD_MANAGER),)
_PAGE = "500"

Manifests = list[Manifest]


class Cluster:
    """One cluster; use it as an async context manager."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._instance = socket.gethostname()
        self._transport: Transport | None = None

    async def __aenter__(self) -> Self:
        self._transport = await Transport.connect(self._access, Timeouts())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.transport.close()
        self._transport = None

    @property
    def transport(self) -> Transport:
        """The connection pool, for the watches."""
        if self._transport is None:
            raise RuntimeError("enter the cluster before using it: async with Cluster(...)")
        return self._transport

    async def apply(
        self,
        manifest: Manifest,
        *,
        subresource: Literal["", "status"] = "",
        resource_version: str | None = None,
    ) -> Manifest:
        """Make an object, or its status, hold what the manifest says; the object as it is then.

        With a resource version the write succeeds only on what was read.

        Raises:
            ConflictError: the object is not at `resource_version` any more.
            NotFoundError: the status of an object that does not exist.
        """
        target = ref(manifest)
        if resource_version is not None:
            metadata = {**manifest["metadata"], "resourceVersion": resource_version}
            manifest = {**manifest, "metadata": metadata}
        query = [*_MANAGED, ("force", "true")]
        path = _path(target, subresource)
        return await self._send(Request("PATCH", path, query, manifest, _APPLY))

    async def create(self, manifest: Manifest) -> Manifest:
        """Make an object that must not exist yet.

        Raises:
            AlreadyExistsError: it does.
        """
        target = ref(manifest)
        path = collection(target.kind).path(target.namespace)
        return await self._send(Request("POST", path, _MANAGED, manifest))

    async def replace(self, manifest: Manifest) -> Manifest:
        """Write a whole object back as it was read and changed.

        Raises:
            ConflictError: somebody changed it since it was read.
        """
        return await self._send(Request("PUT", _path(ref(manifest)), _MANAGED, manifest))

    async def get(self, target: Ref) -> Manifest | None:
        """The object, or None where there is none."""
        try:
            return await self._send(Request("GET", _path(target)))
        except NotFoundError:
            return None

    async def delete(self, target: Ref, *, uid: str | None = None) -> None:
        """See to it that the object goes; one that is gone already is no error.

        Raises:
            ConflictError: the name now belongs to an object of another uid.
        """
        options: Manifest = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
        }
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        try:
            await self._send(Request("DELETE", _path(target), body=options))
        except NotFoundError:
            return

    async def annotate(self, target: Ref, annotations: Mapping[str, str]) -> None:
        """Set annotations of an object that somebody else makes, and nothing else of it.

        Raises:
            NotFoundError: the object is gone.
        """
        body = {"metadata": {"annotations": dict(annotations)}}
        await self._send(Request("PATCH", _path(target), _MANAGED, body, _MERGE))

    async def pod_log_tail(self, namespace: str, pod: str, container: str, *, lines: int) -> str:
        """The last lines that a container wrote, at most 64 KiB of them.

        Raises:
            ClusterError: the container has no log, as before it started.
        """
        query = [("container", container), ("tailLines", str(lines)), ("limitBytes", "65536")]
        path = collection("Pod").path(namespace, pod, "log")
        body = await self.transport.send(Request("GET", path, query, accept="text/plain, */*"))
        return body.decode(errors="replace")

    async def create_event(
        self,
        regarding: ObjectRef,
        *,
        severity: Literal["Normal", "Warning"],
        reason: str,
        message: str,
        occurrence: str,
    ) -> None:
        """Tell users of one transition, once.

        `occurrence` tells two equal transitions apart, as the date of the condition that turned
        does; the same transition told again after a crash makes no second Event.
        """
        event = event_manifest(
            regarding,
            severity=severity,
            reason=reason,
            message=message,
            occurrence=occurrence,
            instance=self._instance,
            now=datetime.now(UTC),
        )
        try:
            await self.create(event)
        except AlreadyExistsError:
            return

    async def warnings_about(self, target: Ref) -> Manifests:
        """The Events of type Warning about one object, such as what the kubelet says of a pod."""
        fields = f"regarding.kind={target.kind},regarding.name={target.name},type=Warning"
        query = [("limit", _PAGE), ("fieldSelector", fields)]
        path = collection("Event").path(target.namespace)
        page = await self._send(Request("GET", path, query))
        return list(page["items"])

    async def each(
        self, kind: str, namespace: str | None, labels: Mapping[str, str] | None = None
    ) -> AsyncIterator[Manifest]:
        """The same as `list`, a page at a time, for kinds of which there may be many."""
        source = collection(kind)
        # The items of a list do not repeat what kind they are.
        head = {"apiVersion": source.api_version, "kind": source.kind}
        selector = label_selector(labels or {})
        following = ""
        while True:
            query = [("limit", _PAGE), ("labelSelector", selector), ("continue", following)]
            page = await self._send(Request("GET", source.path(namespace), query))
            for item in page["items"]:
                yield {**head, **item}
            following = page["metadata"].get("continue", "")
            if not following:
                return

    async def list(
        self, kind: str, namespace: str | None, labels: Mapping[str, str] | None = None
    ) -> Manifests:
        """All objects of a kind with these labels; a namespace of None means all of them."""
        return [found async for found in self.each(kind, namespace, labels)]

    async def _send(self, request: Request) -> Manifest:
        answer: Manifest = json.loads(await self.transport.send(request))
        return answer


def label_selector(labels: Mapping[str, str]) -> str:
    """The query value that selects objects with all of these labels."""
    return ",".join(f"{key}={value}" for key, value in labels.items())


def _path(target: Ref, subresource: str = "") -> str:
    return collection(target.kind).path(target.namespace, target.name, subresource)
