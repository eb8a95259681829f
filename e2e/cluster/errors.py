"""What can go wrong while building or running the local cluster.

    ClusterError
    +-- UnknownVersionError
    +-- UnknownNameError
    +-- CommandError
    +-- NotReadyError
    +-- ProcessDiedError
    +-- NotRootError
    +-- NotRunningError
    +-- LayerError

The command line prints the message of any of them and ends with status 1; each
message says what to look at next.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path


class ClusterError(Exception):
    """The root of every error that this package raises on purpose."""


class UnknownVersionError(ClusterError):
    """A Kubernetes version without a checked-in module."""

    def __init__(self, version: str, known: Sequence[str]) -> None:
        super().__init__(
            f"KUBERNETES_VERSION={version} is not prepared; choose one of {', '.join(known)}"
        )


class UnknownNameError(ClusterError):
    """A program or image that the project does not make."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        super().__init__(f"no {kind} is called {name!r}; known are {', '.join(sorted(known))}")


class CommandError(ClusterError):
    """A program ended with a status other than 0."""

    def __init__(self, command: Sequence[str], status: int, output: str) -> None:
        shown = " ".join(command)
        if len(shown) > 400:
            shown = shown[:400] + " ..."
        super().__init__(f"exit status {status} from: {shown}\n{output.strip()[-4000:]}".rstrip())


class NotReadyError(ClusterError):
    """A condition did not become true before its deadline."""

    def __init__(self, what: str, seconds: float, hint: str = "") -> None:
        super().__init__(f"{what}: not true after {seconds:.0f} s. {hint}".strip())


class ProcessDiedError(ClusterError):
    """A component ended while it was being waited for."""

    def __init__(self, name: str, log: Path) -> None:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:]) if log.exists() else ""
        super().__init__(f"{name} ended; the last lines of {log}:\n{tail}")


class NotRootError(ClusterError):
    """The caller may not create links, mounts and cgroups."""

    def __init__(self) -> None:
        super().__init__(
            "the local cluster makes links, mounts and cgroups: run as root, "
            "or name a cluster of your own with KUBE_CONTEXT"
        )


class NotRunningError(ClusterError):
    """A command that needs the cluster was given without one."""

    def __init__(self) -> None:
        super().__init__("the local cluster is not running; start it with: make up")


class LayerError(ClusterError):
    """The image storage gave other bytes than a layer's digest names."""

    def __init__(self, digest: str) -> None:
        super().__init__(f"the image storage gave other bytes than layer {digest}")
