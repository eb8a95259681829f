"""People wait for every import: what is not needed for an answer is not loaded for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("pydantic", "kubernetes", "aiohttp", "rich", "regnant.api", "asyncio")


def loaded(statement: str) -> list[str]:
    """Which of the heavy packages a statement loads, in a fresh interpreter."""
    program = f"""
import sys
try:
    {statement}
except SystemExit:
    pass
print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    found: list[str] = eval(ran.stderr.splitlines()[-1])
    return found


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["promote"], ["promote", "--help"]])
def test_help_and_mistakes_load_nothing_heavy(words: list[str]) -> None:
    assert not loaded(f"from regnant.cli.entry import main; main({words!r})")


def test_what_prints_json_draws_nothing() -> None:
    assert "rich" not in loaded("import regnant.cli.commands")
