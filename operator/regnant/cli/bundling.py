"""`regnant bundle`: what it makes goes to stdout, and all that is said of it to stderr.

So its output can be handed to `kubectl apply -f -` as it is. Only this module knows the package
that makes bundles, and it is imported for this command alone.
"""

from __future__ import annotations

import sys

from regnant.bundling.errors import BundlingError, MisusedError, OutOfReachError
from regnant.bundling.making import make
from regnant.bundling.order import Order
from regnant.cli.errors import DONE, RefusedError, UnreachableError, UsageError


def run(order: Order) -> int:
    """Make the bundle; the exit code.

    Raises:
        CommandError: it ends otherwise than well.
    """
    try:
        sys.stdout.write(make(order, _tell))
    except MisusedError as error:
        raise UsageError(error.message) from error
    except OutOfReachError as error:
        raise UnreachableError(error.message) from error
    except BundlingError as error:
        raise RefusedError(error.message) from error
    return DONE


def _tell(words: str) -> None:
    sys.stderr.write(f"{words}\n")
