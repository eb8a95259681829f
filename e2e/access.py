"""Which cluster the tests may speak to, and the two programs that they speak by.

Without KUBE_CONTEXT that is the local cluster, by its own kubeconfig file; with it, the named
context of the user's kubeconfig. kubectl and helm are those of the cluster's tooling, which builds
them if need be; REGNANT_KUBECTL and REGNANT_HELM name others.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from e2e.cluster.programs import build_programs
from e2e.cluster.settings import CONTEXT, Settings


class HarnessError(Exception):
    """The root of what the harness raises."""


class WrongClusterError(HarnessError):
    """The context is not one that the tests may touch."""


class ProgramError(HarnessError):
    """kubectl or helm refused; `stderr` is its own words."""

    def __init__(self, command: Sequence[str], stderr: str) -> None:
        self.stderr = stderr.strip()
        super().__init__(f"{' '.join(command)}\n{self.stderr}")


@dataclass(frozen=True)
class Access:
    """The programs and the one context that they may use."""

    kubectl: Path
    helm: Path
    kubeconfig: Path
    context: str

    @classmethod
    def from_environment(cls) -> Access:
        """The local cluster, or the one that KUBE_CONTEXT names in the user's own kubeconfig."""
        if named := os.environ.get("KUBE_CONTEXT"):
            users_own = os.environ.get("KUBECONFIG") or Path.home() / ".kube" / "config"
            return cls.to(Path(users_own), named)
        return cls.to(Settings.from_environment().kubeconfig, CONTEXT)

    @classmethod
    def to(cls, kubeconfig: Path, context: str) -> Access:
        """Any context, by the programs of this machine."""
        return cls(program("kubectl"), program("helm"), kubeconfig, context)


def program(name: str) -> Path:
    """A program: named by REGNANT_HELM and the like, or built by the tooling of the cluster."""
    if named := os.environ.get(f"REGNANT_{name.upper()}"):
        return Path(named)
    if os.environ.get("KUBE_CONTEXT") and (installed := shutil.which(name)):
        return Path(installed)
    return build_programs(Settings.from_environment(), [name])[name]


def run(command: Sequence[str], *, stdin: str | None = None) -> str:
    """Run a program to its end and return what it printed."""
    finished = subprocess.run(
        command,
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode != 0:
        raise ProgramError(command, finished.stderr or finished.stdout)
    return finished.stdout
