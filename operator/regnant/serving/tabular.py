"""Rows by the names of their columns, as clients of protocol V1 send them, and a prediction a row.

An instance is an object with a value for every column, or a list of the values in the columns'
order. `null` is a missing value. Nothing is guessed: a column that is not named may be a mistake as
well as a missing value, so it is asked for. A prediction is the one output's value, or an object of
all outputs; probabilities carry the names of their classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from regnant.serving.codec import InferRequest, read_json
from regnant.serving.inferring import Spelled
from regnant.serving.messages import bad_request
from regnant.serving.tensors import to_array
from regnant.serving.wording import clipped, shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from regnant.artifacts.signature import Signature
    from regnant.serving.datatypes import Array, Interface, TensorSpec
    from regnant.serving.messages import Request, RequestRefused


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the values of one column go."""

    name: str
    spec: TensorSpec
    index: int
    """Which number of the tensor's row it is."""
    is_boolean: bool = False


class Table:
    """What the columns of a model are, and how its answers are told row by row."""

    def __init__(
        self, places: Sequence[_Place], interface: Interface, classes: Sequence[str | int] | None
    ) -> None:
        self._places = places
        self._names = [place.name for place in places]
        self._known = frozenset(self._names)
        self._interface = interface
        self._classes = [str(one) for one in classes or ()]

    def decode(self, request: Request) -> InferRequest:
        """Read an inference request."""
        document = read_json(request.body)
        if type(document) is not dict or type(document.get("instances")) is not list:
            raise bad_request("the body must be a JSON object with the list instances")
        instances = document["instances"]
        columns = self._columns_of(instances)
        rows = len(instances)
        matrices = {
            name: np.zeros((rows, spec.width), spec.datatype.numpy)
            for name, spec in self._interface.inputs.items()
        }
        for place, values in zip(self._places, columns, strict=True):
            matrices[place.spec.name][:, place.index] = _elements(values, place)
        inputs = {
            name: matrix.reshape(rows, *self._interface.inputs[name].shape[1:])
            for name, matrix in matrices.items()
        }
        return InferRequest(None, inputs, tuple(self._interface.outputs), rows)

    @property
    def columns(self) -> dict[str, TensorSpec]:
        """The columns by name, in the order of a list's values, each with the tensor it goes to."""
        return {place.name: place.spec for place in self._places}

    def spell(self, inputs: Mapping[str, Array], row: int) -> dict[str, Any]:
        """Write one row of tensors as an instance."""
        instance = {}
        for place in self._places:
            # A row of its own, as a single text of numpy's is no array.
            values = inputs[place.spec.name][row : row + 1].reshape(-1)
            value = values[place.index : place.index + 1].tolist()[0]
            is_missing = isinstance(value, float) and math.isnan(value)
            instance[place.name] = None if is_missing else value
        return instance

    def encode(self, inference: InferRequest, outputs: Mapping[str, Array]) -> Spelled:
        """Write a prediction for every row."""
        told = {name: self._told(array, inference.rows) for name, array in outputs.items()}
        if len(told) == 1:
            (predictions,) = told.values()
        else:
            predictions = [
                dict(zip(told, values, strict=True)) for values in zip(*told.values(), strict=True)
            ]
        return Spelled(orjson.dumps({"predictions": predictions}))

    def _columns_of(self, instances: list[Any]) -> list[list[Any]]:
        """Turn rows into columns."""
        rows = [self._values_of(instance, number) for number, instance in enumerate(instances)]
        if not rows:
            return [[] for _ in self._places]
        return [list(column) for column in zip(*rows, strict=True)]

    def _values_of(self, instance: Any, number: int) -> list[Any]:
        where = f"instances[{number}]"
        if type(instance) is list:
            if len(instance) != len(self._places):
                raise bad_request(
                    f"{where}: {len(instance)} values; expected {len(self._places)}: "
                    f"{self._listed()}"
                )
            return instance
        if type(instance) is not dict:
            raise bad_request(
                f"{where}: {shown(instance)} is neither an object of columns nor a list of values"
            )
        if instance.keys() != self._known:
            raise self._unlike(instance, where)
        return [instance[name] for name in self._names]

    def _unlike(self, instance: dict[str, Any], where: str) -> RequestRefused:
        for name in instance:
            if name not in self._known:
                return bad_request(
                    f'{where}: there is no column "{clipped(name)}"; expected {self._listed()}'
                )
        lacking = next(name for name in self._names if name not in instance)
        return bad_request(
            f'{where}: column "{lacking}" is missing; send null where its value is not known'
        )

    def _listed(self) -> str:
        return clipped(", ".join(self._names))

    def _told(self, array: Array, rows: int) -> list[Any]:
        """What one output says of each row."""
        values: list[Any] = array.tolist()
        if array.ndim == 1:
            return values
        width = array.size // rows if rows else 0
        if width == 1:
            return array.reshape(rows).tolist()
        if array.dtype.kind == "f" and width == len(self._classes):
            return [dict(zip(self._classes, shares, strict=True)) for shares in values]
        return values


def table_of(signature: Signature, interface: Interface) -> Table | None:
    """Find the model's columns; None if its inputs are not rows of columns."""
    widths = {name: spec.width for name, spec in interface.inputs.items()}
    strays = {one.tensor for one in signature.columns} - widths.keys()
    if strays or not interface.is_batched or 0 in widths.values():
        return None
    places = [
        _Place(one.name, interface.inputs[one.tensor], one.index, one.type == "Boolean")
        for one in signature.columns
    ] or _implied(interface, widths)
    taken = sorted((place.spec.name, place.index) for place in places)
    if taken != sorted((name, index) for name, width in widths.items() for index in range(width)):
        return None
    return Table(places, interface, signature.classes)


def _implied(interface: Interface, widths: Mapping[str, int]) -> list[_Place]:
    """Name the columns of a model that says nothing of them after its tensors."""
    return [
        _Place(name if width == 1 else f"{name}[{index}]", interface.inputs[name], index)
        for name, width in widths.items()
        for index in range(width)
    ]


def _elements(values: list[Any], place: _Place) -> Array:
    """Return one column's values as its tensor holds them."""
    datatype = place.spec.datatype
    if datatype.is_text:
        values = ["" if value is None else value for value in values]
    elif place.is_boolean:
        values = [int(value) if type(value) is bool else value for value in values]
    return to_array(values, datatype, "instances: column ", f'"{place.name}"')
