"""etcd and kube-apiserver: all of Kubernetes that keeps and validates objects.

The full cluster stands on one of these, and component tests use one alone, on
loopback and free ports, beside whatever else runs:

    from e2e.cluster.control_plane import component_control_plane

    plane = component_control_plane(directory)     # a folder of the caller's; builds if need be
    plane.start()                                  # returns when /readyz answers ok
    plane.kubeconfig                               # context `regnant-component`, cluster-admin
    plane.stop_api_server(); plane.start()         # an outage; the objects stay
    plane.stop()                                   # ends both; the folder is the caller's to remove

It is also a context manager (`with component_control_plane(d) as plane:`). No
controller runs: nothing is garbage-collected, a deleted namespace stays
Terminating, Deployments make no pods. Pods may be created without a service
account, because nothing would make the default one.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self

from .certificates import Authority, KeyPair
from .commands import await_condition
from .kubeconfig import write_kubeconfig
from .processes import Processes
from .programs import build_programs
from .settings import Settings

COMPONENT_CONTEXT = "regnant-component"
_ISSUER = "https://kubernetes.default.svc.cluster.local"
_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Endpoints:
    """Where the two programs listen."""

    address: str
    api_port: int
    etcd_port: int
    etcd_peer_port: int
    service_range: str
    service_address: str

    @property
    def api_server(self) -> str:
        """The URL by which clients reach the API."""
        return f"https://{self.address}:{self.api_port}"


class ControlPlane:
    """etcd and kube-apiserver with their state in one folder."""

    def __init__(
        self,
        directory: Path,
        programs: dict[str, Path],
        endpoints: Endpoints,
        *,
        context: str,
        api_flags: Sequence[str] = (),
    ) -> None:
        self._directory = directory
        self._programs = programs
        self._api_flags = tuple(api_flags)
        self._context = context
        self.endpoints = endpoints
        self.processes = Processes(directory / "run", directory / "logs")
        self.kubeconfig = directory / "kubeconfig"

    @property
    def authority(self) -> Authority:
        """Who signs the certificates of this control plane."""
        return Authority(self._directory / "pki")

    def start(self) -> None:
        """Start what does not run and return when the API server is ready."""
        self._write_certificates()
        self._start_etcd()
        self._start_api_server()
        await_condition(
            "the API server is ready",
            lambda: (
                self.processes.require("etcd")
                and self.processes.require("kube-apiserver")
                and self.is_ready()
            ),
            hint=f"See {self.processes.log('kube-apiserver')}",
        )

    def stop(self) -> None:
        """End both programs, at once: the state is not meant to be carried on from."""
        self.stop_api_server()
        self.processes.stop("etcd", grace=0)

    def stop_api_server(self) -> None:
        """Take the API away, as in an outage; `start` brings it back with its objects."""
        self.processes.stop("kube-apiserver", grace=0)

    def is_ready(self) -> bool:
        """Whether /readyz answers ok to an administrator."""
        identity = self._administrator
        trust = ssl.create_default_context(cafile=str(self.authority.certificate))
        trust.load_cert_chain(identity.certificate, identity.key)
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust)
        )
        try:
            with opener.open(f"{self.endpoints.api_server}/readyz", timeout=5) as answer:
                return bool(answer.status == HTTPStatus.OK)
        except (urllib.error.URLError, OSError):
            return False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def _administrator(self) -> KeyPair:
        return self.authority.client("admin", "regnant-admin", "system:masters")

    def _write_certificates(self) -> None:
        authority = self.authority
        write_kubeconfig(
            self.kubeconfig,
            context=self._context,
            server=self.endpoints.api_server,
            authority=authority.certificate,
            identity=self._administrator,
        )

    def _start_etcd(self) -> None:
        client = f"http://{_LOOPBACK}:{self.endpoints.etcd_port}"
        peer = f"http://{_LOOPBACK}:{self.endpoints.etcd_peer_port}"
        command: list[str | Path] = [
            self._programs["etcd"],
            "--name=regnant",
            f"--data-dir={self._directory / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=regnant={peer}",
            "--log-level=warn",
            # The objects need not survive a power cut, and every write waits for a sync.
            "--unsafe-no-fsync",
        ]
        self.processes.start("etcd", command)

    def _start_api_server(self) -> None:
        endpoints = self.endpoints
        authority = self.authority
        names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"]
        names.append("kubernetes.default.svc.cluster.local")
        serving = authority.server(
            "kube-apiserver",
            [*names, "localhost"],
            sorted({endpoints.address, endpoints.service_address, _LOOPBACK}),
        )
        tokens = authority.signing_key("service-account")
        command: list[str | Path] = [
            self._programs["kube-apiserver"],
            f"--etcd-servers=http://{_LOOPBACK}:{endpoints.etcd_port}",
            f"--bind-address={endpoints.address}",
            f"--advertise-address={endpoints.address}",
            f"--secure-port={endpoints.api_port}",
            f"--service-cluster-ip-range={endpoints.service_range}",
            f"--tls-cert-file={serving.certificate}",
            f"--tls-private-key-file={serving.key}",
            f"--client-ca-file={authority.certificate}",
            f"--service-account-issuer={_ISSUER}",
            f"--service-account-key-file={tokens.certificate}",
            f"--service-account-signing-key-file={tokens.key}",
            "--authorization-mode=Node,RBAC",
            "--allow-privileged=true",
            "--profiling=false",
            *self._api_flags,
        ]
        self.processes.start("kube-apiserver", command)


def component_control_plane(directory: Path, settings: Settings | None = None) -> ControlPlane:
    """A control plane on loopback whose state is in `directory`; its ports are kept there.

    Programs that the cache does not hold are built first, which takes minutes.
    """
    settings = settings or Settings.from_environment()
    programs = build_programs(settings, ["etcd", "kube-apiserver", "kubectl"])
    return ControlPlane(
        directory,
        programs,
        _component_endpoints(directory),
        context=COMPONENT_CONTEXT,
        api_flags=[
            "--disable-admission-plugins=ServiceAccount",
            # An endpoint on loopback is refused for the `kubernetes` Service.
            "--endpoint-reconciler-type=none",
        ],
    )


def _component_endpoints(directory: Path) -> Endpoints:
    """The ports that were chosen for this folder before, or free ones."""
    directory.mkdir(parents=True, exist_ok=True)
    remembered = directory / "endpoints.json"
    if remembered.exists():
        return Endpoints(**json.loads(remembered.read_text()))
    api, client, peer = _free_ports(3)
    chosen = Endpoints(
        address=_LOOPBACK,
        api_port=api,
        etcd_port=client,
        etcd_peer_port=peer,
        service_range="10.97.0.0/16",
        service_address="10.97.0.1",
    )
    remembered.write_text(json.dumps(asdict(chosen)))
    return chosen


def _free_ports(count: int) -> list[int]:
    """Ports that nothing listens on now; all are held at once so that they differ."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((_LOOPBACK, 0))
        return [int(each.getsockname()[1]) for each in sockets]
