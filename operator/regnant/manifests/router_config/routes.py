"""Who is answered by which cluster.

Users' requests for the Open Inference Protocol go to the champion, and if it fails, to its
fallback. The operator's requests go to exactly the version that a header names, without a second
try: an answer that another version gave proves nothing. Every answer shows the revision.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from regnant.manifests.router_config.bootstrap import ADMIN
from regnant.manifests.router_config.clusters import answering_cluster, servers_cluster
from regnant.manifests.router_config.place import MAX_BODY_BYTES

if TYPE_CHECKING:
    from datetime import timedelta

    from regnant.manifests.router_config.place import Place
    from regnant.manifests.routing import Routing, Variant

ROUTES = "routes"
USERS = "users"
OPERATOR = "operator"
DOOR_HEADER = "x-regnant-door"
WHOLE = 100
VERSION_HEADER = "x-regnant-verify-version"
DRAIN_PATH = "/regnant/v1/drain"
DRAIN_FILTER = "regnant.drain"
DELAY_FILTER = "regnant.delay"
_ADMIN_PAGES = {
    "/envoy/stats/prometheus": "/stats/prometheus",
    "/envoy/config_dump": "/config_dump",
    "/envoy/ready": "/ready",
    "/envoy/clusters": "/clusters",
}
_FAULT = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"
_OTHER_HOST = {
    "name": "envoy.retry_host_predicates.previous_hosts",
    "typed_config": {
        "@type": "type.googleapis.com/"
        "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
    },
}
_OTHER_VERSION = {
    "name": "envoy.retry_priorities.previous_priorities",
    "typed_config": {
        "@type": "type.googleapis.com/"
        "envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
        "update_frequency": 1,
    },
}
_ENABLED = {"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "config": {}}


def routes(routing: Routing, place: Place) -> dict[str, Any]:
    """`rds.json`: one configuration with a virtual host for each door.

    By which door a request came is told by a header that each listener sets itself.
    """
    return {
        "name": ROUTES,
        "vhost_header": DOOR_HEADER,
        "virtual_hosts": [
            _virtual_host(USERS, _user_routes(routing)),
            _virtual_host(OPERATOR, _operator_routes(routing, place)),
        ],
        # A configuration that was refused is not tried again when its cluster arrives.
        "validate_clusters": False,
        "request_headers_to_remove": [DOOR_HEADER],
        "response_headers_to_add": [_header("x-regnant-route", routing.revision)],
    }


def _virtual_host(door: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": door, "domains": [door], "routes": found}


def _user_routes(routing: Routing) -> list[dict[str, Any]]:
    return [
        {"match": {"path": "/healthz"}, **_text(HTTPStatus.OK, "ok")},
        {"match": {"path_separated_prefix": "/v2"}, **_answer_users(routing)},
        {"match": {"prefix": "/"}, **_text(HTTPStatus.NOT_FOUND, "not found; start at /v2")},
    ]


def _operator_routes(routing: Routing, place: Place) -> list[dict[str, Any]]:
    unknown = _text(HTTPStatus.NOT_FOUND, "no such version is known to this router")
    return [
        *(_verify(variant, routing) for variant in routing.variants),
        {"match": {"prefix": "/", "headers": [_present(VERSION_HEADER)]}, **unknown},
        {"match": _get("/regnant/v1/route"), **_json({"revision": routing.revision})},
        {"match": _get(DRAIN_PATH), **_begin_drain(place.drain_seconds)},
        *(_admin_page(path, page) for path, page in _ADMIN_PAGES.items()),
        {"match": {"prefix": "/"}, **_text(HTTPStatus.NOT_FOUND, "not found")},
    ]


def _answer_users(routing: Routing) -> dict[str, Any]:
    shares = _shares(routing)
    if not shares:
        message = f"no version of model {routing.model} serves yet"
        return _text(HTTPStatus.SERVICE_UNAVAILABLE, message)
    weighted = [
        {"name": answering_cluster(variant), "weight": weight} for variant, weight in shares
    ]
    return {
        # A request may be sent again only as long as all of it is held.
        "request_body_buffer_limit": MAX_BODY_BYTES,
        "route": {
            "weighted_clusters": {"clusters": weighted},
            "timeout": _seconds(routing.request_timeout),
            "retry_policy": _retry_policy(routing),
        },
    }


def _shares(routing: Routing) -> list[tuple[Variant, int]]:
    """Which version gets how many of a hundred requests."""
    champion = routing.variant(routing.champion)
    return [(champion, WHOLE)] if champion else []


def _retry_policy(routing: Routing) -> dict[str, Any]:
    """With a fallback every failure is tried there; without, only what no server has worked on.

    An inference changes nothing, so it may be asked twice. Half of the time is left for the other.
    """
    alone = "connect-failure,refused-stream,reset-before-request,retriable-status-codes"
    policy: dict[str, Any] = {
        "retry_on": "5xx,reset,connect-failure,refused-stream" if routing.fallback else alone,
        "num_retries": 2,
        "per_try_timeout": _seconds(routing.request_timeout / 2),
        "retry_back_off": {"base_interval": "0.005s", "max_interval": "0.05s"},
        "retry_host_predicate": [_OTHER_HOST],
        "host_selection_retry_max_attempts": 3,
    }
    if not routing.fallback:
        return policy | {"retriable_status_codes": [HTTPStatus.SERVICE_UNAVAILABLE.value]}
    return policy | {"retry_priority": _OTHER_VERSION}


def _verify(variant: Variant, routing: Routing) -> dict[str, Any]:
    wanted = {"name": VERSION_HEADER, "string_match": {"exact": str(variant.version)}}
    return {
        "match": {"prefix": "/", "headers": [wanted]},
        "route": {
            "cluster": servers_cluster(variant),
            "timeout": _seconds(routing.request_timeout),
        },
    }


def _begin_drain(seconds: int) -> dict[str, Any]:
    """The kubelet's preStop: it is answered when the drain is over, and the pod is stopped then."""
    delay = {"fixed_delay": f"{seconds}s", "percentage": {"numerator": WHOLE}}
    return {
        **_text(HTTPStatus.OK, "drained"),
        "typed_per_filter_config": {
            DRAIN_FILTER: _ENABLED,
            DELAY_FILTER: {"@type": _FAULT, "delay": delay},
        },
    }


def _admin_page(path: str, page: str) -> dict[str, Any]:
    return {"match": _get(path), "route": {"cluster": ADMIN, "prefix_rewrite": page}}


def _get(path: str) -> dict[str, Any]:
    return {"path": path, "headers": [{"name": ":method", "string_match": {"exact": "GET"}}]}


def _present(header: str) -> dict[str, Any]:
    return {"name": header, "present_match": True}


def _text(status: HTTPStatus, text: str) -> dict[str, Any]:
    return {"direct_response": {"status": status.value, "body": {"inline_string": text}}}


def _json(document: dict[str, str]) -> dict[str, Any]:
    return {
        **_text(HTTPStatus.OK, json.dumps(document)),
        "response_headers_to_add": [_header("content-type", "application/json")],
    }


def _header(name: str, value: str) -> dict[str, Any]:
    return {
        "header": {"key": name, "value": value},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    }


def _seconds(duration: timedelta) -> str:
    return f"{duration.total_seconds():g}s"
