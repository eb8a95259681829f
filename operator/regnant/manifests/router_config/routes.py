"""Who is answered by which cluster.

Users' requests for the Open Inference Protocol go to the champion, or by weight to its challenger,
and from a version that fails to the one that stands in for it. The operator's requests go to
exactly the version that a header names, without a second try: an answer that another version gave
proves nothing. Every answer shows the revision.

Weights, copies and stickiness stand in one route, so that a router takes up all of a stage at once.
The challenger comes first among the weights: a user's place among a hundred is fixed by a hash, so
whoever was given the challenger keeps it while its weight grows.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from regnant.manifests.router_config.bootstrap import ADMIN
from regnant.manifests.router_config.clusters import (
    answering_cluster,
    servers_cluster,
    shadow_cluster,
)
from regnant.manifests.router_config.place import MAX_BODY_BYTES
from regnant.manifests.routing import WHOLE

if TYPE_CHECKING:
    from datetime import timedelta

    from regnant.manifests.router_config.place import Place
    from regnant.manifests.routing import Routing, Sticky, Variant

ROUTES = "routes"
USERS = "users"
OPERATOR = "operator"
DOOR_HEADER = "x-regnant-door"
VERSION_HEADER = "x-regnant-verify-version"
TRIES_HEADER = "x-regnant-tries"
"""On every answer to a request that was given to the challenger: 1, or more if it failed there."""
COPY_HEADER = "x-regnant-copy-to"
"""Set by routers on the champion's requests: the cluster that gets a copy."""
SHADOW_HEADER = "x-regnant-shadow"
"""Tells a server that nobody waits for the answer."""
DRAIN_PATH = "/regnant/v1/drain"
DRAIN_FILTER = "regnant.drain"
DELAY_FILTER = "regnant.delay"
TRY_FILTER = "regnant.try"
WHOLE_FILTER = "regnant.whole-requests"
_PROTOCOL = "/|/v[12](/.*)?"
"""What users reach; the bare root is where clients of V1 ask whether a server is alive."""
_ADMIN_PAGES = {
    "/envoy/stats/prometheus": "/stats/prometheus",
    "/envoy/config_dump": "/config_dump",
    "/envoy/ready": "/ready",
    "/envoy/clusters": "/clusters",
    # Which revision each part was last accepted at, and how often one was refused.
    "/envoy/discovery": "/stats?format=json&filter="
    "%28cds%7Clds%7Croutes%29.%28version_text%7Cupdate_rejected%7Cupdate_failure%29%24",
}
_FAULT = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"
_MUTATION = (
    "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute"
)
_BUFFER = "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.BufferPerRoute"
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
        *_answer_users(routing),
        {"match": {"prefix": "/"}, **_text(HTTPStatus.NOT_FOUND, "not found; start at /v2")},
    ]


def _operator_routes(routing: Routing, place: Place) -> list[dict[str, Any]]:
    unknown = _text(HTTPStatus.NOT_FOUND, "no such version is known to this router")
    return [
        *(_verify(variant, routing) for variant in routing.variants),
        {"match": {"prefix": "/", "headers": [_present(VERSION_HEADER)]}, **unknown},
        {"match": _get(DRAIN_PATH), **_begin_drain(place.drain_seconds)},
        *(_admin_page(path, page) for path, page in _ADMIN_PAGES.items()),
        {"match": {"prefix": "/"}, **_text(HTTPStatus.NOT_FOUND, "not found")},
    ]


def _answer_users(routing: Routing) -> list[dict[str, Any]]:
    """One route; two where some users are yet to get their cookie."""
    match = {"safe_regex": {"regex": _PROTOCOL}}
    shares = _shares(routing)
    if not shares:
        message = f"no version of model {routing.model} serves yet"
        return [{"match": match, **_text(HTTPStatus.SERVICE_UNAVAILABLE, message)}]
    action = {
        "timeout": _seconds(routing.request_timeout),
        # How often and where is the cluster's; that there is time for another is the route's.
        "retry_policy": {"per_try_timeout": _seconds(routing.request_timeout / 2)},
        **_copies(routing),
    }
    weighted = {"clusters": [_share(routing, *share) for share in shares]}
    route = {
        "match": match,
        # A request may be sent again only as long as all of it is held.
        "request_body_buffer_limit": MAX_BODY_BYTES,
        "route": action | {"weighted_clusters": weighted},
    }
    if routing.sticky is None or len(shares) == 1:
        return [route]
    return _sticky_routes(route, routing.sticky)


def _shares(routing: Routing) -> list[tuple[Variant, int]]:
    """Which version gets how many of a hundred requests, the challenger first."""
    shares = [
        (routing.variant(routing.challenger), routing.weight),
        (routing.variant(routing.champion), WHOLE - routing.weight),
    ]
    return [(variant, weight) for variant, weight in shares if variant and weight]


