"""What the operator's process is told: by arguments, or by the environment variables beside them.

Parsed once, at the start, into one frozen record. What training and serving pods are made from goes
on as `Platform`.
"""

from __future__ import annotations

import argparse
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

from regnant.cluster.connection import Access, InCluster, Kubeconfig
from regnant.manifests.platform import Platform

LogFormat = Literal["json", "text"]


@dataclass(frozen=True, slots=True)
class Settings:
    """One operator's configuration."""

    platform: Platform
    access: Access
    namespaces: tuple[str, ...]
    """The namespaces that are looked after; none means all."""
    concurrency: int
    leader_elect: bool
    identity: str
    """What this replica is called as a leader."""
    home: str
    """The namespace of the operator itself, where its Lease is."""
    log_format: LogFormat
    metrics_port: int
    health_port: int
    resync: timedelta = timedelta(minutes=10)
    drain: timedelta = timedelta(seconds=20)
    stuck_after: timedelta = timedelta(minutes=10)
    """The age of an unfinished key at which the process is taken for dead."""


def parse(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """The settings; exits with a message that names the argument where one is wrong."""
    parser = _parser(environment)
    given = parser.parse_args(arguments)
    for needed in ("trainer_image", "server_image", "router_image", "store_uri"):
        if not getattr(given, needed):
            option = "--" + needed.replace("_", "-")
            parser.error(f"{option} is required, or {_variable(option)} in the environment")
    if bool(given.kubeconfig) != bool(given.context):
        parser.error("--kubeconfig and --context go together: a cluster is named, never guessed")
    return Settings(
        platform=_platform(given, environment),
        access=Kubeconfig(given.kubeconfig, given.context) if given.kubeconfig else InCluster(),
        namespaces=tuple(dict.fromkeys(given.namespace)),
        concurrency=given.concurrency,
        leader_elect=given.leader_elect,
        identity=environment.get("POD_NAME") or socket.gethostname(),
        home=environment.get("POD_NAMESPACE") or "default",
        log_format=given.log_format,
        metrics_port=given.metrics_port,
        health_port=given.health_port,
        resync=timedelta(seconds=given.resync_seconds),
    )


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m regnant.handlers", description="Run the Regnant operator."
    )

    def option(name: str, text: str) -> None:
        default = environment.get(_variable(name), "")
        parser.add_argument(name, default=default, help=f"{text} [{_variable(name)}]")

    option("--trainer-image", "the image of training Jobs")
    option("--server-image", "the image of model servers")
    option("--router-image", "the image of routers")
    option("--store-uri", "where bundles are kept: oci://HOST[:PORT]/PREFIX")
    option("--store-secret", "the dockerconfigjson Secret for the store in the users' namespaces")
    add = parser.add_argument
    add("--store-plain-http", action="store_true", help="the store speaks HTTP without TLS")
    add("--image-pull-policy", default="IfNotPresent", choices=["Always", "IfNotPresent", "Never"])
    add("--image-pull-secret", action="append", default=[], help="may be repeated")
    add(
        "--namespace",
        action="append",
        default=[],
        help="look after this namespace only; may be repeated; all namespaces without it",
    )
    add("--kubeconfig", type=Path, help="outside of a cluster: the file to use, with --context")
    add("--context", help="the context of --kubeconfig")
    add("--concurrency", type=_positive, default=8, help="how many objects at the same time")
    add("--leader-elect", action="store_true", help="act only while holding the Lease")
    add("--log-format", choices=["json", "text"], default="json")
    add("--metrics-port", type=int, default=8000, help="where /metrics is served")
    add("--health-port", type=int, default=8001, help="where /healthz and /readyz are served")
    add("--resync-seconds", type=_positive, default=600, help="look at everything this often")
    return parser


def _platform(given: argparse.Namespace, environment: Mapping[str, str]) -> Platform:
    return Platform(
        trainer_image=given.trainer_image,
        server_image=given.server_image,
        router_image=given.router_image,
        store_uri=given.store_uri,
        store_plain_http=given.store_plain_http,
        store_secret_name=given.store_secret,
        image_pull_policy=given.image_pull_policy,
        image_pull_secrets=tuple(given.image_pull_secret),
        operator_namespace=environment.get("POD_NAMESPACE", ""),
    )


def _variable(option: str) -> str:
    return "REGNANT_" + option.removeprefix("--").replace("-", "_").upper()


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
