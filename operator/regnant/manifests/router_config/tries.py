"""How often a request is tried, and where, until one answer is whole.

A retry belongs to the cluster that users are sent to, not to the route: the same route may lead to
a version that has a stand-in and to one that has none. What another version stands in for is tried
there whatever went wrong. What nobody stands in for is tried at another server of the same version
if the first one has gone, is full, or says nothing; a failure that it answers is the answer. It is
never tried at a challenger: the champion's cluster does not hold one.

An inference changes nothing, so it may be asked twice. The time of a try is not here: Envoy takes
it from the route and from a header, and from no cluster.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

MOST_HELD_BYTES = 1024 * 1024
"""A larger answer is passed on as it comes; what is lost in its middle is lost to the user."""
NON_FINITE_HEADER = "x-regnant-non-finite"
"""By which a server says that its answer holds a NaN or an infinity, which JSON has as null."""
_LOOKS = 32
"""How often another server is looked for. With two of them, one dead and one busy, three of four
looks find the dead one; so many in a row do once in ten thousand tries."""
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
_WHOLE_ANSWERS = f"""
function envoy_on_response(handle)
  local length = tonumber(handle:headers():get("content-length"))
  if length and length <= {MOST_HELD_BYTES} then
    handle:body()
  end
end
"""
_FILTERS = "type.googleapis.com/envoy.extensions.filters.http"


def alone() -> dict[str, Any]:
    """The protocol options of a version that nobody stands in for."""
    unanswered = "reset,connect-failure,refused-stream,retriable-status-codes"
    only = {"retriable_status_codes": [HTTPStatus.SERVICE_UNAVAILABLE.value]}
    return {"retry_policy": _policy(unanswered) | only}


def with_stand_in() -> dict[str, Any]:
    """The protocol options of a version that another one stands in for.

    An answer is held until it is whole: once its head is with the user, nobody else can answer.
    Where every version computes a number that is none, the user gets the answer of the last one.
    """
    anything = "5xx,reset,connect-failure,refused-stream,retriable-headers"
    broken = {"retriable_headers": [{"name": NON_FINITE_HEADER, "present_match": True}]}
    return {
        "retry_policy": _policy(anything) | broken | {"retry_priority": _OTHER_VERSION},
        "http_filters": [
            {
                "name": "regnant.whole-answers",
                "typed_config": {
                    "@type": f"{_FILTERS}.lua.v3.Lua",
                    "default_source_code": {"inline_string": _WHOLE_ANSWERS},
                },
            },
            {
                "name": "envoy.filters.http.upstream_codec",
                "typed_config": {"@type": f"{_FILTERS}.upstream_codec.v3.UpstreamCodec"},
            },
        ],
    }


def _policy(retry_on: str) -> dict[str, Any]:
    return {
        "retry_on": retry_on,
        "num_retries": 2,
        "retry_back_off": {"base_interval": "0.005s", "max_interval": "0.05s"},
        "retry_host_predicate": [_OTHER_HOST],
        # Of the server that has just died, least is asked: so it is chosen, and chosen again.
        "host_selection_retry_max_attempts": _LOOKS,
    }