def _share(routing: Routing, variant: Variant, weight: int) -> dict[str, Any]:
    share: dict[str, Any] = {"name": answering_cluster(variant), "weight": weight}
    filters: dict[str, Any] = {}
    challenger = routing.variant(routing.challenger)
    if variant is challenger or routing.fallback:
        filters[TRY_FILTER] = _time_of_a_try(routing)
    if variant is challenger:
        tries = _header(TRIES_HEADER, "%UPSTREAM_REQUEST_ATTEMPT_COUNT%")
        share["response_headers_to_add"] = [tries]
    elif challenger and routing.shadow:
        # What is copied while it still comes in comes in as slowly as the copy is read.
        filters[WHOLE_FILTER] = {"@type": _BUFFER, "buffer": {"max_request_bytes": MAX_BODY_BYTES}}
        copy = _header(COPY_HEADER, shadow_cluster(challenger))
        share["request_headers_to_add"] = [copy]
    return share | ({"typed_per_filter_config": filters} if filters else {})


def _time_of_a_try(routing: Routing) -> dict[str, Any]:
    """For a version that another one stands in for; nobody else's answers are cut short by it.

    Not by hedging, though a slow stand-in would then be waited for: Envoy counts no hedged try as
    failed, so a version that hangs would look well. Not by a limit of the version's own cluster:
    it cuts off slow senders and readers too, and what is cut off there is not tried again.
    """
    header = _header("x-envoy-upstream-rq-per-try-timeout-ms", _milliseconds(routing))
    return {"@type": _MUTATION, "mutations": {"request_mutations": [{"append": header}]}}


def _copies(routing: Routing) -> dict[str, Any]:
    """Copies of the champion's requests alone: only they carry the header that says where to.

    Nobody waits for a copy's answer. A copy keeps the host and the id of its request. It has no
    second try, so the time of one try is all that it has: a version that hangs is found out.
    """
    if not routing.shadow:
        return {}
    policy = {
        "cluster_header": COPY_HEADER,
        "runtime_fraction": {"default_value": {"numerator": routing.shadow}},
        "disable_shadow_host_suffix_append": True,
        "request_headers_mutations": [
            {"remove": COPY_HEADER},
            {"append": _header(SHADOW_HEADER, "true")},
            {"append": _header("x-envoy-upstream-rq-timeout-ms", _milliseconds(routing))},
        ],
    }
    return {"request_mirror_policies": [policy]}


def _milliseconds(routing: Routing) -> str:
    """The time of a try, as Envoy's headers spell it."""
    return str(max(1, round(routing.try_timeout.total_seconds() * 1000)))


def _sticky_routes(route: dict[str, Any], sticky: Sticky) -> list[dict[str, Any]]:
    """A user's requests go where the hash of the user's name or cookie says.

    Envoy hands out a cookie only where it also chooses a server by it. So the route of those
    without one does: the cookie is the id of the first request, and that is what the first request
    is chosen by, so the version that gave the first answer is the one that goes on.
    """
    if sticky.header:
        return [_chosen_by(route, {"header": {"header_name": sticky.header}})]
    known = {"name": sticky.cookie, "string_match": {"safe_regex": {"regex": ".+"}}}
    seconds = int(sticky.cookie_ttl.total_seconds()) if sticky.cookie_ttl else 0
    cookie = (
        f"{sticky.cookie.replace('%', '%%')}=%REQ(X-REQUEST-ID)%; Max-Age={seconds}; Path=/; "
        "HttpOnly; SameSite=Lax"
    )
    first = _chosen_by(route, {"header": {"header_name": "x-request-id"}})
    return [
        {
            **_chosen_by(route, {"cookie": {"name": sticky.cookie}}),
            "match": {**route["match"], "cookies": [known]},
        },
        {
            **first,
            "response_headers_to_add": [
                {
                    "header": {"key": "set-cookie", "value": cookie},
                    "append_action": "APPEND_IF_EXISTS_OR_ADD",
                }
            ],
        },
    ]


def _chosen_by(route: dict[str, Any], policy: dict[str, Any]) -> dict[str, Any]:
    action = route["route"]
    weighted = {**action["weighted_clusters"], "use_hash_policy": True}
    return {
        **route,
        "route": {**action, "weighted_clusters": weighted, "hash_policy": [policy]},
    }


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


def _header(name: str, value: str) -> dict[str, Any]:
    return {
        "header": {"key": name, "value": value},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    }


def _seconds(duration: timedelta) -> str:
    return f"{duration.total_seconds():g}s"
