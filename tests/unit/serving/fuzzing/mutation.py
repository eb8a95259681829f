"""Bytes made wrong, the same way every time: all chance comes from one seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

NASTY = (
    b"\x00",
    b"\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\xff" * 9,
    b"\x80" * 12,
    b"%00",
    b"../",
    b"-1",
    b"0x10",
    b"1e999",
    b"18446744073709551616",
    b"9" * 5000,
    b"\xed\xa0\x80",
    b"{",
    b"[" * 300,
    b'"',
)
_MOST_COPIED = 64


def mutate(content: bytes, random: Random) -> bytes:
    """Make a few changes, often one."""
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        content = random.choice(_CHANGES)(content, random)
    return content


def cut(content: bytes, random: Random) -> bytes:
    """Leave out the end."""
    return content[: random.randrange(len(content) + 1)]


def _part(content: bytes, random: Random) -> tuple[int, int]:
    start = random.randrange(len(content) + 1)
    return start, min(len(content), start + random.randrange(1, _MOST_COPIED))


def _flip(content: bytes, random: Random) -> bytes:
    if not content:
        return content
    changed = bytearray(content)
    changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _overwrite(content: bytes, random: Random) -> bytes:
    if not content:
        return content
    changed = bytearray(content)
    changed[random.randrange(len(changed))] = random.choice((0, 1, 0x7F, 0x80, 0xFF))
    return bytes(changed)


def _remove(content: bytes, random: Random) -> bytes:
    start, end = _part(content, random)
    return content[:start] + content[end:]


def _repeat(content: bytes, random: Random) -> bytes:
    start, end = _part(content, random)
    return content[:end] + content[start:end] * random.choice((1, 2, 50)) + content[end:]


def _move(content: bytes, random: Random) -> bytes:
    start, end = _part(content, random)
    rest = content[:start] + content[end:]
    place = random.randrange(len(rest) + 1)
    return rest[:place] + content[start:end] + rest[place:]


def _insert(content: bytes, random: Random) -> bytes:
    place = random.randrange(len(content) + 1)
    return content[:place] + random.choice(NASTY) + content[place:]


_CHANGES: tuple[Callable[[bytes, Random], bytes], ...] = (
    cut,
    _flip,
    _flip,
    _overwrite,
    _remove,
    _repeat,
    _move,
    _insert,
)
