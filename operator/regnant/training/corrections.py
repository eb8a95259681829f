"""Converters of skl2onnx that are replaced, each because the original is wrong or cannot run.

SimpleImputer becomes `ai.onnx.ml.Imputer`, which ONNX Runtime has for float32 only; the same thing
is said here with IsNaN and Where, which it has for both. What cannot be said so is refused, where
the original drops missing indicators silently. LinearSVC refuses the option `zipmap` that skl2onnx
itself hands to the end of every pipeline; it is registered again as taking it.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from onnx import TensorProto
from skl2onnx import update_registered_converter
from skl2onnx.common._registration import get_converter, get_shape_calculator
from skl2onnx.common.data_types import DoubleTensorType, StringTensorType
from skl2onnx.operator_converters.common import concatenate_variables
from sklearn.impute import SimpleImputer
from sklearn.svm import LinearSVC

IMPUTER: Final = "SklearnSimpleImputer"
LINEAR_SVC: Final = "SklearnLinearSVC"


_ORIGINAL_IMPUTER: Final = get_converter(IMPUTER)
_ORIGINAL_LINEAR_SVC: Final = get_converter(LINEAR_SVC)


def register_corrections() -> None:
    """Make skl2onnx use these converters; doing so again changes nothing."""
    update_registered_converter(
        SimpleImputer, IMPUTER, get_shape_calculator(IMPUTER), _convert_imputer, overwrite=True
    )
    update_registered_converter(
        LinearSVC,
        LINEAR_SVC,
        get_shape_calculator(LINEAR_SVC),
        _convert_linear_svc,
        overwrite=True,
        options={**_ORIGINAL_LINEAR_SVC.get_allowed_options(), "zipmap": [True, False, "columns"]},
    )


def _convert_linear_svc(scope: Any, operator: Any, container: Any) -> None:
    _ORIGINAL_LINEAR_SVC(scope, operator, container)


def _convert_imputer(scope: Any, operator: Any, container: Any) -> None:
    imputer = operator.raw_operator
    if imputer.add_indicator:
        raise NotImplementedError("SimpleImputer with add_indicator=True")
    if isinstance(operator.inputs[0].type, StringTensorType):
        _ORIGINAL_IMPUTER(scope, operator, container)
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
