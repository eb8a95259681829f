"""The command line: python3 -m e2e.cluster COMMAND; see --help."""

from __future__ import annotations

import argparse
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from .control_plane import component_control_plane
from .errors import ClusterError, NotRunningError
from .images import IMAGES, PROJECT_IMAGES, Images
from .local import LocalCluster
from .packages import install_packages
from .programs import build_programs, families, linked_programs
from .settings import Settings


def main(arguments: list[str]) -> int:
    # kubectl's own flags must reach it untouched, and its own --help too.
    options = None if arguments[:1] == ["kubectl"] else _parser().parse_args(arguments)
    try:
        settings = Settings.from_environment()
        if options is None:
            _kubectl(settings, arguments[1:])
        return _perform(options, settings)
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _kubectl(settings: Settings, words: list[str]) -> NoReturn:
    if not settings.kubeconfig.exists():
        raise NotRunningError
    program = str(linked_programs(settings) / "kubectl")
    os.execv(program, [program, f"--kubeconfig={settings.kubeconfig}", *words])


def _perform(options: argparse.Namespace, settings: Settings) -> int:
    cluster = LocalCluster(settings)
    match options.command:
        case "up":
            _bring_up(cluster, settings, with_images=options.images)
        case "images":
            _bring_images_up_to_date(options, cluster, settings)
        case "down":
            cluster.down()
        case "status":
            return 0 if cluster.status() else 1
        case "load":
            names = [word for word in options.image if word in IMAGES]
            if names:
                images = Images(settings)
                images.load(images.build(names), cluster.node_images())
            cluster.load(Path(word) for word in options.image if word not in IMAGES)
        case "tools":
            known = [name for family in families(settings) for name in family.programs]
            build_programs(settings, options.name or known)
            print(linked_programs(settings))
        case "apiserver-up":
            plane = component_control_plane(options.directory.absolute(), settings)
            plane.start()
            print(plane.kubeconfig)
        case "apiserver-down":
            component_control_plane(options.directory.absolute(), settings).stop()
    return 0


def _bring_up(cluster: LocalCluster, settings: Settings, *, with_images: bool) -> None:
    if not with_images:
        cluster.up()
        return
    install_packages()
    images = Images(settings)
    # The base waits for the network and Go for the processor: together they cost the longer.
    with ThreadPoolExecutor(max_workers=2) as pool:
        building = pool.submit(images.build, [])
        # Whoever wants images installs a chart next.
        helm = pool.submit(build_programs, settings, ["helm"])
        cluster.up()
        images.load(building.result(), cluster.node_images())
        helm.result()


def _bring_images_up_to_date(
    options: argparse.Namespace, cluster: LocalCluster, settings: Settings
) -> None:
    prefix = options.prefix or settings.image_prefix
    images = Images(replace(settings, image_prefix=prefix))
    built = images.build(options.name or (PROJECT_IMAGES if options.push else ()))
    images.report_sizes(built)
    if options.push:
        images.push(built, plain_http=options.plain_http)
    elif cluster.is_up():
        images.load(built, cluster.node_images())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m e2e.cluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="bring the cluster up, or complete it; may be repeated")
    up.add_argument("--images", action="store_true", help="with all images built and loaded")
    commands.add_parser("down", help="end the cluster and remove all that it made")
    commands.add_parser("status", help="what runs; ends with 0 when the cluster is up")
    load = commands.add_parser("load", help="bring images to the node")
    load.add_argument("image", nargs="+", help="an archive's path, or the name of an image of ours")
    images = commands.add_parser(
        "images", help="build what changed; load it into the cluster when that is up"
    )
    images.add_argument("name", nargs="*", help=f"any of {', '.join(IMAGES)}")
    images.add_argument("--prefix", help="registry and namespace, such as ghcr.io/me")
    images.add_argument("--push", action="store_true", help="push to the prefix's registry")
    images.add_argument(
        "--plain-http",
        action="store_true",
        help="the registry speaks HTTP, such as one on loopback",
    )
    tools = commands.add_parser("tools", help="build programs; prints the folder of links")
    tools.add_argument("name", nargs="*")
    commands.add_parser("kubectl", help="kubectl on this cluster; all words are passed on")
    for name, does in (("up", "start"), ("down", "end")):
        plane = commands.add_parser(
            f"apiserver-{name}", help=f"{does} etcd and kube-apiserver alone, on loopback"
        )
        plane.add_argument("directory", type=Path)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
