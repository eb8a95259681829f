"""From a fitted pipeline to an ONNX graph with Regnant's interface.

Inputs stay float64, because scikit-learn computes in float64 and a caller's numbers are float64.
The outputs get the names, types and shapes of the contract, whatever the estimator computes in:
`label` and `probabilities`, or `prediction`, one row an answer, scores as float64. So a forest may
follow a regression without any caller noticing. Whatever skl2onnx or ONNX Runtime cannot do is one
reason, ExportUnsupported.
"""

from __future__ import annotations

import warnings
from typing import Any

import onnx
from onnx import TensorProto, helper
from sklearn.ensemble import VotingClassifier
from sklearn.pipeline import Pipeline

from regnant.training.corrections import register_corrections
from regnant.training.errors import NotExpressible
from regnant.training.estimators import nested_estimators
from regnant.training.fitting import FittedModel
from regnant.training.layout import FEATURES, LABEL, PREDICTION, PROBABILITIES, InputLayout
from regnant.training.runtime import open_session
from regnant.training.wording import first_line


def export_onnx(model: FittedModel, layout: InputLayout, name: str, estimator: str) -> bytes:
    """Convert, check that ONNX Runtime loads it, and return the bytes."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # skl2onnx's own business with its dependencies
            graph = _convert(model.pipeline, layout, name)
        _name_outputs(graph.graph, model)
        _name_inputs(graph.graph, layout)
        onnx.checker.check_model(graph)
        content: bytes = graph.SerializeToString(deterministic=True)
        open_session(content)
    except Exception as error:
        raise NotExpressible(
            f"trainer.sklearn.estimator: ONNX cannot express {estimator} as it is set "
            f"({type(error).__name__}: {first_line(error)}); choose another estimator or parameters"
        ) from error
    return content


def _convert(pipeline: Pipeline, layout: InputLayout, name: str) -> Any:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import DoubleTensorType, StringTensorType

    register_corrections()
    if layout.is_matrix:
        inputs = [(FEATURES, DoubleTensorType([None, len(layout.columns)]))]
    else:
        inputs = [
            (
                layout.internal_name(index),
                DoubleTensorType([None, 1]) if column.numeric else StringTensorType([None, 1]),
            )
            for index, column in enumerate(layout.columns)
        ]
    last = pipeline.steps[-1][1]
    for part in nested_estimators(last):
        if isinstance(part, VotingClassifier):
            # Only the shape of `transform`, which is never called; the converter insists on it.
            part.set_params(flatten_transform=False)
    try:
        # Without a name skl2onnx invents a random one.
        options = {id(last): {"zipmap": False}}
        return convert_sklearn(pipeline, name=name, initial_types=inputs, options=options)
    except NameError as error:
        if "zipmap" not in str(error):
            raise
        return convert_sklearn(pipeline, name=name, initial_types=inputs)


def _name_outputs(graph: Any, model: FittedModel) -> None:
    """Keep the outputs of the contract, under its names."""
    found = list(graph.output)
    del graph.output[:]
    if model.classes is None:
        _flatten(graph, found[0], PREDICTION)
        return
    _flatten(graph, found[0], LABEL)
    if model.has_probabilities:
        _rename_value(graph, PROBABILITIES, f"{PROBABILITIES}_of_graph")
        source = found[1].name
        source = f"{PROBABILITIES}_of_graph" if source == PROBABILITIES else source
        graph.node.append(_to_double(source, PROBABILITIES))
        shape = [None, len(model.classes)]
        double = TensorProto.DOUBLE
        graph.output.append(helper.make_tensor_value_info(PROBABILITIES, double, shape))


def _to_double(source: str, target: str) -> Any:
    """Every float32 is a float64, so this changes no value."""
    return helper.make_node("Cast", [source], [target], to=TensorProto.DOUBLE)


def _flatten(graph: Any, output: Any, name: str) -> None:
    """Give one value a row, whether the converter made a column or a list of them."""
    inner = f"{name}_of_graph"
    _rename_value(graph, output.name, inner)
    shape = f"{name}_shape"
    graph.initializer.append(helper.make_tensor(shape, TensorProto.INT64, [1], [-1]))
    kind = output.type.tensor_type.elem_type
    flat = f"{name}_flat" if kind == TensorProto.FLOAT else name
    graph.node.append(helper.make_node("Reshape", [inner, shape], [flat]))
    if kind == TensorProto.FLOAT:
        graph.node.append(_to_double(flat, name))
        kind = TensorProto.DOUBLE
    graph.output.append(helper.make_tensor_value_info(name, kind, [None]))


def _name_inputs(graph: Any, layout: InputLayout) -> None:
    """Give the inputs the columns' names; values inside that happen to bear one step aside."""
    if layout.is_matrix:
        return
    outputs = {output.name for output in graph.output}
    for index in range(len(layout.columns)):
        wanted, internal = layout.tensor_name(index), layout.internal_name(index)
        if wanted != internal and wanted not in outputs:
            _rename_value(graph, wanted, f"{wanted}_of_graph")
    for index in range(len(layout.columns)):
        _rename_value(graph, layout.internal_name(index), f"{index}_of_columns")
    for index in range(len(layout.columns)):
        _rename_value(graph, f"{index}_of_columns", layout.tensor_name(index))


def _rename_value(graph: Any, old: str, new: str) -> None:
    for node in graph.node:
        for names in (node.input, node.output):
            for position, name in enumerate(names):
                if name == old:
                    names[position] = new
    for values in (graph.input, graph.initializer, graph.value_info):
        for value in values:
            if value.name == old:
                value.name = new
