"""The Debian packages that the cluster and the image builds stand on."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from .commands import run
from .errors import NotRootError
from .progress import long_step

# Each package with a file that shows that it is there: looking at files is
# instant, asking dpkg is not, and another distribution's package counts too.
PACKAGES = {
    "containerd": "containerd",
    "runc": "runc",
    "buildah": "buildah",
    "containernetworking-plugins": "/usr/lib/cni/bridge",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "mmdebstrap": "mmdebstrap",
    "iproute2": "ip",
    "mount": "mount",
    "openssl": "openssl",
    "ca-certificates": "/etc/ssl/certs/ca-certificates.crt",
    "gcc": "gcc",
    "libc6-dev": "/usr/include/stdio.h",
}


def missing_packages() -> list[str]:
    """The packages whose file is not on this machine."""
    return [package for package, sign in PACKAGES.items() if not _is_there(sign)]


def install_packages() -> None:
    """Install what is missing, quietly; nothing happens when all of it is there."""
    missing = missing_packages()
    if not missing:
        return
    if os.geteuid() != 0:
        raise NotRootError
    names = " ".join(missing)
    with long_step(f"installing Debian packages: {names}", "Debian packages are installed"):
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        run(["apt-get", "update", "-qq"], env=quiet)
        run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing], env=quiet)


def _is_there(sign: str) -> bool:
    if sign.startswith("/"):
        return Path(sign).exists()
    return shutil.which(sign, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is not None
