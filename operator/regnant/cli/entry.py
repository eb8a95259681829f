"""Where both installed scripts start: arguments first, then all that takes time to import."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from regnant.bundling.order import Order
from regnant.cli.arguments import Options, parse

_PLUGIN = "kubectl-regnant"
_INTERRUPTED = 130
_NOT_INSTALLED = 3


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code."""
    called = Path(sys.argv[0]).name
    # kubectl finds its plugins by their name, and its users know them by two words.
    program = "kubectl regnant" if called == _PLUGIN else "regnant"
    options = parse(program, sys.argv[1:] if argv is None else argv)
    try:
        return _run(options)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python must not complain when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(options: Options) -> int:
    if options.order:
        return _bundle(options.order)
    try:
        from regnant.cli import commands
        from regnant.cli.errors import CommandError
    except ModuleNotFoundError as missing:
        sys.stderr.write(
            f"{missing.name} is not installed; install regnant with its command line: "
            "pip install 'regnant[cli]'\n"
        )
        return _NOT_INSTALLED
    try:
        code = commands.run(options)
        sys.stdout.flush()
    except CommandError as error:
        commands.failure(error, options.output)
        return error.code
    return code


def _bundle(order: Order) -> int:
    """`bundle` needs other packages than the commands that speak to a cluster."""
    from regnant.cli.errors import CommandError, say

    try:
        from regnant.cli import bundling
    except ModuleNotFoundError as missing:
        sys.stderr.write(
            f"{missing.name} is not installed; install regnant with what it makes bundles by: "
            "pip install 'regnant[bundle]'\n"
        )
        return _NOT_INSTALLED
    try:
        code = bundling.run(order)
        sys.stdout.flush()
    except CommandError as error:
        say(error)
        return error.code
    return code
