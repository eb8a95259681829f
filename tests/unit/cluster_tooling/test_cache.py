"""A cache entry is complete or absent, and its key tells any two inputs apart."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e.cluster.cache import cached_folder, content_key, file_parts

PARTS = st.lists(st.one_of(st.text(max_size=6), st.binary(max_size=6)), max_size=5)


def encoded(parts: list[str | bytes]) -> list[bytes]:
    return [part.encode() if isinstance(part, str) else part for part in parts]


@given(PARTS, PARTS)
def test_two_lists_share_a_key_only_when_they_are_equal(
    one: list[str | bytes], other: list[str | bytes]
) -> None:
    assert (content_key(one) == content_key(other)) == (encoded(one) == encoded(other))


def test_where_one_part_ends_matters() -> None:
    assert content_key(["ab", "c"]) != content_key(["a", "bc"])


def test_a_moved_or_changed_file_changes_the_parts(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("x")
    before = file_parts(tmp_path, [file])
    file.chmod(0o755)
    executable = file_parts(tmp_path, [file])
    moved = file.rename(tmp_path / "b")
    assert len({str(parts) for parts in (before, executable, file_parts(tmp_path, [moved]))}) == 3


def test_an_entry_is_built_once(tmp_path: Path) -> None:
    calls = []

    def build(folder: Path) -> None:
        calls.append(folder)
        (folder / "program").write_text("built")

    for _ in range(2):
        assert (cached_folder(tmp_path, "tool", "key", build) / "program").read_text() == "built"
    assert len(calls) == 1


def test_a_build_that_fails_leaves_nothing_that_looks_like_a_result(tmp_path: Path) -> None:
    def interrupted(folder: Path) -> None:
        (folder / "half").write_text("written")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached_folder(tmp_path, "tool", "key", interrupted)
    assert [path.name for path in tmp_path.iterdir()] == [".locks"]


def test_what_a_killed_build_left_is_removed_by_the_next(tmp_path: Path) -> None:
    leftover = tmp_path / ".partial-tool-key-abc"
    leftover.mkdir()
    (leftover / "half").write_text("written")
    entry = cached_folder(tmp_path, "tool", "key", lambda folder: None)
    assert not leftover.exists()
    assert list(entry.iterdir()) == []
