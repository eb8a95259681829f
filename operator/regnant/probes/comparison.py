"""Whether a model's answer is the one that was expected of it; pure.

Floating-point values may differ by absolute + relative * |expected|, as the bundle says; everything
else is equal or not. Values that JSON cannot write (NaN, infinities) are null on both sides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from regnant.probes.errors import AnswerError


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a floating-point value may be from the expected one."""

    absolute: float
    relative: float

    def __str__(self) -> str:
        return f"absolute {self.absolute:g} + relative {self.relative:g}"


@dataclass(frozen=True, slots=True)
class Tensor:
    """One named tensor of the Open Inference Protocol, flat and row-major."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: tuple[Any, ...]

    def position(self, index: int) -> str:
        """Where the flat `index` is, as in [3, 1]."""
        place: list[int] = []
        for size in reversed(self.shape):
            index, rest = divmod(index, size)
            place.insert(0, rest)
        return str(place)


def read_tensors(document: Any, field: str) -> tuple[Tensor, ...]:
    """The tensors of a V2 document.

    Raises:
        AnswerError: they are not spelled as the protocol asks.
    """
    try:
        return tuple(
            Tensor(
                str(item["name"]),
                str(item["datatype"]),
                tuple(int(size) for size in item["shape"]),
                tuple(_flat(item["data"])),
            )
            for item in document[field]
        )
    except (KeyError, TypeError, ValueError) as error:
        raise AnswerError(f"the field {field} is not a list of V2 tensors: {error!r}") from error


def first_difference(
    expected: Sequence[Tensor], got: Sequence[Tensor], tolerance: Tolerance
) -> str | None:
    """The first difference in words, or None where the answers are the same."""
    answered = {tensor.name: tensor for tensor in got}
    for want in expected:
        difference = _tensor_difference(want, answered, tolerance)
        if difference:
            return f'tensor "{want.name}": {difference}'
    return None


def _tensor_difference(
    want: Tensor, answered: Mapping[str, Tensor], tolerance: Tolerance
) -> str | None:
    got = answered.get(want.name)
    if got is None:
        return "expected, but not answered"
    if got.shape != want.shape or len(got.data) != len(want.data):
        return f"expected shape {list(want.shape)}, got {list(got.shape)}"
    equal = _close if want.datatype.startswith("FP") else _same
    pairs = zip(want.data, got.data, strict=True)
    wrong = [at for at, (one, other) in enumerate(pairs) if not equal(one, other, tolerance)]
    if not wrong:
        return None
    first = wrong[0]
    return (
        f"at {want.position(first)} expected {want.data[first]!r}, got {got.data[first]!r}; "
        f"{len(wrong)} of {len(want.data)} values differ by more than {tolerance}"
    )


def _close(want: Any, got: Any, tolerance: Tolerance) -> bool:
    if not isinstance(want, int | float) or not isinstance(got, int | float):
        return bool(want == got)
    return abs(want - got) <= tolerance.absolute + tolerance.relative * abs(want)


def _same(want: Any, got: Any, _: Tolerance) -> bool:
    return bool(want == got)


def _flat(data: Any) -> Iterator[Any]:
    for item in data:
        if isinstance(item, list):
            yield from _flat(item)
        else:
            yield item
