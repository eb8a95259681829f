"""The command line as people type it, turned into one record a command.

Nothing else reads `argv`. Kinds are accepted as kubectl users write them: `NAME`, `infsvc/NAME`,
`inferenceservice NAME`. This module imports nothing heavy, so `--help` and typing mistakes answer
at once.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, NoReturn

from regnant.bundling.order import Order
from regnant.cli import ordering

COMMANDS = {
    "status": "Where a service is, as a tree; without NAME, all services of the namespace",
    "explain": "Why this version serves, why not that one, and what you can do now, in words",
    "history": "Who answered from when to when, and why",
    "promote": "End the shadow or step well; with --full, give the candidate all the traffic",
    "abort": "Turn the candidate down and take its traffic away",
    "pause": "Hold the rollout where it is; a failing candidate still loses its traffic",
    "resume": "Let a paused rollout go on",
    "retry": "Let a version that was turned down, or gone back from, try again",
    "rollback": "Return to the former version, or to an earlier one with --to",
}
READING = ("status", "explain", "history")
EXIT_CODES = """\
exit codes:
  0    done
  1    refused: by the operator, because the service is not in that state, or because a model does
       not prove itself
  2    the command line cannot be understood
  3    not found, forbidden, or the cluster or the store does not answer
  4    asked, and not answered within --timeout
"""

_KINDS = frozenset({"infsvc", "inferenceservice", "inferenceservices"})
_GROUP = ".regnant.dev"
_TIMEOUT = re.compile(r"(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,9})s)?")

Output = Literal["text", "json"]
_Mistake = Callable[[str], NoReturn]


@dataclass(frozen=True, slots=True)
class Options:
    """One command, understood."""

    program: str
    """How the user calls us, for the commands that are suggested."""
    command: str
    name: str = ""
    version: int | None = None
    """The version that `retry` and `rollback --to` name."""
    kubeconfig: str = ""
    context: str = ""
    namespace: str = ""
    all_namespaces: bool = False
    output: Output = "text"
    watch: bool = False
    at: str = ""
    full: bool = False
    transition: str = ""
    wait: bool = True
    timeout: timedelta = timedelta(minutes=1)
    dry_run: bool = False
    force: bool = False
    order: Order | None = None
    """What `bundle` is to make."""


def parse(program: str, words: Sequence[str]) -> Options:
    """Understand the command line; help and mistakes end the program (0 and 2)."""
    parser = _parser(program)
    given, scattered = parser.parse_known_args(words)
    found = vars(given)
    subparser: argparse.ArgumentParser = found.pop("subparser")
    unknown = [word for word in scattered if word.startswith("-")]
    if unknown:
        subparser.error(f"unrecognized arguments: {' '.join(unknown)}")
    # Options may stand between the words, which argparse hands back as left over.
    rest: list[str] = [*found.pop("words"), *scattered]
    if given.command == ordering.COMMAND:
        order = ordering.order_of(found, rest, subparser.error)
        return Options(program=program, command=ordering.COMMAND, order=order)
    name, following = _service_name(rest, subparser.error)
    version: str | None = found.pop("to", None)
    if given.command == "retry":
        version = following.pop(0) if following else None
        if version is None:
            subparser.error("say which version is to be tried again: retry NAME VERSION")
    if following:
        subparser.error(f"one service at a time; what is {following[0]!r}?")
    if not name and given.command != "status":
        subparser.error("say which InferenceService: NAME, or infsvc/NAME")
    if found["all_namespaces"] and name:
        subparser.error("-A is for all services; leave it out, or the name")
    number = _version(version, subparser.error) if version else None
    return Options(program=program, name=name, version=number, **found)


def _service_name(words: Sequence[str], mistake: _Mistake) -> tuple[str, list[str]]:
    """The service's name, and the words after it."""
    if not words:
        return "", []
    first, *following = words
    kind, slash, name = first.partition("/")
    if slash:
        if not _is_kind(kind) or not name:
            mistake(f"{first!r} is no InferenceService; write NAME, or infsvc/NAME")
        return name, following
    if _is_kind(first) and following:
        return following[0], following[1:]
    return first, following


