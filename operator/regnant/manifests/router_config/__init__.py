"""The routers' configuration as Envoy reads it: four files of JSON, built from a `Routing`.

    envoy.json   the bootstrap, the same for every Routing of a service; a change restarts the pods
    lds.json     two listeners: one for users, one for the operator and the kubelet
    cds.json     a cluster for every version that runs, and what stands in for it when it fails
    rds.json     who is answered by which cluster; what a promotion is made by

Everything here is pure. Envoy takes up the last three by itself whenever the directory changes, but
each on its own and in no order that can be relied on. So all routes are one resource, taken up as a
whole: a router that shows a revision to the operator sends users where that revision says. And a
cluster must be published, and seen to answer, before a route depends on it.
Only what depends on the Routing may differ between two revisions: a listener that changed would
drain its connections.

A router that refuses a file keeps the former one and goes on. `/envoy/discovery` at the operator's
door shows it: the revision at which each part was last accepted, and how often one was refused.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from regnant.manifests.router_config.bootstrap import bootstrap
from regnant.manifests.router_config.check import RouterFilesError, check
from regnant.manifests.router_config.clusters import clusters
from regnant.manifests.router_config.listeners import listeners
from regnant.manifests.router_config.place import Place
from regnant.manifests.router_config.routes import routes

if TYPE_CHECKING:
    from regnant.manifests.routing import Routing

_LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"
_CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
_ROUTES = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"

__all__ = ["Place", "RouterFilesError", "router_files"]


def router_files(routing: Routing, place: Place | None = None) -> dict[str, str]:
    """Every file of a router's configuration directory, by name.

    Raises:
        RouterFilesError: they do not hold together; none of them may reach a router.
    """
    where = place or Place()
    documents = {
        "envoy.json": bootstrap(routing.service, where),
        "lds.json": _response(routing, _LISTENER, listeners(where)),
        "cds.json": _response(routing, _CLUSTER, clusters(routing)),
        "rds.json": _response(routing, _ROUTES, [routes(routing, where)]),
    }
    files = {
        name: json.dumps(document, indent=1, sort_keys=True) + "\n"
        for name, document in documents.items()
    }
    problems = check(files)
    if problems:
        raise RouterFilesError(f"{routing.namespace}/{routing.service}", problems)
    return files


def _response(routing: Routing, kind: str, resources: list[dict[str, Any]]) -> dict[str, Any]:
    """A discovery response; its version is what `config_dump` shows for each resource."""
    return {
        "version_info": routing.revision,
        "resources": [{"@type": kind, **resource} for resource in resources],
    }
