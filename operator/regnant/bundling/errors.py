"""How making a bundle ends other than well.

    BundlingError
    ├── NotServableError   the model, its rows or its answers are not fit to be served
    ├── MisusedError       what was asked for does not fit together
    └── OutOfReachError    a file or the store cannot be reached, or says no

The message is one line for people: the file or option, what is wrong, the remedy.
"""

from __future__ import annotations


class BundlingError(Exception):
    """The root of what this package raises."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)


class NotServableError(BundlingError):
    """The model, its rows or its answers are not fit to be served."""


class MisusedError(BundlingError):
    """What was asked for does not fit together."""


class OutOfReachError(BundlingError):
    """A file or the store cannot be reached, or says no."""
