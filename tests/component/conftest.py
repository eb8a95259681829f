"""What every component test gets: a real etcd and kube-apiserver, and a namespace of its own.

The control plane is the session's own, on loopback and free ports. A test that restarts it restarts
it for nobody else: tests of one session run one after the other, and each session has its own.
"""

from __future__ import annotations

import itertools
import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from e2e.cluster.control_plane import COMPONENT_CONTEXT, ControlPlane, component_control_plane
from e2e.cluster.programs import build_programs
from e2e.cluster.settings import Settings as ClusterSettings
from regnant.cluster.client import Cluster
from regnant.cluster.connection import Kubeconfig
from tests.component.objects import make_namespace
from tests.component.quiet_loop import until_quiet

CRDS = Path(__file__).resolve().parents[2] / "crds"
_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane that serves the three resources."""
    with component_control_plane(tmp_path_factory.mktemp("control-plane")) as plane:
        own_access(plane.kubeconfig)
        kubectl = build_programs(ClusterSettings.from_environment(), ["kubectl"])["kubectl"]
        base = [str(kubectl), f"--kubeconfig={plane.kubeconfig}", f"--context={COMPONENT_CONTEXT}"]
        subprocess.run([*base, "apply", "--server-side", f"--filename={CRDS}"], check=True)
        subprocess.run([*base, "wait", "crd", "--all", "--for=condition=Established"], check=True)
        yield plane


def own_access(kubeconfig: Path) -> Kubeconfig:
    """The access that a file gives, if the file is one of a component test's control plane."""
    context = json.loads(kubeconfig.read_text())["current-context"]
    if context != COMPONENT_CONTEXT:
        raise pytest.UsageError(
            f"{kubeconfig} names the context {context}; component tests write to a control plane "
            f"of their own, whose context is {COMPONENT_CONTEXT}, and to no other"
        )
    return Kubeconfig(kubeconfig, COMPONENT_CONTEXT)


@pytest.fixture(autouse=True)
async def quiet() -> AsyncIterator[None]:
    """Each test waits for its own connections, after everything else of it is over."""
    yield
    await until_quiet()


@pytest.fixture
def access(control_plane: ControlPlane) -> Kubeconfig:
    """How to reach the control plane as an administrator."""
    return own_access(control_plane.kubeconfig)


@pytest.fixture
async def cluster(access: Kubeconfig) -> AsyncIterator[Cluster]:
    """A client of the control plane."""
    async with Cluster(access) as client:
        yield client


@pytest.fixture
async def namespace(cluster: Cluster) -> str:
    """A fresh namespace. It is not deleted: the control plane goes with the session."""
    name = f"team-{next(_NUMBERS)}"
    await make_namespace(cluster, name)
    return name
