"""What a command asks for, given what the service is."""

from __future__ import annotations

import pytest

from regnant.cli.arguments import parse
from regnant.cli.asking import intended
from regnant.cli.errors import RefusedError
from tests.unit.cli.situations import situation


def test_a_rollback_while_it_is_watched_returns_to_the_former_version() -> None:
    assert intended(situation("watching"), parse("regnant", ["rollback", "churn"])).version == 3


def test_a_rollback_after_a_return_is_not_to_the_version_that_was_left() -> None:
    with pytest.raises(RefusedError, match="name one with --to"):
        intended(situation("rolled back"), parse("regnant", ["rollback", "churn"]))
