"""The one node: containerd, kubelet and kube-proxy, and how each must be set up here.

Everything that they write lies under the state folder, except the node's images,
which the cache keeps, and what their authors fixed elsewhere (links under
/var/log/containers, the cgroup `kubepods`); `clean` removes the latter too. The
settings that look odd each answer something that goes wrong without them on a
small machine; the reason stands beside it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
from pathlib import Path

from . import network
from .certificates import Authority
from .commands import await_condition, run, succeeds
from .kubeconfig import write_kubeconfig
from .processes import Processes, processes_with_argument
from .settings import API_PORT, CONTEXT, DNS_ADDRESS, NODE_ADDRESS, NODE_NAME, POD_RANGE, Settings

_CAP_SYS_RESOURCE = 24
_CONTAINER_LOG_LINKS = Path("/var/log/containers")


def start_containerd(settings: Settings, processes: Processes, *, sandbox_image: str) -> None:
    folder = settings.state / "containerd"
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "config.toml"
    configuration.write_text(_containerd_configuration(settings, sandbox_image))
    # An image that is not there must fail at once, as it does where no registry
    # is reachable: the pull goes to a port on which nothing listens.
    nowhere = dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY"), "http://127.0.0.1:9")
    processes.start("containerd", ["containerd", "--config", configuration], env=nowhere)
    await_condition(
        "containerd answers",
        lambda: processes.require("containerd") and succeeds([*ctr(settings), "version"]),
        hint=f"See {processes.log('containerd')}",
    )


def forget_containers(settings: Settings, processes: Processes, *, sandbox_image: str) -> None:
    """Remove what an earlier cluster's containers left in containerd's memory.

    Images outlive the cluster, since loading them again would take most of a
    minute; the containers beside them are dead. The restart keeps the kubelet
    from ever being told of them.
    """
    listed = run([*ctr(settings), "containers", "list", "--quiet"]).split()
    if listed:
        run([*ctr(settings), "containers", "delete", *listed])
        processes.stop("containerd")
        start_containerd(settings, processes, sandbox_image=sandbox_image)


def ctr(settings: Settings) -> list[str]:
    """The command that speaks to the cluster's own containerd."""
    return ["ctr", "--address", str(settings.containerd_socket), "--namespace", "k8s.io"]


def start_kubelet(settings: Settings, processes: Processes, program: Path) -> None:
    folder = settings.state / "kubelet"
    folder.mkdir(parents=True, exist_ok=True)
    authority = Authority(settings.state / "pki")
    _identity(settings, "kubelet", f"system:node:{NODE_NAME}", "system:nodes")
    (settings.state / "resolv.conf").write_text("")
    configuration = settings.state / "kubelet.json"
    configuration.write_text(
        json.dumps(_kubelet_configuration(settings, authority), indent=2) + "\n"
    )
    command: list[str | Path] = [
        program,
        f"--config={configuration}",
        f"--kubeconfig={settings.state / 'kubelet.kubeconfig'}",
        f"--root-dir={folder}",
        f"--hostname-override={NODE_NAME}",
        f"--node-ip={NODE_ADDRESS}",
    ]
    processes.start("kubelet", command)


def start_kube_proxy(settings: Settings, processes: Processes, program: Path) -> None:
    _identity(settings, "kube-proxy", "system:kube-proxy")
    command: list[str | Path] = [
        program,
        f"--kubeconfig={settings.state / 'kube-proxy.kubeconfig'}",
        "--proxy-mode=iptables",
        f"--hostname-override={NODE_NAME}",
        f"--cluster-cidr={POD_RANGE}",
        f"--bind-address={NODE_ADDRESS}",
        "--metrics-bind-address=127.0.0.1:10249",
        "--healthz-bind-address=127.0.0.1:10256",
        # The table's size belongs to the machine, and may not be ours to change.
        "--conntrack-max-per-core=0",
        "--oom-score-adj=0",
    ]
    if not network.bridge_traffic_is_filtered():
        command.append("--masquerade-all")
    processes.start("kube-proxy", command)


def clean(settings: Settings, kube_proxy: Path | None) -> None:
    """End every container and remove what the node left outside the state folder."""
    _end_containers(settings)
    if kube_proxy is not None:
        run([kube_proxy, "--cleanup"])
        network.remove_kube_proxy_firewall()
    _unmount_below(settings.state)
    _remove_cgroups()
    if _CONTAINER_LOG_LINKS.is_dir():
        for link in _CONTAINER_LOG_LINKS.iterdir():
            if link.is_symlink() and link.readlink().is_relative_to(settings.state):
                link.unlink()


