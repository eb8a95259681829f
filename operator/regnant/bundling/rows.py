"""Golden rows as a person has them: a V2 request in JSON, or numpy's arrays in an .npz file.

Both may hold the answers of the framework that trained the model beside the questions; then the
export is held against them. In JSON they are `outputs`, spelled as a V2 response. In an .npz file
an array is whatever tensor it is named after. Numbers of numpy are cast to the tensor's type where
that keeps their meaning; in JSON the type stands beside them and must be right.
"""

from __future__ import annotations

import io
import zipfile
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from regnant.bundling.errors import NotServableError, OutOfReachError
from regnant.serving.messages import RequestRefused
from regnant.serving.tensors import decode_tensors
from regnant.serving.wording import listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from regnant.serving.datatypes import Array, TensorSpec

_ZIP = b"PK"
_CASTS = {"f": "fiu", "i": "iu", "u": "iu", "b": "b"}
"""Which kinds of numpy's numbers may become which without another meaning."""


class GoldenFile(ABC):
    """A file of golden rows; the tensors that it is read by are known one after the other."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @abstractmethod
    def inputs(self, specs: Mapping[str, TensorSpec]) -> dict[str, Array]:
        """The questions, one array for every input."""

    @abstractmethod
    def outputs(self, specs: Mapping[str, TensorSpec]) -> dict[str, Array]:
        """The answers of the framework, for those outputs that the file has them for."""

    def tolerance(self) -> Mapping[str, Any]:
        """How far apart answers may be, where the file says so."""
        return {}

    def refused(self, what: str) -> NotServableError:
        """Why the file cannot be used."""
        return NotServableError(f"{self.path}: {what}")


def open_golden(path: Path) -> GoldenFile:
    """Open a file as what it is, whatever it is called."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise OutOfReachError(
            f"{path}: {error.strerror}; name the file with golden rows"
        ) from error
    return _Arrays(path, content) if content.startswith(_ZIP) else _Request(path, content)


def check_rows(
    path: Path, specs: Mapping[str, TensorSpec], arrays: Mapping[str, Array], rows: int | None
) -> int | None:
    """How many rows there are, on which all tensors that have rows must agree."""
    for name, array in arrays.items():
        if not specs[name].is_batched:
            continue
        found = array.shape[0]
        if not found:
            raise NotServableError(f'{path}: tensor "{name}" has no row; give at least one')
        if rows is not None and found != rows:
            raise NotServableError(f'{path}: tensor "{name}" has {found} rows, others have {rows}')
        rows = found
    return rows


class _Request(GoldenFile):
    """A V2 request, perhaps with the answers."""

    def __init__(self, path: Path, content: bytes) -> None:
        super().__init__(path)
        try:
            document = orjson.loads(content)
        except orjson.JSONDecodeError as error:
            raise self.refused(
                f"neither JSON ({error}) nor an .npz file; write a V2 request, or use numpy.savez"
            ) from error
        if type(document) is not dict or "inputs" not in document:
            raise self.refused('must be a JSON object with the list "inputs", as a V2 request is')
        self._document: dict[str, Any] = document

    def inputs(self, specs: Mapping[str, TensorSpec]) -> dict[str, Array]:
        return self._decoded("inputs", specs)

    def outputs(self, specs: Mapping[str, TensorSpec]) -> dict[str, Array]:
        entries = self._document.get("outputs") or []
        named = _names(entries)
        strangers = named - specs.keys()
        given = {name: spec for name, spec in specs.items() if name in named}
        return self._decoded("outputs", specs if strangers else given) if entries else {}

    def tolerance(self) -> Mapping[str, Any]:
        found = self._document.get("tolerance") or {}
        if not isinstance(found, dict) or set(map(type, found.values())) - {int, float}:
            raise self.refused('tolerance: must be an object of numbers: "absolute", "relative"')
        return found

    def _decoded(self, field: str, specs: Mapping[str, TensorSpec]) -> dict[str, Array]:
        try:
            return decode_tensors(self._document[field], specs, field)
        except RequestRefused as refused:
            raise self.refused(refused.message) from refused


