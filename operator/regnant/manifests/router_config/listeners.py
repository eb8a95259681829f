"""The two doors of a router: one for users, one for the operator and the kubelet.

Neither depends on the routes, which come by RDS, so no promotion ever touches a connection. Users
are strangers: sizes, times and headers are bounded, and the headers by which Regnant and Envoy
speak to themselves are taken off before anything reads them. The second door is for the operator
alone (NetworkPolicy); it is where one version is asked, whoever answers users.
"""

from __future__ import annotations

from typing import Any

from regnant.manifests.router_config.bootstrap import ADMIN, config_source
from regnant.manifests.router_config.place import MAX_BODY_BYTES, Place, socket_address
from regnant.manifests.router_config.routes import (
    DELAY_FILTER,
    DOOR_HEADER,
    DRAIN_FILTER,
    OPERATOR,
    ROUTES,
    TRY_FILTER,
    USERS,
    WHOLE_FILTER,
)

_API = "type.googleapis.com/envoy.extensions"
_FILTERS = f"{_API}.filters.http"
_RESERVED_PREFIXES = ("x-regnant-", "x-envoy-")
_ERROR = 400
_SERVER_ERROR = 500


def listeners(place: Place) -> list[dict[str, Any]]:
    """`lds.json`."""
    filters = [_time_of_a_try(), _whole_requests(), _router()]
    users = _manager(USERS, place, filters) | _for_strangers()
    operator = _manager(OPERATOR, place, [_drain(), _delay(), _router()])
    return [
        _listener(USERS, place, place.users_port, users),
        _listener(OPERATOR, place, place.verification_port, operator),
    ]


def _listener(name: str, place: Place, port: int, manager: dict[str, Any]) -> dict[str, Any]:
    network_filter = {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": manager,
    }
    return {
        "name": name,
        "address": socket_address(place.address, port),
        "per_connection_buffer_limit_bytes": 1024 * 1024,
        "filter_chains": [{"filters": [network_filter]}],
    }


def _manager(door: str, place: Place, filters: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "@type": f"{_API}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": door,
        "codec_type": "AUTO",
        "server_name": "regnant",
        "use_remote_address": True,
        "generate_request_id": True,
        "preserve_external_request_id": True,
        "always_set_request_id_in_response": True,
        "max_request_headers_kb": 32,
        "request_headers_timeout": "10s",
        "common_http_protocol_options": {"idle_timeout": "300s", "max_headers_count": 100},
        "http2_protocol_options": {
            "max_concurrent_streams": 128,
            "initial_stream_window_size": 1024 * 1024,
            "initial_connection_window_size": 4 * 1024 * 1024,
        },
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "early_header_mutation_extensions": [_name_the_door(door)],
        # The same in both listeners, so that they share one subscription and change together.
        "rds": {"route_config_name": ROUTES, "config_source": config_source(place, "rds.json")},
        "http_filters": filters,
    }


def _for_strangers() -> dict[str, Any]:
    """What only the users' door has."""
    return {
        "request_timeout": "60s",
        "local_reply_config": {"mappers": [_errors_as_json()]},
        "access_log": [_log_of_failures()],
    }


def _name_the_door(door: str) -> dict[str, Any]:
    """Write down by which door a request came, over whatever it says itself.

    From users, every header by which Regnant and Envoy speak to themselves is taken off first.
    """
    strip = [
        {"remove_on_match": {"key_matcher": {"prefix": prefix}}} for prefix in _RESERVED_PREFIXES
    ]
    name = {
        "append": {
            "header": {"key": DOOR_HEADER, "value": door},
            "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
        }
    }
    return {
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": {
            "@type": f"{_API}.http.early_header_mutation.header_mutation.v3.HeaderMutation",
            "mutations": [*(strip if door == USERS else []), name],
        },
    }


def _errors_as_json() -> dict[str, Any]:
    """What the router itself refuses is spelled as a server would: {"error": ...}."""
    return {
        "filter": _status_at_least(_ERROR),
        "body_format_override": {
            "json_format": {"error": "%LOCAL_REPLY_BODY%", "details": "%RESPONSE_CODE_DETAILS%"}
        },
    }


def _log_of_failures() -> dict[str, Any]:
    """One line for each answer that is the service's fault; the rest is counted."""
    return {
        "name": "envoy.access_loggers.stdout",
        "filter": _status_at_least(_SERVER_ERROR),
        "typed_config": {
            "@type": f"{_API}.access_loggers.stream.v3.StdoutAccessLog",
            "log_format": {
                "json_format": {
                    "time": "%START_TIME%",
                    "requestId": "%REQ(X-REQUEST-ID)%",
                    "method": "%REQ(:METHOD)%",
                    "path": "%REQ(:PATH)%",
                    "status": "%RESPONSE_CODE%",
                    "flags": "%RESPONSE_FLAGS%",
                    "details": "%RESPONSE_CODE_DETAILS%",
                    "cluster": "%UPSTREAM_CLUSTER%",
                    "host": "%UPSTREAM_HOST%",
                    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
                    "milliseconds": "%DURATION%",
                    "revision": "%RESP(X-REGNANT-ROUTE)%",
                }
            },
        },
    }


def _status_at_least(status: int) -> dict[str, Any]:
    value = {"default_value": status, "runtime_key": "regnant.status"}
    return {"status_code_filter": {"comparison": {"op": "GE", "value": value}}}


def _router() -> dict[str, Any]:
    return {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": f"{_FILTERS}.router.v3.Router", "suppress_envoy_headers": True},
    }


def _time_of_a_try() -> dict[str, Any]:
    """Sets headers where the share of a version says so; Envoy reads the time of a try from one.

    A share can set headers by itself too, but only after the time was read. Where no share says so,
    as in a settled service, the filter is not even made: that would cost every request.
    """
    return {
        "name": TRY_FILTER,
        "disabled": True,
        "typed_config": {"@type": f"{_FILTERS}.header_mutation.v3.HeaderMutation"},
    }


def _whole_requests() -> dict[str, Any]:
    """Waits for all of a request where the share of a version says so."""
    return {
        "name": WHOLE_FILTER,
        "disabled": True,
        "typed_config": {
            "@type": f"{_FILTERS}.buffer.v3.Buffer",
            "max_request_bytes": MAX_BODY_BYTES,
        },
    }


def _drain() -> dict[str, Any]:
    """Begins the drain, where a route says so.

    Envoy drains by a POST to its admin interface, and the kubelet's preStop hook can only GET; the
    image has no shell to put between the two.
    """
    script = f"""
function envoy_on_request(handle)
  handle:httpCall("{ADMIN}", {{
    [":method"] = "POST",
    [":path"] = "/drain_listeners?graceful&skip_exit",
    [":authority"] = "{ADMIN}",
  }}, "", 1000)
end
"""
    return {
        "name": DRAIN_FILTER,
        "disabled": True,
        "typed_config": {
            "@type": f"{_FILTERS}.lua.v3.Lua",
            "default_source_code": {"inline_string": script},
        },
    }


def _delay() -> dict[str, Any]:
    """Holds a request back where a route says so."""
    return {
        "name": DELAY_FILTER,
        "disabled": True,
        "typed_config": {"@type": f"{_FILTERS}.fault.v3.HTTPFault"},
    }
