"""kopf's part: it watches the three resources and hands every event to the inventory.

The handlers wake keys and do nothing else. A patch here would come back as an event and so feed
itself; a handler of any other sort would put a finalizer or an annotation on the user's object.
"""

from __future__ import annotations

from typing import Any

import kopf

from regnant.api.meta import GROUP, VERSION
from regnant.api.resources import RESOURCES, ResourceType
from regnant.cluster.connection import Access, credentials
from regnant.controllers.queue import Key, WorkQueue
from regnant.handlers.inventory import Inventory


def watch_resources(
    registry: kopf.OperatorRegistry, inventory: Inventory, queue: WorkQueue
) -> None:
    """Have every event of the three resources wake whom it concerns."""
    for row in RESOURCES:
        _watch(registry, row, inventory, queue)


def _watch(
    registry: kopf.OperatorRegistry, row: ResourceType, inventory: Inventory, queue: WorkQueue
) -> None:
    @kopf.on.event(GROUP, VERSION, row.plural, registry=registry, id=row.plural)
    async def noticed(event: kopf.RawEvent, **_: Any) -> None:
        found = event["object"]
        if event["type"] == "DELETED":
            metadata = found["metadata"]
            key = Key(row.kind, metadata["namespace"], metadata["name"])
            queue.forget(key)
            woken = inventory.lose(key)
        else:
            woken = inventory.notice(row.kind, found)
        for key in woken:
            queue.add(key)


def log_in(registry: kopf.OperatorRegistry, access: Access) -> None:
    """Have kopf use the access that was named, at the start and whenever it expires."""

    @kopf.on.login(registry=registry, id="access")
    async def login(**_: Any) -> kopf.ConnectionInfo:
        found = await credentials(access)
        scheme, _space, token = (found.authorization or "").partition(" ")
        return kopf.ConnectionInfo(
            server=found.server,
            ca_path=found.ca_file,
            insecure=not found.verify,
            certificate_path=found.certificate_file,
            private_key_path=found.key_file,
            scheme=scheme or None,
            token=token or None,
        )


def operator_settings() -> kopf.OperatorSettings:
    """kopf, reduced to watches: no Events of its own, no peering, no discovery after the start."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.watching.server_timeout = 600
    settings.watching.client_timeout = 610
    settings.watching.connect_timeout = 10
    settings.networking.connect_timeout = 10
    settings.networking.request_timeout = 30
    settings.process.ultimate_exiting_timeout = 60
    return settings
