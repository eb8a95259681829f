"""What a command can end with other than success.

    CommandError
    ├── RefusedError     1   the operator, the state of the service, or a model's proof says no
    ├── UsageError       2   the command line cannot be understood
    ├── UnreachableError 3   not found, forbidden, or no answer
    └── TimedOutError    4   asked, and not answered in time

The message is one line for people; the number is the exit code.
"""

from __future__ import annotations

import re
import sys
from typing import ClassVar

from regnant.api.meta import GROUP
from regnant.cluster.errors import ClusterError, ForbiddenError, NotFoundError, UnavailableError

DONE = 0


class CommandError(Exception):
    """The root of what a command ends with."""

    code: ClassVar[int]

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)


class RefusedError(CommandError):
    """The operator, the state of the service, or a model's proof says no."""

    code = 1


class UsageError(CommandError):
    """The command line cannot be understood."""

    code = 2


class UnreachableError(CommandError):
    """Not found, forbidden, or no answer."""

    code = 3


class TimedOutError(CommandError):
    """Asked, and not answered in time."""

    code = 4


def say(error: CommandError) -> None:
    """Tell people why a command ended otherwise than well, in one line."""
    sys.stderr.write(f"{' '.join(error.message.split())}\n")


_DENIED = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\w+) resource "(?P<resource>[^"]+)"'
    r'(?: in API group "(?P<group>[^"]*)")?'
    r'(?: in the namespace "(?P<namespace>[^"]+)")?'
)


def explained(error: ClusterError) -> UnreachableError:
    """What an error of the API server means for the person at the keyboard, in one line."""
    words = " ".join(error.message.split())
    if isinstance(error, ForbiddenError):
        return UnreachableError(_forbidden(words))
    if isinstance(error, NotFoundError) and '"' not in words:
        return UnreachableError(
            f"this cluster does not know {GROUP}: Regnant is not installed there; install the "
            "chart, or choose another cluster with --context"
        )
    if isinstance(error, UnavailableError):
        return UnreachableError(f"the cluster cannot be reached: {words}")
    return UnreachableError(words)


def _forbidden(words: str) -> str:
    denied = _DENIED.search(words)
    if denied is None:
        return (
            "the cluster does not accept your credentials; log in again, or choose another user "
            f"with --context ({words})"
            if "Unauthorized" in words
            else f"the cluster forbids it: {words}"
        )
    resource = ".".join(part for part in (denied["resource"], denied["group"]) if part)
    where = f"in namespace {denied['namespace']}" if denied["namespace"] else "in all namespaces"
    return (
        f"{denied['user']} may not {denied['verb']} {resource} {where}; ask an administrator for "
        f"a role with the verb {denied['verb']} on {resource}"
    )
