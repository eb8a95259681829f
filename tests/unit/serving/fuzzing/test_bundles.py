"""A thousand malformed bundles: each is served or refused for a reason, and none takes more.

The bundles are the same on every run. `REGNANT_FUZZ_SEED` makes others, and
`REGNANT_FUZZ_BUNDLES` more of them.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.unit.serving.fuzzing.bundles import valid, write, write_malformed
from tests.unit.serving.fuzzing.loading import loader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.unit.serving.bundles import Written
    from tests.unit.serving.fuzzing.loading import Ended

    Load = Callable[[Written], Ended]

SEED = int(os.environ.get("REGNANT_FUZZ_SEED", "5"))
BUNDLES = int(os.environ.get("REGNANT_FUZZ_BUNDLES", "1000"))
REASONS = {"BundleInvalid", "BundleNotFound", "ModelLoadFailed", "GoldenMismatch"}
MOST_KIB = 512 * 1024
"""What a load may have at a time, libraries included; the good ones have an eighth."""


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Load]:
    with loader() as one:
        good = write(tmp_path_factory.mktemp("good"), next(iter(valid().values())))
        assert one(good).how == "served"
        yield one


@pytest.mark.parametrize("name", valid())
def test_a_graph_that_is_right_is_served(load: Load, tmp_path: Path, name: str) -> None:
    ended = load(write(tmp_path, valid()[name]))
    assert ended[:3] == ("served", "", "")


def test_no_bundle_makes_a_server_crash_or_hang_or_take_all_memory(
    load: Load, tmp_path: Path
) -> None:
    told: Counter[str] = Counter()
    for number in range(BUNDLES):
        directory = tmp_path / str(number)
        ended = load(write_malformed(directory, number, SEED))
        where = f"seed {SEED}, bundle {number}: {ended}"
        assert ended.how in ("served", "refused"), where
        assert ended.kib < MOST_KIB, where
        if ended.how == "refused":
            assert ended.reason in REASONS, where
            assert " " in ended.message, where
        told[ended.reason or ended.how] += 1
        shutil.rmtree(directory)
    # The bundles are worth their while only if most are wrong, in what is read first and last.
    assert told.keys() >= {"served", "BundleInvalid", "ModelLoadFailed", "GoldenMismatch"}
    assert told["served"] < BUNDLES / 3
