"""A model's tensors: the inputs as the graph declares them, the outputs as they come out.

A graph's word on its inputs is binding, as ONNX Runtime holds requests to it. Its word on its
outputs is not: converters leave sizes open, or write 1 for the number of rows. So the model is
asked its golden rows twice, once with a row more, and what grew with them is the number of rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from regnant.artifacts.signature import Tensor
from regnant.bundling.errors import NotServableError
from regnant.serving.datatypes import BY_ONNX, Interface, TensorSpec
from regnant.serving.messages import RequestRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from regnant.serving.datatypes import Array
    from regnant.serving.model import Graph, Model


def inputs_of(graph: Graph) -> dict[str, TensorSpec]:
    """Describe what goes in; a size without a number is -1."""
    return {node.name: _declared(node, "input") for node in graph.session.get_inputs()}


def outputs_of(
    graph: Graph, inputs: Mapping[str, TensorSpec], asked: Mapping[str, Array]
) -> dict[str, TensorSpec]:
    """Describe what comes out when the model is asked these rows."""
    declared = {node.name: _declared(node, "output") for node in graph.session.get_outputs()}
    model = graph.signed_as(Interface(dict(inputs), declared))
    batched = all(spec.is_batched for spec in inputs.values())
    # Where more than the rows may vary, one answer says nothing of the next.
    varies = any(-1 in spec.shape[1 if batched else 0 :] for spec in inputs.values())
    once = answers(model, asked)
    again = answers(model, _with_one_more(asked)) if batched else once
    found = {}
    for name, spec in declared.items():
        if once[name].ndim == 0:
            raise NotServableError(
                f'output "{name}" is a number without a dimension; export it with the shape [1]'
            )
        rows = once[name].shape[0], again[name].shape[0]
        grows = batched and rows == (_rows(asked), _rows(asked) + 1)
        sizes = _sizes(spec, once[name], again[name], varies=varies)
        found[name] = TensorSpec(name, spec.datatype, (-1, *sizes[1:]) if grows else sizes)
    return found


def answers(model: Model, asked: Mapping[str, Array]) -> dict[str, Array]:
    """What the model gives for these rows."""
    try:
        computed = model.run(asked, tuple(model.interface.outputs))
    except RequestRefused as refused:
        raise NotServableError(f"the golden rows: {refused.message}") from refused
    return {name: np.asarray(array) for name, array in computed.items()}


def tensors(specs: Mapping[str, TensorSpec]) -> tuple[Tensor, ...]:
    """Spell tensors as a signature does."""
    return tuple(
        Tensor.model_validate({"name": one.name, "datatype": one.datatype.name, "shape": one.shape})
        for one in specs.values()
    )


def _declared(node: Any, kind: str) -> TensorSpec:
    if node.type not in BY_ONNX:
        raise NotServableError(
            f'{kind} "{node.name}" is {node.type}, and only tensors are served; export the model '
            "with tensors alone (zipmap=False, where the converter has that)"
        )
    if kind == "input" and not node.shape:
        raise NotServableError(
            f'input "{node.name}" has no dimensions; export the model with the shape of its '
            "inputs, and [1] for a single number"
        )
    shape = tuple(size if isinstance(size, int) else -1 for size in node.shape)
    return TensorSpec(node.name, BY_ONNX[node.type], shape)


def _sizes(spec: TensorSpec, once: Array, again: Array, *, varies: bool) -> tuple[int, ...]:
    """The sizes of an output: those that came out, and -1 where others may."""
    known = spec.shape if len(spec.shape) == once.ndim else (-1,) * once.ndim
    return tuple(
        size if size == then and not (varies and one == -1) else -1
        for one, size, then in zip(known, once.shape, again.shape, strict=True)
    )


def _rows(asked: Mapping[str, Array]) -> int:
    return len(next(iter(asked.values())))


def _with_one_more(asked: Mapping[str, Array]) -> dict[str, Array]:
    return {name: np.concatenate([array, array[:1]]) for name, array in asked.items()}
