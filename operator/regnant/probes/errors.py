"""What can go wrong when a pod is asked.

    ProbeError
    ├── UnreachableError   no answer in time, or the router has nobody to pass the question to
    └── AnswerError        an answer that does not say what it must

An unreachable pod is asked again; it says nothing about a version. An answer does.
"""

from __future__ import annotations


class ProbeError(Exception):
    """The root of what this package raises."""


class UnreachableError(ProbeError):
    """No answer in time, or the router has nobody to pass the question to."""


class AnswerError(ProbeError):
    """An answer that does not say what it must."""
