"""The bridge that pods hang on, and the rules that close it.

The node's address is the bridge's own, so nothing depends on the machine's
network. A service address that kube-proxy has not programmed yet would leave by
the default route and reach strangers; a pod could reach the internet and hide
that a test depends on it. Chains of our own refuse both, at once rather than by
a time-out, and `down` takes exactly these away again.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from pathlib import Path

from .commands import run, succeeds
from .errors import CommandError
from .settings import BRIDGE, NODE_ADDRESS, POD_RANGE, SERVICE_RANGE, Settings

CNI_NETWORK = "regnant"
CNI_PROGRAMS = Path("/usr/lib/cni")
_CNI_RESULTS = Path("/var/lib/cni/results")
_FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
_BRIDGE_FILTER = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")

# Service addresses are routed to a bridge of their own, without ports, even where
# there is no default route. Routed to the pods' bridge they would leave by the
# link they came from, and the kernel would tell pods to look for them there.
_SERVICE_LINK = "regnant-svc"

_REFUSE = "REFUSE"
# Every rule by the chain of ours that holds it; the first match decides.
_RULES = {
    "FORWARD": (
        (f"-d {SERVICE_RANGE}", _REFUSE),
        (f"-i {BRIDGE} -o {BRIDGE}", "ACCEPT"),
        (f"-i {BRIDGE}", _REFUSE),
        (f"-o {BRIDGE} -m conntrack ! --ctstate RELATED,ESTABLISHED", _REFUSE),
    ),
    "OUTPUT": ((f"-d {SERVICE_RANGE}", _REFUSE),),
    # Pods reach the API server and the kubelet, and no other address of the machine.
    "INPUT": (
        (f"-i {BRIDGE} -d {NODE_ADDRESS}", "ACCEPT"),
        (f"-i {BRIDGE}", _REFUSE),
    ),
}


def create(settings: Settings) -> None:
    """Make bridge, route, rules and CNI configuration; what exists is left or renewed."""
    _remember_forwarding(settings)
    _FORWARDING.write_text("1\n")
    for link in (BRIDGE, _SERVICE_LINK):
        if not _exists(link):
            run(["ip", "link", "add", link, "type", "bridge"])
        run(["ip", "link", "set", link, "up"])
    run(
        ["ip", "address", "replace", f"{NODE_ADDRESS}/{POD_RANGE.partition('/')[2]}", "dev", BRIDGE]
    )
    route = [SERVICE_RANGE, "dev", _SERVICE_LINK, "src", NODE_ADDRESS]
    run(["ip", "route", "replace", *route])
    for chain, rules in _RULES.items():
        _renew_chain(chain, rules)
    _write_cni_configuration(settings)


def remove(settings: Settings) -> None:
    """Take away all that `create` made, in whatever state it was left."""
    for chain in _RULES:
        _remove_chain(chain)
    for link in (BRIDGE, _SERVICE_LINK):
        if _exists(link):
            run(["ip", "link", "delete", link])
    for result in _CNI_RESULTS.glob("*"):
        # Each names its pod's network namespace, and ours are below the state folder.
        if str(settings.state) in result.read_text(errors="replace"):
            result.unlink()
    remembered = _forwarding_file(settings)
    with contextlib.suppress(FileNotFoundError):
        _FORWARDING.write_text(remembered.read_text())
        remembered.unlink()


def remove_kube_proxy_firewall() -> None:
    """Remove the chain that kube-proxy's own `--cleanup` leaves behind."""
    for program in ("iptables", "ip6tables"):
        for words in ("-D INPUT -j {}", "-D OUTPUT -j {}", "-F {}", "-X {}"):
            succeeds([program, "--wait", *words.format("KUBE-FIREWALL").split()])


def bridge_traffic_is_filtered() -> bool:
    """Whether frames between two pods pass iptables, so that replies find their way back."""
    with contextlib.suppress(FileNotFoundError):
        _BRIDGE_FILTER.write_text("1\n")
        return True
    return False


def cni_folder(settings: Settings) -> Path:
    return settings.state / "cni"


def _write_cni_configuration(settings: Settings) -> None:
    bridge = {
        "type": "bridge",
        "bridge": BRIDGE,
        "isGateway": True,
        "ipMasq": False,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "dataDir": str(settings.state / "cni-addresses"),
            "ranges": [[{"subnet": POD_RANGE, "gateway": NODE_ADDRESS}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    content = {
        "cniVersion": "0.4.0",
        "name": CNI_NETWORK,
        "plugins": [bridge, {"type": "portmap", "capabilities": {"portMappings": True}}],
    }
    folder = cni_folder(settings)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "10-regnant.conflist").write_text(json.dumps(content, indent=2) + "\n")


def _exists(link: str) -> bool:
    return Path("/sys/class/net", link).exists()


def _iptables(*words: str) -> str:
    return run(["iptables", "--wait", *words])


def _renew_chain(parent: str, rules: Iterable[tuple[str, str]]) -> None:
    chain = f"REGNANT-{parent}"
    if not succeeds(["iptables", "--wait", "-n", "-L", chain]):
        _iptables("-N", chain)
    _iptables("-F", chain)
    for match, verdict in rules:
        if verdict == _REFUSE:
            # The kernel sends few ICMP messages a second: a reset is never held back.
            _iptables("-A", chain, *f"{match} -p tcp -j REJECT --reject-with tcp-reset".split())
            _iptables("-A", chain, *match.split(), "-j", "REJECT")
        else:
            _iptables("-A", chain, *match.split(), "-j", verdict)
    if not succeeds(["iptables", "--wait", "-C", parent, "-j", chain]):
        _iptables("-I", parent, "1", "-j", chain)


def _remove_chain(parent: str) -> None:
    chain = f"REGNANT-{parent}"
    with contextlib.suppress(CommandError):
        _iptables("-D", parent, "-j", chain)
    with contextlib.suppress(CommandError):
        _iptables("-F", chain)
        _iptables("-X", chain)


def _forwarding_file(settings: Settings) -> Path:
    return settings.state / "ip_forward.before"


def _remember_forwarding(settings: Settings) -> None:
    remembered = _forwarding_file(settings)
    if not remembered.exists():
        remembered.parent.mkdir(parents=True, exist_ok=True)
        remembered.write_text(_FORWARDING.read_text())