def _identity(settings: Settings, name: str, user: str, group: str | None = None) -> None:
    authority = Authority(settings.state / "pki")
    write_kubeconfig(
        settings.state / f"{name}.kubeconfig",
        context=CONTEXT,
        server=f"https://{NODE_ADDRESS}:{API_PORT}",
        authority=authority.certificate,
        identity=authority.client(name, user, group),
    )


def _kubelet_configuration(settings: Settings, authority: Authority) -> dict[str, object]:
    serving = authority.server("kubelet-serving", [NODE_NAME], [NODE_ADDRESS])
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_ADDRESS,
        "healthzBindAddress": "127.0.0.1",
        "tlsCertFile": str(serving.certificate),
        "tlsPrivateKeyFile": str(serving.key),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(authority.certificate)},
        },
        "authorization": {"mode": "Webhook"},
        "clusterDomain": "cluster.local",
        "clusterDNS": [DNS_ADDRESS],
        # Empty: a pod that is not given the cluster's DNS gets none at all.
        "resolvConf": str(settings.state / "resolv.conf"),
        "containerRuntimeEndpoint": f"unix://{settings.containerd_socket}",
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "failSwapOn": False,
        # Lowering the score needs a capability that the machine may not grant.
        "oomScoreAdj": 0,
        "makeIPTablesUtilChains": False,
        "podLogsDir": str(settings.state / "pod-logs"),
        "volumePluginDir": str(settings.state / "volume-plugins"),
        # Images cannot be pulled again: never collect one to make room.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%"},
        "maxPods": 200,
        "registryPullQPS": 0,
        "serializeImagePulls": False,
    }


def _containerd_configuration(settings: Settings, sandbox_image: str) -> str:
    folder = settings.state / "containerd"

    def quoted(value: Path | str) -> str:
        return json.dumps(str(value))

    def switch(value: object) -> str:
        return "true" if value else "false"

    apparmor = Path("/sys/module/apparmor/parameters/enabled").exists()
    return f"""\
version = 2
root = {quoted(settings.cache / "node")}
state = {quoted(folder / "state")}
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs"]

[grpc]
address = {quoted(settings.containerd_socket)}

[plugins."io.containerd.internal.v1.opt"]
path = {quoted(folder / "opt")}

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = {quoted(sandbox_image)}
disable_apparmor = {switch(not apparmor)}
netns_mounts_under_state_dir = true
# Without CAP_SYS_RESOURCE every sandbox dies with "can't get final child's PID from pipe: EOF".
restrict_oom_score_adj = {switch(not _has_capability(_CAP_SYS_RESOURCE))}

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = {quoted(network.CNI_PROGRAMS)}
conf_dir = {quoted(network.cni_folder(settings))}

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = {quoted(snapshotter(settings.cache))}
default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
Root = {quoted(folder / "runc")}
"""


def snapshotter(folder: Path) -> str:
    """Copies where the folder is itself an overlay: one cannot lie on another."""
    kind = run(["stat", "--file-system", "--format=%T", folder]).strip()
    return "native" if kind in {"overlayfs", "tmpfs"} else "overlayfs"


def _has_capability(number: int) -> bool:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> number & 1)
    return False


def _end_containers(settings: Settings) -> None:
    """Kill the shims that our containerd started, and each container below them.

    A shim carries our socket's path as an argument, which no stranger does. A
    container's first process has its own process namespace: with it end all.
    """
    for shim in processes_with_argument(str(settings.containerd_socket)):
        if "containerd-shim" not in _program(shim):
            continue
        for pid in [*_children(shim), shim]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    # A container whose shim is gone: its folder has its process, its cgroup its name.
    tasks = settings.state / "containerd" / "state" / "io.containerd.runtime.v2.task" / "k8s.io"
    for folder in tasks.glob("*"):
        with contextlib.suppress(OSError, ValueError):
            pid = int((folder / "init.pid").read_text())
            if folder.name in Path(f"/proc/{pid}/cgroup").read_text():
                os.kill(pid, signal.SIGKILL)


def _program(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/exe").readlink().name
    return ""


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(word) for word in (task / "children").read_text().split()]
    return found


def _unmount_below(folder: Path) -> None:
    """Unmount everything below a folder, the innermost first."""

    def mounted() -> list[str]:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        points = [line.split()[4].replace("\\040", " ") for line in lines]
        return [point for point in points if Path(point).is_relative_to(folder)]

    for point in sorted(mounted(), key=len, reverse=True):
        succeeds(["umount", "--lazy", point])
    await_condition(f"nothing is mounted below {folder}", lambda: not mounted(), seconds=10)


def _remove_cgroups() -> None:
    """Remove the empty cgroups that the kubelet made; one in use refuses."""
    roots = [Path("/sys/fs/cgroup/kubepods"), *Path("/sys/fs/cgroup").glob("*/kubepods")]
    for root in roots:
        for folder, _subfolders, _files in os.walk(root, topdown=False):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()
