"""What can go wrong when a pod is asked.

    ProbeError
    ├── UnreachableError       the pod itself could not be asked
    │   └── NoAnswerError      it was asked, and had no answer in time or nobody to pass it on to
    └── AnswerError            an answer that does not say what it must

An unreachable pod is asked again; it says nothing about a version. An answer does. That there is
none says something only where many are asked for: a version may just be starting.
"""

from __future__ import annotations


class ProbeError(Exception):
    """The root of what this package raises."""


class UnreachableError(ProbeError):
    """The pod itself could not be asked."""


class NoAnswerError(UnreachableError):
    """The pod was asked, and had no answer in time or nobody to pass the question on to."""


class AnswerError(ProbeError):
    """An answer that does not say what it must."""
