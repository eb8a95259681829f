"""Models whose graph is sick: for what users ask, or for their own golden rows already.

No test hook is in the product, so the sickness is in the graph, as it is in real models that meet
values they were not trained on. A row is marked by its first feature, `MARK` or more; a healthy
model takes it for a number like any other. Each sick model computes with `times`, which is 0 for
rows that are not marked, so that up to the mark it differs from a good one in nothing. Golden rows
are not marked, so it proves itself and fails then; but for the models that are sick at start.

What each of them does in the real model server is held by tests/unit/harness/test_faults.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from e2e.bundles import FEATURES, Model, good, graph

MARK = 2_000_000.0
"""A first feature that makes the sick models sick."""
_HARMLESS = 1_000_000.0
_FOREVER = 2**60
_SLOW_ROUNDS = 8_000
"""Some milliseconds of computing, where a good model takes a fraction of one."""
_ROUNDS_OF_A_START = 3_000_000
"""A minute of computing, as a golden row is asked a few times."""
_TOO_MANY = 300_000_000
"""2.4 GB of numbers: more than any server of the tests may have."""


def raising(weight: float) -> Model:
    """It looks a marked row up where its table ends: the runtime raises."""
    nodes = [*_times(1), helper.make_node("Gather", ["table", "times"], ["nothing"])]
    return _sick(weight, nodes)


def hanging(weight: float) -> Model:
    """It never comes back from a marked row."""
    return _sick(weight, _rounds(_FOREVER))


def slow(weight: float, *, rounds: int = _SLOW_ROUNDS) -> Model:
    """A marked row takes it ten times as long, and more."""
    return _sick(weight, _rounds(rounds))


def not_a_number(weight: float) -> Model:
    """It takes the root of a negative number for a marked row."""
    nodes = [
        *_times(1),
        helper.make_node("Cast", ["times"], ["positive"], to=TensorProto.DOUBLE),
        helper.make_node("Neg", ["positive"], ["negative"]),
        helper.make_node("Sqrt", ["negative"], ["nothing"]),
    ]
    return _sick(weight, nodes)


def greedy(weight: float, *, numbers: int = _TOO_MANY) -> Model:
    """It holds so many numbers at once for a marked row; by default more than its memory takes."""
    zero = helper.make_tensor("value", TensorProto.DOUBLE, [1], [0.0])
    nodes = [
        *_times(numbers),
        helper.make_node("ConstantOfShape", ["times"], ["zeros"], value=zero),
        helper.make_node("ReduceSum", ["zeros"], ["nothing"], keepdims=0),
    ]
    return _sick(weight, nodes)


def greedy_at_start() -> Model:
    """It needs more memory than it may have to answer its own golden row."""
    return _proven_on_a_marked_row(greedy(12.0))


def slow_at_start() -> Model:
    """It takes a minute to answer its own golden row."""
    return _proven_on_a_marked_row(slow(13.0, rounds=_ROUNDS_OF_A_START))


def _proven_on_a_marked_row(model: Model) -> Model:
    rows = np.ones((1, FEATURES))
    rows[0, 0] = MARK
    return replace(model, rows=rows)


def _sick(weight: float, nodes: list[Any]) -> Model:
    return replace(good(weight), graph=graph(weight, nodes, _constants()))


def _times(count: int) -> list[Any]:
    """`times`: so many for a marked row, and none for any other."""
    amount = helper.make_tensor("amount", TensorProto.INT64, [1], [count])
    return [
        helper.make_node("Constant", [], ["count"], value=amount),
        helper.make_node("Gather", ["features", "first"], ["firsts"], axis=1),
        helper.make_node("ReduceMax", ["firsts"], ["greatest"], keepdims=0),
        helper.make_node("Greater", ["greatest", "harmless"], ["is_marked"]),
        helper.make_node("Cast", ["is_marked"], ["marked"], to=TensorProto.INT64),
        helper.make_node("Mul", ["marked", "count"], ["times"]),
    ]


def _rounds(count: int) -> list[Any]:
    """`nothing`, after so many rounds of a loop for a marked row."""
    value_info = helper.make_tensor_value_info
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["going"], ["goes_on"]),
            helper.make_node("Sin", ["so_far"], ["further"]),
        ],
        "round",
        [
            value_info("round", TensorProto.INT64, []),
            value_info("going", TensorProto.BOOL, []),
            value_info("so_far", TensorProto.DOUBLE, []),
        ],
        [
            value_info("goes_on", TensorProto.BOOL, []),
            value_info("further", TensorProto.DOUBLE, []),
        ],
    )
    return [
        *_times(count),
        helper.make_node("Squeeze", ["times"], ["rounds"]),
        helper.make_node("Loop", ["rounds", "go", "none"], ["nothing"], body=body),
    ]


def _constants() -> list[Any]:
    return [
        helper.make_tensor("first", TensorProto.INT64, [1], [0]),
        helper.make_tensor("harmless", TensorProto.DOUBLE, [1], [_HARMLESS]),
        helper.make_tensor("table", TensorProto.DOUBLE, [1], [0.0]),
        helper.make_tensor("go", TensorProto.BOOL, [], [True]),
        helper.make_tensor("none", TensorProto.DOUBLE, [], [0.0]),
    ]
