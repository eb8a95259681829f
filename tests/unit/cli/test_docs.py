"""What docs/cli.md shows is what the commands print.

`<!-- shown: SITUATIONS: COMMAND -->` stands above each. `python -m tests.unit.cli.test_docs` writes
what belongs there.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from regnant.cli import pages, tree
from regnant.cli.errors import CommandError
from regnant.cli.explanation import explain
from regnant.cli.record import answered_at
from regnant.cli.screen import show
from regnant.cli.standing import standing
from regnant.cli.times import parse_time
from tests.unit.cli.situations import NOW, situation

PAGE = Path(__file__).resolve().parents[3] / "docs" / "cli.md"
WIDTH = 80
_SHOWN = re.compile(
    r"<!-- shown: (?P<names>[^:]+): (?P<command>.+?) -->\n(?P<block>(?:\n| {4}.*\n)*)"
)


def printed(names: str, command: str) -> str:
    """What the command prints of the situations, as a block of the page."""
    seen = [standing(situation(name.strip()), NOW) for name in names.split(",")]
    out = io.StringIO()
    console = Console(file=out, width=WIDTH, highlight=False, emoji=False, markup=False)
    what: RenderableType
    first, word, _, at = seen[0], *f"{command}  ".split(" ")[:3]
    match word:
        case "status":
            what = tree.tree(first, console)
        case "list":
            what, command = pages.services(seen, namespaces=True), "status -A"
        case "explain":
            what = pages.explanation(first, explain(first, "regnant"))
        case _ if at:
            what = pages.answered(first, answered_at(first.service, parse_time(at, NOW)))
        case _:
            what = pages.reigns(first)
    show(console, what)
    words = command.split(" ", 1)
    typed = " ".join(["$ regnant", words[0], *([] if word == "list" else ["churn"]), *words[1:]])
    lines = [typed, *out.getvalue().splitlines()]
    return "".join(f"    {line}".rstrip() + "\n" for line in lines)


def shown() -> Iterator[re.Match[str]]:
    return _SHOWN.finditer(PAGE.read_text())


@pytest.mark.parametrize("found", list(shown()), ids=lambda found: found[0].splitlines()[0])
def test_the_page_shows_what_is_printed(found: re.Match[str]) -> None:
    assert found["block"].strip("\n") == printed(found["names"], found["command"]).strip("\n")


def test_there_are_blocks_to_check() -> None:
    assert len(list(shown())) >= 8


def test_every_exit_code_is_documented() -> None:
    def leaves(root: type[CommandError]) -> Iterator[type[CommandError]]:
        for kind in root.__subclasses__():
            yield kind
            yield from leaves(kind)

    text = PAGE.read_text()
    codes = {kind.code for kind in leaves(CommandError)}
    assert codes == {1, 2, 3, 4}
    for code in codes:
        assert f"| {code} | " in text


def _write() -> None:
    def block(found: re.Match[str]) -> str:
        head = found[0].splitlines()[0]
        return f"{head}\n\n{printed(found['names'], found['command'])}\n"

    PAGE.write_text(_SHOWN.sub(block, PAGE.read_text()))


if __name__ == "__main__":
    _write()
