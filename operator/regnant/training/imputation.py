"""Missing numbers in a graph of float64: a converter that ONNX Runtime can run.

skl2onnx turns SimpleImputer into `ai.onnx.ml.Imputer`, which ONNX Runtime has for float32 only. The
same thing is said here with IsNaN and Where, which it has for both. What cannot be said so is
refused instead of being dropped silently, as missing indicators otherwise are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto
from skl2onnx import update_registered_converter
from skl2onnx.common._registration import get_converter, get_shape_calculator
from skl2onnx.common.data_types import DoubleTensorType, StringTensorType
from skl2onnx.operator_converters.common import concatenate_variables
from sklearn.impute import SimpleImputer

ALIAS = "SklearnSimpleImputer"


def register_imputer() -> None:
    """Make skl2onnx use this converter; doing so again changes nothing."""
    if get_converter(ALIAS) is not _convert:
        _originals.append(get_converter(ALIAS))
        update_registered_converter(
            SimpleImputer, ALIAS, get_shape_calculator(ALIAS), _convert, overwrite=True
        )


_originals: list[Any] = []


def _convert(scope: Any, operator: Any, container: Any) -> None:
    imputer = operator.raw_operator
    if imputer.add_indicator:
        raise NotImplementedError("SimpleImputer with add_indicator=True")
    if isinstance(operator.inputs[0].type, StringTensorType):
        _originals[0](scope, operator, container)
        return
    filling = np.asarray(imputer.statistics_, dtype=np.float64)
    if np.isnan(filling).any():
        raise NotImplementedError("SimpleImputer for a column without any value")
    double = isinstance(operator.inputs[0].type, DoubleTensorType)
    values = concatenate_variables(scope, operator.inputs, container)
    constant = scope.get_unique_variable_name("filling")
    kind = TensorProto.DOUBLE if double else TensorProto.FLOAT
    container.add_initializer(constant, kind, [1, filling.size], filling.tolist())
    missing = scope.get_unique_variable_name("missing")
    wanted = imputer.missing_values
    if isinstance(wanted, float) and np.isnan(wanted):
        container.add_node("IsNaN", [values], [missing], op_version=13)
    else:
        marker = scope.get_unique_variable_name("marker")
        container.add_initializer(marker, kind, [1], [float(wanted)])
        container.add_node("Equal", [values, marker], [missing], op_version=13)
    output = operator.outputs[0].full_name
    container.add_node("Where", [missing, constant, values], [output], op_version=16)
