"""Which context a person means: theirs by name, or the current one of their kubeconfig files.

Only for commands that people type. The operator, tests and tools name file and context, and never
come here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from kubernetes.aio.config import ConfigException
from kubernetes.aio.config.kube_config import KubeConfigMerger

from regnant.cluster.connection import Kubeconfig
from regnant.cluster.errors import UnavailableError

DEFAULT_NAMESPACE = "default"


@dataclass(frozen=True, slots=True)
class Place:
    """A cluster, and the namespace that its context names."""

    access: Kubeconfig
    namespace: str


def files(named: str, environment: Mapping[str, str]) -> str:
    """The kubeconfig files as kubectl chooses them: by flag, by KUBECONFIG, or the usual one.

    Several are joined by `:`, as in KUBECONFIG.
    """
    home = environment.get("HOME", "")
    return named or environment.get("KUBECONFIG", "") or f"{home}/.kube/config"


def exist(paths: str) -> bool:
    """Whether any of the files is there."""
    return any(path and Path(path).expanduser().is_file() for path in paths.split(os.pathsep))


def place(paths: str, context: str) -> Place:
    """The context of that name in the files, or the current one.

    Raises:
        UnavailableError: the files, or the context in them, cannot be read.
    """
    if not exist(paths):
        raise UnavailableError(f"there is no kubeconfig file {paths}")
    try:
        merged = KubeConfigMerger(paths).config
        found = [node.value for node in merged["contexts"].value]
        name = context or merged.safe_get("current-context") or ""
    except (ConfigException, yaml.YAMLError, OSError, AttributeError, TypeError) as error:
        raise UnavailableError(f"{paths} is no kubeconfig: {error}") from error
    chosen = next((each for each in found if each.get("name") == name), None)
    if chosen is None:
        known = ", ".join(sorted(str(each.get("name")) for each in found)) or "none"
        missing = f"no context {name}" if name else "no current context"
        raise UnavailableError(f"{paths} has {missing}; its contexts: {known}")
    namespace = (chosen.get("context") or {}).get("namespace") or DEFAULT_NAMESPACE
    return Place(Kubeconfig(Path(paths), name), namespace)
