"""The whole local cluster: how it comes up, what it consists of, how it goes away.

`up` may be called in any state. A cluster of this boot and version whose
components died in part is completed; anything else that is left over (an `up`
that was killed, a reboot, another version) is taken down first and begun anew.
`down` trusts nothing but records and names of the project's own, so it works on
whatever is left.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import network, node
from .cache import locked
from .certificates import Authority
from .cluster_dns import manifests
from .commands import await_condition, run
from .control_plane import ControlPlane, Endpoints
from .errors import CommandError, NotRootError, NotRunningError
from .kubeconfig import write_kubeconfig
from .node_images import NodeImages
from .packages import install_packages
from .processes import Processes, boot_id
from .programs import build_programs, linked_programs
from .progress import say, step
from .settings import (
    API_PORT,
    API_SERVICE_ADDRESS,
    CHECKOUT,
    CONTEXT,
    NODE_ADDRESS,
    NODE_NAME,
    SERVICE_RANGE,
    Settings,
)
from .system_images import PAUSE, system_image_archives

_PROGRAMS = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "kubectl",
    "etcd",
    "coredns",
)
_COMPONENTS = (
    "kubelet",
    "kube-proxy",
    "volumes",
    "kube-scheduler",
    "kube-controller-manager",
    "kube-apiserver",
    "etcd",
    "containerd",
)
"""Every process of the cluster, in the order in which they are ended."""


class LocalCluster:
    """The cluster whose state is in the folder that the settings name."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._state = settings.state
        self.processes = Processes(settings.state / "run", settings.state / "logs")

    def up(self) -> None:
        """Bring the cluster up and return when its node is ready and names resolve."""
        if os.geteuid() != 0:
            raise NotRootError
        with step(f"cluster is up: Kubernetes {self._settings.kubernetes_version}"):
            install_packages()
            programs = build_programs(self._settings, _PROGRAMS)
            images = system_image_archives(self._settings.cache, programs["coredns"])
            with self._alone():
                if not self._mark_is("ready"):
                    self._begin_anew()
                self._start(programs, images)
                self._mark("ready")
        say(f"          export KUBECONFIG={self._settings.kubeconfig}    # context {CONTEXT}")

    def _begin_anew(self) -> None:
        if self._state.exists():
            say("          what is left of another cluster is taken down first")
            self._down()
        self._mark("starting")

    def down(self) -> None:
        """End what `up` started and remove what it made."""
        if os.geteuid() != 0:
            raise NotRootError
        with self._alone():
            if not self._state.exists():
                say("          the local cluster is not there; nothing to take down")
                return
            with step("cluster is down"):
                self._down()

    def is_up(self) -> bool:
        """Whether every component runs; says nothing about the health of what they run."""
        return self._mark_is("ready") and all(map(self.processes.is_running, _COMPONENTS))

    def node_images(self) -> NodeImages:
        """The images that the node holds; raise NotRunningError without a node."""
        if not self.processes.is_running("containerd"):
            raise NotRunningError
        return NodeImages(node.ctr(self._settings), node.snapshotter(self._settings.cache))

    def load(self, archives: Iterable[Path]) -> None:
        """Import image archives into the node."""
        images = self.node_images()
        for archive in archives:
            with step(f"loaded {archive.name}"):
                images.load_archive(archive)

    def status(self) -> bool:
        """Print what runs; return whether the cluster is usable."""
        for name in reversed(_COMPONENTS):
            pid = self.processes.pid(name)
            print(f"{name:<26}{f'runs, pid {pid}' if pid else 'does not run'}")
        if not self.is_up():
            print("\nthe cluster is not up")
            return False
        columns = "VERSION:.status.nodeInfo.kubeletVersion,READY:.status.conditions[-1].status"
        print()
        print(self._kubectl("get", "nodes", "-o", f"custom-columns=NODE:.metadata.name,{columns}"))
        print(self._kubectl("get", "pods", "--all-namespaces", "-o", "wide"))
        print(f"kubeconfig {self._settings.kubeconfig}, context {CONTEXT}")
        return True

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with locked(self._settings.cache / ".locks" / "cluster"):
            yield

    def _start(self, programs: dict[str, Path], images: list[Path]) -> None:
        network.create(self._settings)
        plane = self._control_plane(programs)
        # Certificates first: both halves below read them, and one must make them.
        self._write_identities(plane.authority)
        with ThreadPoolExecutor(max_workers=2) as pool:
            runtime = pool.submit(self._start_runtime, images)
            with step("API server is ready"):
                plane.start()
            self._start_controllers(plane.authority, programs)
            self._apply_own_manifests()
            runtime.result()
        with step("node is ready"):
            node.start_kubelet(self._settings, self.processes, programs["kubelet"])
            node.start_kube_proxy(self._settings, self.processes, programs["kube-proxy"])
            self._await_node()
        with step("names resolve"):
            self._await_dns()

    def _control_plane(self, programs: dict[str, Path]) -> ControlPlane:
        authority = Authority(self._state / "pki")
        kubelet_client = authority.client(
            "kube-apiserver-kubelet-client", "kube-apiserver", "system:masters"
        )
        return ControlPlane(
            self._state,
            programs,
            Endpoints(
                address=NODE_ADDRESS,
                api_port=API_PORT,
                etcd_port=2379,
                etcd_peer_port=2380,
                service_range=SERVICE_RANGE,
                service_address=API_SERVICE_ADDRESS,
            ),
            context=CONTEXT,
            api_flags=[
                "--enable-admission-plugins=NodeRestriction",
                "--kubelet-preferred-address-types=InternalIP",
                f"--kubelet-certificate-authority={authority.certificate}",
                f"--kubelet-client-certificate={kubelet_client.certificate}",
                f"--kubelet-client-key={kubelet_client.key}",
            ],
        )

    def _write_identities(self, authority: Authority) -> None:
        for name in ("kube-controller-manager", "kube-scheduler"):
            write_kubeconfig(
                self._state / f"{name}.kubeconfig",
                context=CONTEXT,
                server=f"https://{NODE_ADDRESS}:{API_PORT}",
                authority=authority.certificate,
                identity=authority.client(name, f"system:{name}"),
            )

    def _start_runtime(self, images: list[Path]) -> None:
        with step("containerd is ready, with its own images"):
            node.start_containerd(self._settings, self.processes, sandbox_image=PAUSE)
            if self._mark_is("ready"):
                return
            node.forget_containers(self._settings, self.processes, sandbox_image=PAUSE)
            for archive in images:
                self.node_images().load_archive(archive)

    def _start_controllers(self, authority: Authority, programs: dict[str, Path]) -> None:
        tokens = authority.signing_key("service-account")
        shared = ["--leader-elect=false", "--bind-address=127.0.0.1", "--profiling=false"]
        manager: list[str | Path] = [
            programs["kube-controller-manager"],
            f"--kubeconfig={self._state / 'kube-controller-manager.kubeconfig'}",
            f"--service-account-private-key-file={tokens.key}",
            f"--root-ca-file={authority.certificate}",
            f"--cluster-signing-cert-file={authority.certificate}",
            f"--cluster-signing-key-file={authority.key}",
            "--use-service-account-credentials=true",
            *shared,
        ]
        self.processes.start("kube-controller-manager", manager)
        scheduler: list[str | Path] = [
            programs["kube-scheduler"],
            f"--kubeconfig={self._state / 'kube-scheduler.kubeconfig'}",
            *shared,
        ]
        self.processes.start("kube-scheduler", scheduler)
        provisioner: list[str | Path] = [sys.executable, "-m", "e2e.cluster.volumes", self._state]
        self.processes.start("volumes", provisioner, env={"PYTHONPATH": str(CHECKOUT)})

    def _apply_own_manifests(self) -> None:
        wanted = {"apiVersion": "v1", "kind": "List", "items": manifests()}
        apply = ["apply", "--server-side", "--force-conflicts", "-f", "-"]
        self._kubectl(*apply, stdin=json.dumps(wanted))

    def _await_node(self) -> None:
        ready = '{.status.conditions[?(@.type=="Ready")].status}'
        self._await(
            "the node is ready",
            "kubelet",
            lambda: self._asked("get", "node", NODE_NAME, "-o", f"jsonpath={ready}") == "True",
        )

    def _await_dns(self) -> None:
        self._await(
            "CoreDNS is available",
            "kubelet",
            lambda: self._asked(
                "-n", "kube-system", "get", "deployment", "coredns",
                "-o", "jsonpath={.status.availableReplicas}",
            )
            == "1",
        )  # fmt: skip

    def _await(self, what: str, component: str, condition: Callable[[], bool]) -> None:
        await_condition(
            what,
            lambda: self.processes.require(component) and condition(),
            seconds=120,
            every=0.2,
            hint=f"See {self.processes.log(component)}",
        )

    def _asked(self, *words: str) -> str:
        """What kubectl answers, or nothing while it cannot answer yet."""
        try:
            return self._kubectl(*words)
        except CommandError:
            return ""

    def _kubectl(self, *words: str, stdin: str | None = None) -> str:
        program = linked_programs(self._settings) / "kubectl"
        return run([program, f"--kubeconfig={self._settings.kubeconfig}", *words], stdin=stdin)

    def _down(self) -> None:
        for name in _COMPONENTS:
            # Killed at once: there is nothing to hand over, and the API server
            # would drain for up to a minute.
            self.processes.stop(name, grace=0)
        kube_proxy = linked_programs(self._settings) / "kube-proxy"
        node.clean(self._settings, kube_proxy if kube_proxy.exists() else None)
        network.remove(self._settings)
        shutil.rmtree(self._state)

    def _mark(self, stage: str) -> None:
        self._state.mkdir(parents=True, exist_ok=True)
        (self._state / "cluster.json").write_text(json.dumps(self._marker(stage)) + "\n")

    def _marker(self, stage: str) -> dict[str, str]:
        """What a cluster is recognised by: how far it came, its version, the machine's boot."""
        version = self._settings.kubernetes_version
        return {"stage": stage, "version": version, "boot": boot_id()}

    def _mark_is(self, stage: str) -> bool:
        with contextlib.suppress(FileNotFoundError, ValueError):
            recorded = json.loads((self._state / "cluster.json").read_text())
            return bool(recorded == self._marker(stage))
        return False
