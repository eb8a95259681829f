"""What an ONNX file may not contain, found without loading it.

A bundle is proved by the digests of its files. Weights kept in another file would be outside of
that proof, and operators of a foreign domain need a library that the server does not have. ONNX
Runtime's own words for both are hard to act on, and it would load a neighbouring file without a
word; so the protobuf is walked first. Only the few fields that matter are entered: of a file of any
size only the structure is read, never the weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from regnant.serving.errors import ModelLoadFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

KNOWN_DOMAINS: Final = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
MAX_DEPTH: Final = 32

_VARINT, _BYTES = 0, 2
_FIXED_SIZES = {1: 8, 5: 4}
_MODEL_GRAPH, _MODEL_FUNCTIONS = 7, 25
_FUNCTION_NODE, _FUNCTION_DOMAIN = 7, 10
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_SPARSE = 1, 5, 15
_NODE_OPERATOR, _NODE_ATTRIBUTE, _NODE_DOMAIN = 4, 5, 7
_ATTRIBUTE_TENSOR, _ATTRIBUTE_GRAPH, _ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS = 5, 6, 10, 11
_ATTRIBUTE_NUMBERS = frozenset({7, 8, 9})
_TENSOR_NAME, _TENSOR_EXTERNAL = 8, 13


class _Malformed(Exception):  # noqa: N818 - never leaves this module
    """The bytes are no protobuf; ONNX Runtime says so better."""


def check_graph_file(content: memoryview) -> frozenset[str]:
    """Refuse weights that lie elsewhere and operators that are not ONNX's; return those in use."""
    walk = _Walk()
    try:
        functions = [field for number, field in _messages(content) if number == _MODEL_FUNCTIONS]
        walk.domains |= {_text(function, _FUNCTION_DOMAIN) for function in functions}
        for function in functions:
            for number, node in _messages(function):
                if number == _FUNCTION_NODE:
                    walk.node(node, 0)
        for number, graph in _messages(content):
            if number == _MODEL_GRAPH:
                walk.graph(graph, 0)
    except _Malformed:
        pass
    return frozenset(walk.operators)


class _Walk:
    """A way through a model's nodes, and what was seen on it."""

    def __init__(self) -> None:
        self.domains = set(KNOWN_DOMAINS)
        self.operators: set[str] = set()

    def graph(self, graph: memoryview, depth: int) -> None:
        """Look at a graph's nodes and weights."""
        if depth > MAX_DEPTH:
            raise ModelLoadFailed(
                f"model.onnx: graphs are nested deeper than {MAX_DEPTH}; flatten it"
            )
        for number, field in _messages(graph):
            if number == _GRAPH_NODE:
                self.node(field, depth)
            elif number == _GRAPH_INITIALIZER:
                _check_tensor(field)
            elif number == _GRAPH_SPARSE:
                for _, part in _messages(field):
                    _check_tensor(part)

    def node(self, node: memoryview, depth: int) -> None:
        """Look at a node's operator and into its attributes."""
        domain, operator = _text(node, _NODE_DOMAIN), _text(node, _NODE_OPERATOR)
        if domain not in self.domains:
            raise ModelLoadFailed(
                f"model.onnx: operator {operator!r} is of the custom domain "
                f"{domain!r}, which needs a library; export the model with ONNX's own operators"
            )
        self.operators.add(operator)
        for number, attribute in _messages(node):
            if number == _NODE_ATTRIBUTE:
                self._attribute(attribute, depth)

    def _attribute(self, attribute: memoryview, depth: int) -> None:
        """Look for tensors and graphs; an attribute of numbers has neither and may be very long."""
        for number, field in _messages(attribute, stop=_ATTRIBUTE_NUMBERS):
            if number in (_ATTRIBUTE_TENSOR, _ATTRIBUTE_TENSORS):
                _check_tensor(field)
            elif number in (_ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS):
                self.graph(field, depth + 1)


def _check_tensor(tensor: memoryview) -> None:
    if any(number == _TENSOR_EXTERNAL for number, _ in _messages(tensor)):
        raise ModelLoadFailed(
            f"model.onnx: tensor {_text(tensor, _TENSOR_NAME)!r} keeps its data in another file; "
            "save the model as one file, without external data"
        )


def _text(message: memoryview, wanted: int) -> str:
    """Return a field of text, or nothing."""
    for number, field in _messages(message):
        if number == wanted:
            return bytes(field).decode(errors="replace")
    return ""


def _messages(
    message: memoryview, stop: frozenset[int] = frozenset()
) -> Iterator[tuple[int, memoryview]]:
    """Yield the fields that have a length, up to the first whose number is in `stop`."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        number, wire = key >> 3, key & 7
        if number in stop:
            return
        if wire == _VARINT:
            _, position = _varint(message, position)
        elif wire in _FIXED_SIZES:
            position += _FIXED_SIZES[wire]
        elif wire == _BYTES:
            length, position = _varint(message, position)
            if position + length > len(message):
                raise _Malformed
            yield number, message[position : position + length]
            position += length
        else:
            raise _Malformed


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 64, 7):
        if position >= len(message):
            raise _Malformed
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the bit that says that another byte follows
            return value, position
    raise _Malformed
