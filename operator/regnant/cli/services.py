"""InferenceServices as the user may see them: read, followed, and asked for things.

The only part of the command line that talks to the API server, through `regnant.cluster`, with the
user's own credentials. Nothing is polled: whoever waits follows a watch.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regnant.api.actions import ANNOTATION, Action
from regnant.api.meta import Kind
from regnant.cli.arguments import Options
from regnant.cli.errors import UnreachableError
from regnant.cli.service import Service, parse_service
from regnant.cluster import kubeconfig
from regnant.cluster.client import Cluster
from regnant.cluster.connection import Access, InCluster
from regnant.cluster.errors import (
    ExpiredError,
    NotFoundError,
    UnavailableError,
    error_from_status,
)
from regnant.cluster.kinds import collection
from regnant.cluster.transport import Request

FIELD_MANAGER = "kubectl-regnant"
_KIND = Kind.INFERENCE_SERVICE.value
_MERGE = "application/merge-patch+json"
_SELF = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_WATCH_SECONDS = "60"
_PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class Scope:
    """Which cluster, and which namespace unless the user says another."""

    access: Access
    namespace: str


@dataclass(frozen=True, slots=True)
class Change:
    """One event of a watch; `service` is None once the object is gone."""

    key: tuple[str, str]
    service: Service | None


def scope(options: Options) -> Scope:
    """Where the command is to look, as kubectl would decide it.

    Raises:
        UnreachableError: no kubeconfig, or not that context in it.
    """
    files = kubeconfig.files(options.kubeconfig, os.environ)
    named = options.kubeconfig or options.context or os.environ.get("KUBECONFIG")
    if not named and not kubeconfig.exist(files) and _ACCOUNT.is_file():
        return Scope(InCluster(), options.namespace or _ACCOUNT.read_text().strip())
    try:
        found = kubeconfig.place(files, options.context)
    except UnavailableError as error:
        raise UnreachableError(error.message) from error
    return Scope(found.access, options.namespace or found.namespace)


class Services:
    """The InferenceServices of one namespace, or of all."""

    def __init__(self, cluster: Cluster, namespace: str | None) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self.trouble = ""
        """Why what `follow` told last may be old; empty while it is not."""

    @property
    def namespace(self) -> str:
        """The namespace; empty for all."""
        return self._namespace or ""

    async def get(self, name: str) -> Service:
        """One service.

        Raises:
            UnreachableError: there is none of that name.
            ClusterError: it cannot be read.
        """
        path = collection(_KIND).path(self._namespace, name)
        try:
            return parse_service(await self._json(Request("GET", path)))
        except NotFoundError as error:
            if '"' not in error.message:
                raise
            raise UnreachableError(
                f"there is no InferenceService {name} in namespace {self.namespace}; "
                "`status -A` lists those of all namespaces"
            ) from error

    async def all(self) -> tuple[Service, ...]:
        """All services, by namespace and name."""
        found = await self._cluster.list(_KIND, self._namespace)
        parsed = [parse_service(body) for body in found]
        return tuple(sorted(parsed, key=lambda one: (one.namespace, one.name)))

    async def follow(self, name: str = "") -> AsyncIterator[Change]:
        """What changes from now on, of one service or of all; begins with what there is.

        A watch that ends is taken up again, and after a cut connection everything is told anew.

        Raises:
            ClusterError: the first reading failed, or what was possible is not any more.
        """
        connected = False
        known: set[tuple[str, str]] = set()
        while True:
            try:
                version, changes = await self._snapshot(name)
                connected, self.trouble = True, ""
                for gone in known - {change.key for change in changes}:
                    yield Change(gone, None)
                known.update(change.key for change in changes)
                for change in changes:
                    yield change
                while True:
                    async for event in self._events(name, version):
                        version = event["object"]["metadata"]["resourceVersion"]
                        told = _change(event)
                        if told:
                            known.add(told.key)
                            yield told
            except ExpiredError:
                continue
            except UnavailableError as error:
                if not connected:
                    raise
                self.trouble = error.message
                await asyncio.sleep(_PAUSE)

    async def ask(self, service: Service, action: Action, *, dry_run: bool) -> None:
        """Write what is asked for, on exactly the object that was read.

        Raises:
            ConflictError: it was changed since.
            ClusterError: it cannot be written.
        """
        words = json.dumps(action.to_json(), separators=(",", ":"))
        metadata = {
            "resourceVersion": service.resource_version,
            "uid": service.uid,
            "annotations": {ANNOTATION: words},
        }
        query = [("fieldManager", FIELD_MANAGER)]
        query += [("dryRun", "All")] if dry_run else []
        path = collection(_KIND).path(service.namespace, service.name)
        await self._json(Request("PATCH", path, query, {"metadata": metadata}, _MERGE))

    async def whoami(self) -> str:
        """The user's name as the API server knows it."""
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        answer = await self._json(Request("POST", _SELF, body=review))
        return str(answer["status"]["userInfo"].get("username", ""))

    async def _snapshot(self, name: str) -> tuple[str, list[Change]]:
        if name:
            one = await self.get(name)
            return one.resource_version, [Change((one.namespace, one.name), one)]
        path = collection(_KIND).path(self._namespace)
        page = await self._json(Request("GET", path))
        found = [parse_service(item) for item in page["items"]]
        changes = [Change((one.namespace, one.name), one) for one in found]
        return page["metadata"]["resourceVersion"], changes

    async def _events(self, name: str, version: str) -> AsyncIterator[dict[str, Any]]:
        query = [
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", version),
            ("timeoutSeconds", _WATCH_SECONDS),
        ]
        if name:
            query.append(("fieldSelector", f"metadata.name={name}"))
        request = Request("GET", collection(_KIND).path(self._namespace), query)
        async with self._cluster.transport.lines(request) as answer:
            # Lines are cut here and not by the reader, which refuses those of more than 128 KiB.
            rest = b""
            async for chunk in answer.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    event: dict[str, Any] = json.loads(line)
                    if event["type"] == "ERROR":
                        raise error_from_status(f"the watch of {request.path}", event["object"])
                    yield event

    async def _json(self, request: Request) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(await self._cluster.transport.send(request))
        return answer


def _change(event: dict[str, Any]) -> Change | None:
    if event["type"] == "BOOKMARK":
        return None
    head = event["object"]["metadata"]
    key = (head["namespace"], head["name"])
    gone = event["type"] == "DELETED"
    return Change(key, None if gone else parse_service(event["object"]))
