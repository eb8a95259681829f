"""The ONNX graph in its session, held to the interface that was signed.

The signature says what clients are told; the graph says what is computed. They are compared once,
here, so that nothing later has to wonder. Threads never spin: a spinning pool spends a container's
CPU quota on waiting.
"""

from __future__ import annotations

import mmap
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as failures

from regnant.serving.datatypes import BY_NAME, BY_ONNX, Interface, TensorSpec
from regnant.serving.errors import ModelLoadFailed
from regnant.serving.graph_file import check_graph_file
from regnant.serving.messages import RequestRefused, overloaded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from regnant.artifacts.signature import Signature, Tensor
    from regnant.serving.datatypes import Array

_FATAL = 4
_LOOP = "Loop"
"""The one operator that values can make run for ever; a Scan ends with its tensor."""
_RUN_FAILURES = (
    failures.EPFail,
    failures.EngineError,
    failures.Fail,
    failures.InvalidArgument,
    failures.NotImplemented,
    failures.RuntimeException,
    ValueError,
)


class Stop:
    """Ends a run from another thread, at its next operator or turn of a loop."""

    def __init__(self, reason: str) -> None:
        self.options = ort.RunOptions()
        self.options.log_severity_level = _FATAL
        self.reason = reason

    def now(self) -> None:
        """End the run, or keep it from beginning."""
        self.options.terminate = True


class Model:
    """A loaded model; `run` may be called from any thread."""

    def __init__(self, session: Any, interface: Interface, *, has_loops: bool) -> None:
        self._session = session
        self.interface = interface
        self.has_loops = has_loops
        """Whether how long a run takes hangs on the values in it."""

    def run(
        self, inputs: Mapping[str, Array], outputs: Sequence[str], stop: Stop | None = None
    ) -> dict[str, Array]:
        """Compute the named outputs.

        The inputs fit the interface that the model promised to serve, so a failure is the model's:
        another version may well answer the same request.
        """
        if any(array.size == 0 for array in inputs.values()):
            return {name: self._empty(name) for name in outputs}
        try:
            arrays = self._session.run(list(outputs), dict(inputs), stop and stop.options)
        except _RUN_FAILURES as error:
            if stop and stop.options.terminate:
                raise _failed(stop.reason) from error
            raise _refusal(error) from error
        return dict(zip(outputs, arrays, strict=True))

    def _empty(self, name: str) -> Array:
        """No rows in, no rows out; not every operator of ONNX Runtime takes an empty tensor."""
        spec = self.interface.outputs[name]
        shape = tuple(0 if size == -1 else size for size in spec.shape)
        return np.zeros(shape if 0 in shape else (0, *shape[1:]), spec.datatype.numpy)


class _Node(NamedTuple):
    """An input or output of a graph, as ONNX Runtime tells it."""

    type: str
    shape: list[int | str | None]


class Graph(NamedTuple):
    """A graph in its session, before anybody asked whether it is what was signed."""

    session: Any
    inputs: dict[str, _Node]
    outputs: dict[str, _Node]
    has_loops: bool

    def signed_as(self, interface: Interface) -> Model:
        """The model that answers as the interface says."""
        return Model(self.session, interface, has_loops=self.has_loops)


def open_graph(path: Path, threads: int) -> Graph:
    """Load a graph, unless it holds what may not be served."""
    operators = check_graph_file(_mapped(path))
    try:
        session = ort.InferenceSession(
            str(path),
            _options(threads),
            providers=["CPUExecutionProvider"],
            # Or it says what failed on the standard output, and tries the same again.
            enable_fallback=0,
        )
        taken, given = _nodes(session.get_inputs()), _nodes(session.get_outputs())
    except Exception as error:  # ONNX Runtime has no root of its exceptions
        raise ModelLoadFailed(f"model.onnx: {error}; export the model again") from error
    return Graph(session, taken, given, _LOOP in operators)


def load_model(path: Path, signature: Signature, threads: int) -> Model:
    """Load a graph and compare it with its signature."""
    graph = open_graph(path, threads)
    return graph.signed_as(
        Interface(
            _specs(signature.inputs, graph.inputs, "inputs"),
            _specs(signature.outputs, graph.outputs, "outputs"),
        )
    )


def _mapped(path: Path) -> memoryview:
    """The file's bytes, of which only those that are looked at are read."""
    with path.open("rb") as file:
        try:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        except ValueError as error:
            raise ModelLoadFailed(
                "model.onnx: the file is empty; export the model again"
            ) from error


def _options(threads: int) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = _FATAL
    return options


def _nodes(nodes: Iterable[Any]) -> dict[str, _Node]:
    return {node.name: _Node(node.type, node.shape) for node in nodes}


def _specs(
    signed: Iterable[Tensor], graph: Mapping[str, _Node], field: str
) -> dict[str, TensorSpec]:
    """Return the signed tensors, each of which the graph must have just so."""
    specs = {}
    for tensor in signed:
        if tensor.name not in graph:
            raise _unlike(field, tensor.name, f"the graph has only {sorted(graph)}")
        spec = TensorSpec(tensor.name, BY_NAME[tensor.datatype], tensor.shape)
        _compare(spec, graph[tensor.name], field)
        specs[spec.name] = spec
    unsigned = [name for name in graph if name not in specs]
    if unsigned and field == "inputs":
        raise _unlike(field, unsigned[0], "the graph takes it, but it is not signed")
    return specs


def _compare(spec: TensorSpec, node: _Node, field: str) -> None:
    if node.type not in BY_ONNX:
        raise _unlike(field, spec.name, f"the graph has a {node.type}, which is no tensor to serve")
    if BY_ONNX[node.type] is not spec.datatype:
        raise _unlike(
            field, spec.name, f"{spec.datatype.name} is signed, the graph has {node.type}"
        )
    sizes = [size if isinstance(size, int) else -1 for size in node.shape]
    if field == "outputs" and spec.is_batched:
        # Converters write 1 for the number of rows; what comes out is proved by the golden rows.
        sizes[:1] = [-1] * len(sizes[:1])
    agrees = len(sizes) == len(spec.shape) and all(
        have in (-1, want) for want, have in zip(spec.shape, sizes, strict=True)
    )
    if sizes and not agrees:
        raise _unlike(
            field, spec.name, f"shape {list(spec.shape)} is signed, the graph has {sizes}"
        )


def _unlike(field: str, name: str, difference: str) -> ModelLoadFailed:
    return ModelLoadFailed(
        f"signature.json: {field}: {name!r}: {difference}; sign the interface that the graph has"
    )


def _refusal(error: Exception) -> RequestRefused:
    """Tell want of memory, which passes, from what the graph cannot compute."""
    text = str(error)
    if "alloc" in text:
        return overloaded("there is not enough memory for this batch; send fewer rows, or later")
    _, _, detail = text.partition("Status Message: ")
    return _failed(f"the model failed at these values: {(detail or text)[:300]}")


def _failed(message: str) -> RequestRefused:
    return RequestRefused(HTTPStatus.INTERNAL_SERVER_ERROR, message)