def _is_kind(word: str) -> bool:
    lower = word.lower()
    return lower.removesuffix(".v1alpha1" + _GROUP).removesuffix(_GROUP) in _KINDS


def _version(word: str, mistake: _Mistake) -> int:
    """`4`, `churn-4` or `mv/churn-4`."""
    found = re.fullmatch(r"(?:[a-z]+/)?(?:[a-z0-9-]*-)?([1-9][0-9]{0,5})", word.lower())
    if found is None:
        mistake(f"{word!r} is no version; write its number, such as 4, or its name, churn-4")
    return int(found[1])


def _timeout(text: str) -> timedelta:
    found = _TIMEOUT.fullmatch(text)
    if not text or found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration such as 90s, 10m or 1h30m")
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def _parser(program: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program,
        description="See and steer how versions of a model take over from one another.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--version",
        action=_Version,
        nargs=0,
        dest=argparse.SUPPRESS,
        default=argparse.SUPPRESS,
        help="Show the version and exit",
    )
    _connection(parser, default="")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        _command(commands, name, summary)
    ordering.add_bundle(commands, EXIT_CODES)
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, summary: str
) -> None:
    own = commands.add_parser(
        name,
        help=summary,
        description=f"{summary}.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        usage=f"%(prog)s {_PLACES.get(name, 'NAME')} [options]",
    )
    own.add_argument("words", nargs="*", metavar=_PLACES.get(name, "NAME"), help=_WORDS_HELP)
    # Said before or after the command; said nowhere, the outer parser's default stays.
    _connection(own, default=argparse.SUPPRESS)
    own.add_argument(
        "-o", "--output", choices=("text", "json"), default="text", help="json is for programs"
    )
    own.set_defaults(subparser=own)
    if name == "status":
        own.add_argument(
            "-A", "--all-namespaces", action="store_true", help="Services of all namespaces"
        )
        own.add_argument("-w", "--watch", action="store_true", help="Keep it up to date")
    else:
        own.set_defaults(all_namespaces=False)
    if name == "history":
        own.add_argument(
            "--at",
            default="",
            metavar="TIME",
            help="Who answered then: 2026-11-21T15:40:00Z, 15:40, 2h, '2h ago', '3 days ago'",
        )
    if name not in READING:
        _action(own, name)


_PLACES = {"status": "[NAME]", "retry": "NAME VERSION"}
_WORDS_HELP = "The InferenceService: NAME, infsvc/NAME or inferenceservice NAME"


def _connection(parser: argparse.ArgumentParser, *, default: str) -> None:
    for flags, words in (
        (("-n", "--namespace"), "The namespace; left out, the context's"),
        (("--context",), "The context of the kubeconfig; left out, the current one"),
        (("--kubeconfig",), "The kubeconfig file; left out, KUBECONFIG or ~/.kube/config"),
    ):
        parser.add_argument(
            *flags, default=default, metavar=flags[-1].strip("-").upper(), help=words
        )


def _action(parser: argparse.ArgumentParser, name: str) -> None:
    parser.add_argument(
        "--transition",
        default="",
        metavar="ID",
        help="Ask only if this rollout is the open one (status -o json: .status.rollout.id)",
    )
    parser.add_argument(
        "--no-wait", dest="wait", action="store_false", help="Do not wait for the answer"
    )
    parser.add_argument(
        "--timeout", type=_timeout, default=timedelta(minutes=1), help="How long to wait: 90s, 10m"
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="Let the API server check it, permissions included, and change nothing",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="Take the place of what somebody asked for and the operator has not answered yet",
    )
    if name == "promote":
        parser.add_argument(
            "--full", action="store_true", help="Give the candidate all the traffic at once"
        )
    if name == "rollback":
        parser.add_argument("--to", metavar="VERSION", help="The version to return to")


class _Version(argparse.Action):
    """Shows the installed version; it is looked up only when it is asked for."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,  # noqa: ARG002 - argparse calls it so
        values: object,  # noqa: ARG002
        option_string: str | None = None,  # noqa: ARG002
    ) -> None:
        from importlib.metadata import version

        parser.exit(message=f"{parser.prog} {version('regnant')}\n")
