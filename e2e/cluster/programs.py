"""The programs that are built from the Go module proxy.

One module a family under `go/`, each with its go.sum: Helm and the registry
would lift Kubernetes' own dependencies if they shared its module. What a build
is made from is its key, so a changed version, flag or Go release builds anew
and everything else is found in the cache.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from .cache import cached_folder, content_key, file_parts
from .commands import run
from .errors import UnknownNameError
from .progress import long_step
from .settings import GO_MODULES, Settings

_VERSION_PACKAGES = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")


@dataclass(frozen=True)
class Family:
    """A Go module and the programs that are built from it together."""

    module: str
    programs: Mapping[str, str]
    """Name of the program -> its package."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """What the linker writes into the programs, such as their version."""
    modules: Path = GO_MODULES
    """The folder that the module lies in."""


def kubernetes(version: str) -> Family:
    """Kubernetes' own programs and etcd, which share most of their dependencies."""
    major, minor, _patch = version.split(".")
    stamps = {
        "gitVersion": f"v{version}",
        "gitMajor": major,
        "gitMinor": minor,
        "gitCommit": "unknown",
        "gitTreeState": "clean",
        # A fixed date keeps the programs the same whenever they are built.
        "buildDate": "1970-01-01T00:00:00Z",
    }
    commands = (
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kubelet",
        "kube-proxy",
        "kubectl",
    )
    return Family(
        module=f"kubernetes-{version}",
        programs={name: f"k8s.io/kubernetes/cmd/{name}" for name in commands}
        | {"etcd": "go.etcd.io/etcd/server/v3"},
        variables={
            f"{package}.{name}": value
            for package in _VERSION_PACKAGES
            for name, value in stamps.items()
        },
    )


COREDNS = Family("coredns", {"coredns": "."})
TOOLS = (
    Family("helm", {"helm": "helm.sh/helm/v4/cmd/helm"}),
    Family("registry", {"registry": "."}),
    Family("kubeconform", {"kubeconform": "github.com/yannh/kubeconform/cmd/kubeconform"}),
    Family("hey", {"hey": "github.com/rakyll/hey"}),
    Family("versitygw", {"versitygw": "github.com/versity/versitygw/cmd/versitygw"}),
)


def families(settings: Settings) -> tuple[Family, ...]:
    """Every family, the longest build first."""
    return (kubernetes(settings.kubernetes_version), COREDNS, *TOOLS)


def build(settings: Settings, family: Family) -> Path:
    """The folder with the family's programs, built when the cache does not have it."""
    source = family.modules / family.module
    flags = _flags(family)
    key = content_key(
        [
            run(["go", "version"], env=_GO_ENVIRONMENT),
            *flags,
            *(f"{name}={package}" for name, package in sorted(family.programs.items())),
            *file_parts(source, (path for path in source.rglob("*") if path.is_file())),
        ]
    )

    def fill(folder: Path) -> None:
        name = family.module
        with long_step(f"compiling {name}, once for this machine", f"{name} is compiled"):
            _compile(source, family, flags, folder)

    folder = cached_folder(_programs_folder(settings), family.module, key, fill)
    _link(settings, folder, family.programs)
    return folder


def build_programs(settings: Settings, names: Iterable[str]) -> dict[str, Path]:
    """The named programs' files; families that are missing are built, two at a time."""
    wanted: dict[str, Family] = {}
    known = {name: family for family in families(settings) for name in family.programs}
    for name in names:
        if name not in known:
            raise UnknownNameError("program", name, known)
        wanted[name] = known[name]
    needed = [f for f in families(settings) if f in wanted.values()]
    # A build downloads, compiles on every core, then links on one: a second
    # build beside it fills the gaps, a third would only slow both.
    with ThreadPoolExecutor(max_workers=2) as pool:
        folders = dict(
            zip(
                (family.module for family in needed),
                pool.map(lambda family: build(settings, family), needed),
                strict=True,
            )
        )
    return {name: folders[family.module] / name for name, family in wanted.items()}


def linked_programs(settings: Settings) -> Path:
    """The folder with a link to each program that was built last, for a PATH."""
    return settings.cache / "bin"


_GO_ENVIRONMENT = {
    "CGO_ENABLED": "0",
    "GOTOOLCHAIN": "local",
    "GOFLAGS": "-buildvcs=false",
    "GOWORK": "off",
}


def _flags(family: Family) -> list[str]:
    variables = "".join(f" -X {name}={value}" for name, value in family.variables.items())
    # What only a debugger reads is stripped in the end; not writing it at all saves a tenth.
    undebugged = ["-gcflags=all=-dwarf=false", f"-ldflags=-s -w{variables}"]
    return ["-trimpath", "-tags=providerless", "-mod=readonly", *undebugged]


def _compile(source: Path, family: Family, flags: list[str], folder: Path) -> None:
    go = ["nice", "-n", "5", "go", "build", *flags, "-o", f"{folder}/"]
    run([*go, *family.programs.values()], cwd=source, env=_GO_ENVIRONMENT)
    # etcd's main package is called `server`; Go names the program after it.
    produced = folder / "server"
    if "etcd" in family.programs and produced.exists():
        produced.rename(folder / "etcd")
    absent = [name for name in family.programs if not os.access(folder / name, os.X_OK)]
    if absent:
        raise UnknownNameError("built program", absent[0], (p.name for p in folder.iterdir()))


def _programs_folder(settings: Settings) -> Path:
    folder = settings.cache / "programs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _link(settings: Settings, folder: Path, names: Iterable[str]) -> None:
    links = linked_programs(settings)
    links.mkdir(parents=True, exist_ok=True)
    for name in names:
        link = links / name
        if link.is_symlink() and link.readlink() == folder / name:
            continue
        fresh = links / f".{name}-{os.getpid()}"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(folder / name)
        shutil.move(fresh, link)
