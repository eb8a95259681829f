"""A line in the log for a sample of the inferences: who asked, what became of it, in what time.

Which are in the sample is decided by the request's id, as for outcomes: so a request that is logged
by one server is logged by every server that sees it. The trace that a client or a router began
(W3C Trace Context) is in the line, and in those about failures, so that a line finds its spans.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Final

from regnant.serving import log

if TYPE_CHECKING:
    from regnant.serving.messages import Request, Response
    from regnant.serving.outcomes import Sample

_TRACEPARENT: Final = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")
_NO_TRACE: Final = b"0" * 32


class AccessLog:
    """Writes a line for a sample of the answers; without one, nothing is even looked at."""

    def __init__(self, sample: Sample) -> None:
        self._sample = sample

    def answered(self, request: Request, response: Response) -> None:
        """Log an answer, if its request is one of the sample."""
        if not self._sample.takes(request.request_id or request.traceparent):
            return
        log.event(
            "answered",
            method=request.method.decode("latin-1"),
            path=request.path.decode("latin-1"),
            status=response.status,
            bytes=len(response.body),
            microseconds=(time.perf_counter_ns() - request.completed) // 1000,
            shadow=request.is_shadow,
            **trace_of(request),
        )


def trace_of(request: Request) -> dict[str, str]:
    """Tell which request of which trace it is, as far as the client said."""
    told = {"requestId": request.request_id.decode("latin-1")}
    found = _TRACEPARENT.fullmatch(request.traceparent)
    if found and found[1] != _NO_TRACE:
        told |= {"traceId": found[1].decode(), "parentSpanId": found[2].decode()}
    return told
