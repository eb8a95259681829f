"""What can go wrong between the operator and the API server.

    ClusterError
    ├── NotFoundError        the object, or its namespace, does not exist
    ├── AlreadyExistsError   the name is taken
    ├── ConflictError        somebody changed the object since it was read
    ├── ForbiddenError       permissions, a quota or an admission rule say no
    ├── InvalidError         the object breaks a rule of its schema
    ├── ExpiredError         the watched history is gone; list again
    └── UnavailableError     the server cannot be reached, is overloaded or fails

A condition or a log line speaks by `reason` and `message`; the work queue retries them all, and
`transient` says whether waiting alone may help.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

_LONGEST_MESSAGE = 1024


class ClusterError(Exception):
    """The root of what this package raises."""

    reason: ClassVar[str] = "ClusterError"
    transient: ClassVar[bool] = False

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)


class NotFoundError(ClusterError):
    """The object, or its namespace, does not exist."""

    reason = "NotFound"


class AlreadyExistsError(ClusterError):
    """The name is taken."""

    reason = "AlreadyExists"


class ConflictError(ClusterError):
    """Somebody changed the object since it was read."""

    reason = "Conflict"
    transient = True


class ForbiddenError(ClusterError):
    """Permissions, a quota or an admission rule say no."""

    reason = "Forbidden"


class InvalidError(ClusterError):
    """The object breaks a rule of its schema."""

    reason = "Invalid"


class ExpiredError(ClusterError):
    """The watched history is gone; list again."""

    reason = "Expired"
    transient = True


class UnavailableError(ClusterError):
    """The server cannot be reached, is overloaded or fails."""

    reason = "Unavailable"
    transient = True


_BY_REASON: dict[str, type[ClusterError]] = {"AlreadyExists": AlreadyExistsError}
_BY_CODE: dict[int, type[ClusterError]] = {
    401: ForbiddenError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: ExpiredError,
    429: UnavailableError,
}
_SERVER_ERRORS = 500


def error_from_answer(what: str, code: int, body: bytes) -> ClusterError:
    """The error that an answer of the API server stands for; `what` names the request."""
    status = _status(body)
    message = str(status.get("message") or body.decode(errors="replace").strip() or f"HTTP {code}")
    return error_from_status(what, {**status, "code": code, "message": message})


def error_from_status(what: str, status: Mapping[str, Any]) -> ClusterError:
    """The error that a `metav1.Status` stands for, as watches send it inside their stream."""
    code = int(status.get("code") or 0)
    message = f"{what}: {status.get('message', '')}"[:_LONGEST_MESSAGE]
    fallback = UnavailableError if code == 0 or code >= _SERVER_ERRORS else InvalidError
    leaf = _BY_REASON.get(str(status.get("reason")), _BY_CODE.get(code, fallback))
    return leaf(message)


def _status(body: bytes) -> dict[str, Any]:
    """The body as a Status, or nothing of it where a proxy answered in its place."""
    try:
        status = json.loads(body)
    except ValueError:
        return {}
    return status if isinstance(status, dict) else {}
