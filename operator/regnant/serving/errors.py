"""Why a server does not start.

    Failure
    ├── ArtifactFailure        see regnant.artifacts.errors: DigestMismatch, BundleInvalid, ...
    └── ServingFailure
        ├── SettingInvalid     an environment variable cannot be used
        ├── ModelLoadFailed    ONNX Runtime refuses the graph, or it is not what was signed
        ├── GoldenMismatch     the graph answers otherwise than where it was trained
        ├── RuntimeKnownWrong  the ONNX Runtime at hand is known to compute wrongly
        └── PortUnavailable    the port cannot be listened on

All are the input's fault: exit code 64. What is wrong with one request is no failure of the server
and lives in `messages`.
"""

from __future__ import annotations

from regnant.artifacts.termination import Failure


class ServingFailure(Failure):
    """The root of this package's failures; the class's name is the reason."""

    def __init_subclass__(cls) -> None:
        cls.reason = cls.__name__


class SettingInvalid(ServingFailure):
    """An environment variable cannot be used."""


class ModelLoadFailed(ServingFailure):
    """ONNX Runtime refuses the graph, or it is not what was signed."""


class GoldenMismatch(ServingFailure):
    """The graph answers otherwise than where it was trained."""


class RuntimeKnownWrong(ServingFailure):
    """The ONNX Runtime at hand is known to compute wrongly."""


class PortUnavailable(ServingFailure):
    """The port cannot be listened on."""
