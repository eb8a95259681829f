"""What is measured against, each made once and kept in the cache.

A Python peer gets an environment of its own from its locked file, so no two of them have to agree
on a library. nginx is Debian's, unpacked and not installed: nothing of it starts by itself.
"""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from e2e.cluster.cache import cached_folder, content_key
from e2e.cluster.commands import run
from e2e.cluster.programs import Family, build
from e2e.cluster.progress import long_step
from e2e.cluster.settings import CHECKOUT, Settings

HERE = Path(__file__).parent
LOCKED = HERE / "peers"
_NGINX = Path("usr/sbin/nginx")
_LOAD = "load"
_RUNTIME = "onnxruntime"


def python_environment(name: str) -> Path:
    """The folder of an environment with everything that `peers/NAME.txt` names."""
    settings = Settings.from_environment()
    locked = LOCKED / f"{name}.txt"
    root = settings.cache / "peers"
    key = content_key([sys.version, locked.read_bytes()])

    def fill(folder: Path) -> None:
        uv, python = _uv(settings), folder / "bin" / "python"
        made = ("venv", "--relocatable", "--clear", "--python", sys.executable, folder)
        # Installing compiles nothing by itself, and then every first start would.
        filled = ("pip", "sync", "--compile-bytecode", "--python", python, locked)
        with long_step(f"building {name}'s environment", f"{name}'s environment is built"):
            run([uv, "--quiet", *made])
            run([uv, "--quiet", *filled])

    root.mkdir(parents=True, exist_ok=True)
    return cached_folder(root, name, key, fill)


def build_all(peers: Iterable[str]) -> None:
    """Have everything before anything is timed, with the same runtime everywhere."""
    load()
    nginx()
    ours = metadata.version(_RUNTIME)
    for peer in peers:
        its = _pinned(peer)[_RUNTIME]
        if its != ours:
            raise RuntimeError(
                f"{LOCKED}/{peer}.txt has {_RUNTIME} {its}, Regnant has {ours}: write that into "
                f"{peer}.in, and compile it again as its first line says"
            )
        python_environment(peer)


def releases(peers: Iterable[str]) -> str:
    """What was measured, by the locked files and by those who say it themselves."""
    found = [f"{peer} {_pinned(peer)[peer]}" for peer in peers]
    same = f"{_RUNTIME} {metadata.version(_RUNTIME)} in all of them"
    said = subprocess.run([nginx(), "-v"], capture_output=True, text=True, check=True).stderr
    own = f"nginx {said.rpartition('/')[2].strip()}, Python {platform.python_version()}"
    return f"Beside Regnant {metadata.version('regnant')}: {', '.join([*found, own])}; {same}."


def _pinned(peer: str) -> dict[str, str]:
    """The release of each package in a locked file."""
    lines = (LOCKED / f"{peer}.txt").read_text(encoding="utf-8").splitlines()
    pins = (line.partition(" ")[0].partition("==") for line in lines)
    return {name: release for name, equals, release in pins if equals}


def nginx() -> Path:
    """Nginx' program: the one that is installed, or Debian's package without its services."""
    installed = Path("/") / _NGINX
    if installed.exists():
        return installed
    root = Settings.from_environment().cache / "peers"
    root.mkdir(parents=True, exist_ok=True)

    def fill(folder: Path) -> None:
        with long_step("unpacking nginx", "nginx is unpacked"):
            run(["apt-get", "-qq", "download", "nginx"], cwd=folder)
            run(["dpkg", "-x", next(folder.glob("nginx_*.deb")), folder])

    return cached_folder(root, "nginx", _debian(), fill) / _NGINX


def load() -> Path:
    """The program that asks."""
    family = Family(_LOAD, {_LOAD: "."}, modules=HERE)
    return build(Settings.from_environment(), family) / _LOAD


def _debian() -> str:
    return content_key([Path("/etc/debian_version").read_text(encoding="utf-8")])


def _uv(settings: Settings) -> Path:
    """The one that `make venv` uses."""
    uv = settings.cache / "uv" / "bin" / "uv"
    if not uv.exists():
        run(["make", "--directory", CHECKOUT, uv])
    return uv
