"""The options of `regnant bundle`, turned into the order that is carried out.

It asks no cluster, so it shares no option with the other commands but the namespace, which it
writes into the manifest.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn

from regnant.bundling.order import Order

COMMAND = "bundle"
SUMMARY = "Make any ONNX model ready to be served: prove it, push it, print its ModelVersion"
_LARGEST_VERSION = 999_999


def add_bundle(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], epilog: str
) -> argparse.ArgumentParser:
    """Add the command with all of its options."""
    own = commands.add_parser(
        COMMAND,
        help=SUMMARY,
        description=f"{SUMMARY}.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        usage="%(prog)s FILE.onnx --golden ROWS [--push oci://HOST/REPOSITORY:NUMBER] [options]",
    )
    own.add_argument("words", nargs="*", metavar="FILE.onnx", help="The model, in one file")
    own.set_defaults(subparser=own)
    _about_the_model(own.add_argument_group("the model"))
    _about_the_answers(own.add_argument_group("its golden rows"))
    _about_the_store(own.add_argument_group("where it goes"))
    return own


def _about_the_model(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--name", default="", help="The model's name; left out, the file's")
    group.add_argument(
        "--number",
        type=_number,
        metavar="N",
        help="The number of this version; left out, the tag of --push",
    )
    group.add_argument(
        "--task",
        choices=("Classification", "Regression", "Other"),
        help="What it answers with; left out, what its outputs look like",
    )
    group.add_argument(
        "--classes",
        type=_names,
        default=(),
        metavar="A,B",
        help="The classes, in the order of the probabilities",
    )
    group.add_argument(
        "--columns",
        type=_names,
        default=(),
        metavar="A,B",
        help="The names of a row's values, in the order of the inputs",
    )
    group.add_argument(
        "--metric",
        dest="metrics",
        action="append",
        default=[],
        metavar="NAME=NUMBER",
        help="What was measured on rows that it was not trained on; may be repeated",
    )
    group.add_argument(
        "--card", type=Path, metavar="FILE", help="The model card; left out, a short one is written"
    )


def _about_the_answers(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--golden",
        type=Path,
        required=True,
        metavar="ROWS",
        help="Rows to ask, best with the framework's own answers: a V2 request in JSON, or an .npz "
        "file with an array for each tensor",
    )
    for kind, words in (("absolute", "1e-5"), ("relative", "1e-4")):
        group.add_argument(
            f"--tolerance-{kind}",
            dest=kind,
            type=_tolerance,
            metavar="X",
            help=f"How far an answer may be from the given one; {words} if nothing else is said",
        )


def _about_the_store(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--into", type=Path, metavar="DIRECTORY", help="Write the bundle there")
    group.add_argument(
        "--push",
        default="",
        metavar="URI",
        help="Push it: oci://HOST[:PORT]/REPOSITORY[:TAG]; the ModelVersion goes to the output",
    )
    group.add_argument(
        "--cluster-uri",
        default="",
        metavar="URI",
        help="The same repository as the cluster reaches it, where that is another address",
    )
    group.add_argument(
        "--pull-secret",
        default="",
        metavar="NAME",
        help="The Secret that the cluster pulls it with, where the store's own will not do",
    )
    group.add_argument(
        "--credentials",
        type=Path,
        metavar="FILE",
        help="A Docker configuration with your login; left out, that of docker and oras",
    )
    group.add_argument(
        "--ca-file", type=Path, metavar="FILE", help="The authority of the registry's certificate"
    )
    group.add_argument("--plain-http", action="store_true", help="The registry speaks no TLS")
    group.add_argument(
        "-n",
        "--namespace",
        default=argparse.SUPPRESS,
        metavar="NAMESPACE",
        help="The namespace to write into the ModelVersion",
    )
    group.add_argument(
        "-o", "--output", choices=("yaml", "json"), default="yaml", help="How it is spelled"
    )


def order_of(
    found: dict[str, Any], words: Sequence[str], mistake: Callable[[str], NoReturn]
) -> Order:
    """The order that these options make."""
    if len(words) != 1:
        mistake("name one ONNX file" if not words else f"one file at a time: {' '.join(words)}")
    taken = {one.name: found[one.name] for one in fields(Order) if one.name in found}
    return Order(model=Path(words[0]), **taken | {"metrics": tuple(found["metrics"])})


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of names such as a,b,c")
    return names


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= _LARGEST_VERSION):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of a version, such as 3")
    return int(text)


def _tolerance(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 on, such as 1e-4")
    return value
