"""A version's servers as a cluster, and who answers when they fail.

Every version that runs has two clusters. One is its servers alone, for verification. Users are sent
to the other, an aggregate: first the version, then whoever stands in for it. Its name never
changes, and for a version without traffic it already holds the champion; so a promotion changes
routes alone, and a failing version costs users nothing from its first request on.

What is counted where (the admin page of clusters, a host at a time; tests hold it): every try shows
at the host that it went to, in the cluster of servers alone, whichever aggregate led there.
Finished tries are `rq_success` + `rq_error`, failing ones `rq_error`: 5xx, resets, answers cut off
in the middle, refused connections, and tries whose time was over. `rq_timeout`, `cx_connect_fail`
are parts of `rq_error`; `rq_total` lacks refused connections and holds what is under way.

A challenger has a third cluster, of the same servers, for copies of the champion's requests. So a
copy is never counted as a user's request, and has bounds of its own: copies over them are dropped.
No cluster of servers depends on weights or roles, so nothing that counts starts anew with them.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from regnant.manifests.router_config import tries
from regnant.manifests.router_config.place import socket_address

if TYPE_CHECKING:
    from regnant.manifests.routing import Routing, Variant

_PROTOCOL_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_DNS = {
    "@type": "type.googleapis.com/envoy.extensions.clusters.dns.v3.DnsCluster",
    "dns_lookup_family": "V4_PREFERRED",
    "dns_refresh_rate": "1s",
    "dns_failure_refresh_rate": {"base_interval": "0.5s", "max_interval": "2s"},
}
_AGGREGATE = "type.googleapis.com/envoy.extensions.clusters.aggregate.v3.ClusterConfig"
_MAX_REQUESTS = 4096
_MAX_COPIES = 16
"""How many copies a challenger may be at work on; each may hold as much as the largest request."""
_IDLE_SECONDS = 30
"""Shorter than a server keeps an unused connection, so that no request meets a closed one."""


def servers_cluster(variant: Variant) -> str:
    """The name of the cluster of a version's servers alone."""
    return f"version-{variant.version}-{variant.digest.removeprefix('sha256:')[:8]}"


def answering_cluster(variant: Variant) -> str:
    """The name of the cluster that users are sent to."""
    return f"{servers_cluster(variant)}-or-fallback"


def shadow_cluster(variant: Variant) -> str:
    """The name of the cluster that gets copies of the champion's requests."""
    return f"{servers_cluster(variant)}-shadow"


def clusters(routing: Routing) -> list[dict[str, Any]]:
    """Both clusters of every version that runs, and the challenger's third."""
    found = []
    for variant in routing.variants:
        found += [
            _servers(variant, routing.model),
            _answering(variant, _stand_in(routing, variant)),
        ]
    challenger = routing.variant(routing.challenger)
    return [*found, _shadow(challenger)] if challenger else found


def _stand_in(routing: Routing, variant: Variant) -> Variant | None:
    """Who answers what a version fails at."""
    if variant.digest == routing.champion:
        return routing.variant(routing.fallback)
    return routing.variant(routing.champion)


def _servers(variant: Variant, model: str) -> dict[str, Any]:
    return {
        **_hosts(servers_cluster(variant), variant),
        # With no healthy server left, all are tried: an answer is better than a certain refusal.
        "common_lb_config": {"healthy_panic_threshold": {"value": 1}},
        "health_checks": [_health_check(variant, model)],
        "outlier_detection": _outlier_detection(),
        "circuit_breakers": _circuit_breakers(_MAX_REQUESTS, retries=_MAX_REQUESTS),
        "typed_extension_protocol_options": _http_options(),
    }


def _shadow(variant: Variant) -> dict[str, Any]:
    """Nobody waits for its answers, so no server is left out or asked how it is."""
    return {
        **_hosts(shadow_cluster(variant), variant),
        "circuit_breakers": _circuit_breakers(_MAX_COPIES, retries=0),
        "typed_extension_protocol_options": _http_options(),
    }


def _hosts(name: str, variant: Variant) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": socket_address(variant.host, variant.port)}}
    return {
        "name": name,
        **_discovery(variant.host),
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
        "lb_policy": "LEAST_REQUEST",
    }


def _answering(variant: Variant, stand_in: Variant | None) -> dict[str, Any]:
    members = [variant, stand_in] if stand_in else [variant]
    return {
        "name": answering_cluster(variant),
        "connect_timeout": "1s",
        "lb_policy": "CLUSTER_PROVIDED",
        "cluster_type": {
            "name": "envoy.clusters.aggregate",
            "typed_config": {
                "@type": _AGGREGATE,
                "clusters": [servers_cluster(member) for member in members],
            },
        },
        "circuit_breakers": _circuit_breakers(_MAX_REQUESTS, retries=_MAX_REQUESTS),
        "typed_extension_protocol_options": _http_options(
            tries.with_stand_in() if stand_in else tries.alone()
        ),
    }


def _discovery(host: str) -> dict[str, Any]:
    """A headless Service has an address a ready pod; without an answer the last ones are kept."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return {"cluster_type": {"name": "envoy.cluster.dns", "typed_config": _DNS}}
    return {"type": "STATIC"}


def _health_check(variant: Variant, model: str) -> dict[str, Any]:
    """A server that says 503 is out at once; one that is silent, after two seconds.

    It is asked for this version: the address of a pod that is gone may be another version's next.
    One that is not healthy yet is waited for, be it new or back, so it is asked more often.
    """
    path = f"/v2/models/{model}/versions/{variant.version}/ready"
    return {
        "timeout": "1s",
        "interval": "1s",
        "unhealthy_interval": "0.25s",
        "no_traffic_interval": "0.25s",
        "no_traffic_healthy_interval": "1s",
        "unhealthy_threshold": 2,
        "healthy_threshold": 1,
        "http_health_check": {"path": path, "host": "health-check"},
    }


def _outlier_detection() -> dict[str, Any]:
    """A server that cannot be reached, or only fails, is left out for a few seconds."""
    return {
        "interval": "1s",
        "base_ejection_time": "5s",
        "max_ejection_time": "30s",
        "max_ejection_percent": 100,
        "split_external_local_origin_errors": True,
        "consecutive_local_origin_failure": 3,
        "consecutive_5xx": 10,
        "enforcing_consecutive_gateway_failure": 0,
        "enforcing_success_rate": 0,
        "enforcing_local_origin_success_rate": 0,
    }


def _circuit_breakers(requests: int, *, retries: int) -> dict[str, Any]:
    """Bounds; when a server dies, all that it was working on is tried again at the same moment.

    A smaller bound of retries would leave users with the failures of a version that has just been
    promoted, until it is rolled back. A budget in percent does not do: an aggregate, by which users
    are sent, counts no requests of its own, and a part of nothing is nothing.
    """
    return {
        "thresholds": [
            {
                "max_connections": requests,
                "max_pending_requests": requests,
                "max_requests": requests,
                "max_retries": retries,
            }
        ]
    }


def _http_options(tried: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        _PROTOCOL_OPTIONS: {
            "@type": f"type.googleapis.com/{_PROTOCOL_OPTIONS}",
            "common_http_protocol_options": {"idle_timeout": f"{_IDLE_SECONDS}s"},
            "explicit_http_config": {"http_protocol_options": {}},
            **(tried or {}),
        }
    }
