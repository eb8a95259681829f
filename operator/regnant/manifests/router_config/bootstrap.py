"""What a router knows before it reads anything else: itself, its limits, where its files are.

The admin interface can do anything, so it listens on the pod's loopback alone. Of it only four
pages to read, for the operator's side and for Prometheus, and the drain are reachable from outside,
through routes.
"""

from __future__ import annotations

from typing import Any

from regnant.manifests.router_config.place import Place, socket_address

ADMIN = "admin"
MAX_CONNECTIONS = 20_000
LOOPBACK = "127.0.0.1"


def bootstrap(service: str, place: Place) -> dict[str, Any]:
    """`envoy.json`; nothing in it may depend on the routes."""
    return {
        "node": {"id": service, "cluster": service},
        "admin": {"address": socket_address(LOOPBACK, place.admin_port)},
        "dynamic_resources": {
            "cds_config": config_source(place, "cds.json"),
            "lds_config": config_source(place, "lds.json"),
        },
        "static_resources": {"clusters": [_admin_cluster(place)]},
        "overload_manager": {"resource_monitors": [_connection_limit()]},
    }


def config_source(place: Place, name: str) -> dict[str, Any]:
    """A file that is read again when the directory changes.

    The kubelet swaps a link in the directory; the file itself is never seen to change.
    """
    return {
        "resource_api_version": "V3",
        "path_config_source": {
            "path": f"{place.directory}/{name}",
            "watched_directory": {"path": place.directory},
        },
    }


def _admin_cluster(place: Place) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": socket_address(LOOPBACK, place.admin_port)}}
    return {
        "name": ADMIN,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": ADMIN, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _connection_limit() -> dict[str, Any]:
    return {
        "name": "envoy.resource_monitors.global_downstream_max_connections",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.resource_monitors."
            "downstream_connections.v3.DownstreamConnectionsConfig",
            "max_active_downstream_connections": MAX_CONNECTIONS,
        },
    }