def _names(entries: Any) -> set[str]:
    if not isinstance(entries, list):
        return set()
    named = (entry.get("name") for entry in entries if isinstance(entry, dict))
    return {name for name in named if isinstance(name, str)}


class _Arrays(GoldenFile):
    """Arrays of numpy, each under the name of its tensor."""

    def __init__(self, path: Path, content: bytes) -> None:
        super().__init__(path)
        self._arrays: dict[str, Array] = {}
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as stored:
                for name in stored.files:
                    self._arrays[name] = self._stored(stored, name)
        except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
            raise self.refused(f"not an .npz file: {error}; write it by numpy.savez") from error
        self._asked: frozenset[str] = frozenset()

    def _stored(self, stored: Any, name: str) -> Array:
        try:
            array: Array = stored[name]
        except ValueError as error:
            raise self.refused(
                f'array "{name}" holds Python objects; save text as numpy.array(texts, dtype=str)'
            ) from error
        return array

    def inputs(self, specs: Mapping[str, TensorSpec]) -> dict[str, Array]:
        missing = [spec for name, spec in specs.items() if name not in self._arrays]
        if missing:
            raise self.refused(
                f"no array is named after the inputs {listed(missing)}; it has {self._listed()}"
            )
        self._asked = frozenset(specs)
        return {name: self._fitted(spec) for name, spec in specs.items()}

    def outputs(self, specs: Mapping[str, TensorSpec]) -> dict[str, Array]:
        for name in self._arrays.keys() - self._asked - specs.keys():
            raise self.refused(
                f'array "{name}" is named after no tensor; the outputs are {listed(specs.values())}'
            )
        given = self._arrays.keys() - self._asked
        return {
            name: _as_written(self._fitted(spec)) for name, spec in specs.items() if name in given
        }

    def _fitted(self, spec: TensorSpec) -> Array:
        """An array as the tensor's type and shape; a last dimension of 1 may be there or not."""
        array = self._arrays[spec.name]
        shapes: Iterable[tuple[int, ...]] = (array.shape, (*array.shape, 1), array.shape[:-1])
        shape = next((one for one in shapes if _fits(spec, one, array)), None)
        if shape is None:
            raise self.refused(
                f'array "{spec.name}": shape {list(array.shape)} does not fit; '
                f"expected {list(spec.shape)}"
            )
        return self._cast(array, spec).reshape(shape)

    def _cast(self, array: Array, spec: TensorSpec) -> Array:
        wanted = spec.datatype
        if wanted.is_text:
            if array.dtype.kind != "U":
                raise self._of_another_kind(array, spec, "text (dtype=str)")
            return array.astype(object)
        if array.dtype.kind not in _CASTS[wanted.numpy.kind]:
            raise self._of_another_kind(array, spec, wanted.wording)
        with np.errstate(over="ignore"):
            cast = array.astype(wanted.numpy)
        lost = np.isfinite(array) & ~np.isfinite(cast) if wanted.is_float else cast != array
        if lost.any():
            raise self._of_another_kind(array, spec, wanted.wording)
        return cast

    def _of_another_kind(self, array: Array, spec: TensorSpec, wording: str) -> NotServableError:
        return self.refused(
            f'array "{spec.name}" is {array.dtype}; {spec.datatype.name} holds {wording}'
        )

    def _listed(self) -> str:
        return ", ".join(f'"{name}"' for name in self._arrays) or "none"


def _as_written(answer: Array) -> Array:
    """An answer as JSON brings it back: without infinities, which it has no word for."""
    if answer.dtype.kind != "f":
        return answer
    return np.where(np.isfinite(answer), answer, np.nan).astype(answer.dtype)


def _fits(spec: TensorSpec, shape: tuple[int, ...], array: Array) -> bool:
    return spec.fits(shape) and int(np.prod(shape)) == array.size
