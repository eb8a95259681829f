"""What an ONNX file may not contain, found without loading it.

A bundle is proved by the digests of its files. Weights kept in another file would be outside of
that proof, and operators of a foreign domain need a library that the server does not have. ONNX
Runtime's own words for both are hard to act on, and it would load a neighbouring file without a
word; so the protobuf is walked first. Only the few fields that matter are entered: of a file of any
size only the structure is read, never the weights.

What cannot be read here is refused here. ONNX Runtime reads more spellings than these: groups, and
keys with bits that it drops. No exporter writes them, and what is read in two ways is not checked.
"""

from __future__ import annotations

import re
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
_ATTRIBUTE_TENSORS = frozenset({5, 10})
_ATTRIBUTE_GRAPHS = frozenset({6, 11})
_ATTRIBUTE_SPARSE = frozenset({22, 23})
_SPARSE_PARTS = frozenset({1, 2})
_TENSOR_NAME, _TENSOR_EXTERNAL = 8, 13
_KEY_LIMIT = 2**32

_SHORT_TEXTS = b"|".join(b"%b.{%d}" % (re.escape(bytes([size])), size) for size in range(128))
_ELEMENTS = re.compile(
    rb"(?:(?:\x3d.{4})++|(?:\x40[\x80-\xff]{0,9}[\x00-\x7f])++"
    rb"|(?:\x4a(?:\x0aBRANCH_LEQ|\x04LEAF|%b))++)*+" % _SHORT_TEXTS,
    re.DOTALL,
)
"""Elements of an attribute's floats, ints and strings, each of which is a field: a forest has so
many that only a pattern passes over them quickly, and one that names what trees repeat twice as
quickly."""


def check_graph_file(content: memoryview) -> frozenset[str]:
    """Refuse weights that lie elsewhere and operators that are not ONNX's; return those in use."""
    walk = _Walk()
    functions = [field for number, field in _messages(content) if number == _MODEL_FUNCTIONS]
    walk.domains |= {_text(function, _FUNCTION_DOMAIN) for function in functions}
    for function in functions:
        for number, node in _messages(function):
            if number == _FUNCTION_NODE:
                walk.node(node, 0)
    for number, graph in _messages(content):
        if number == _MODEL_GRAPH:
            walk.graph(graph, 0)
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
                _check_sparse(field)

    def node(self, node: memoryview, depth: int) -> None:
        """Look at a node's operator and into its attributes."""
        domain = operator = b""
        for number, field in _messages(node):
            if number == _NODE_OPERATOR:
                operator = bytes(field)
            elif number == _NODE_DOMAIN:
                domain = bytes(field)
            elif number == _NODE_ATTRIBUTE:
                self._attribute(field, depth)
        self.operators.add(_decoded(operator))
        if _decoded(domain) not in self.domains:
            raise ModelLoadFailed(
                f"model.onnx: operator {_decoded(operator)!r} is of the custom domain "
                f"{_decoded(domain)!r}, which needs a library; "
                "export the model with ONNX's own operators"
            )

    def _attribute(self, attribute: memoryview, depth: int) -> None:
        """Look for tensors and graphs; what else an attribute has says nothing about them."""
        for number, field in _messages(attribute, _ELEMENTS):
            if number in _ATTRIBUTE_TENSORS:
                _check_tensor(field)
            elif number in _ATTRIBUTE_GRAPHS:
                self.graph(field, depth + 1)
            elif number in _ATTRIBUTE_SPARSE:
                _check_sparse(field)


def _check_sparse(tensor: memoryview) -> None:
    for number, part in _messages(tensor):
        if number in _SPARSE_PARTS:
            _check_tensor(part)


def _check_tensor(tensor: memoryview) -> None:
    if any(number == _TENSOR_EXTERNAL for number, _ in _messages(tensor)):
        raise ModelLoadFailed(
            f"model.onnx: tensor {_text(tensor, _TENSOR_NAME)!r} keeps its data in another file; "
            "save the model as one file, without external data"
        )


def _text(message: memoryview, wanted: int) -> str:
    """Return a field of text, or nothing; of several the last one counts."""
    text = b""
    for number, field in _messages(message):
        if number == wanted:
            text = bytes(field)
    return _decoded(text)


def _decoded(text: bytes) -> str:
    return text.decode(errors="replace")


def _messages(
    message: memoryview, passed: re.Pattern[bytes] | None = None
) -> Iterator[tuple[int, memoryview]]:
    """Yield the fields that have a length, but for those that a pattern passes over."""
    position = 0
    while position < len(message):
        if passed and (run := passed.match(message, position)):
            position = run.end()
            if position == len(message):
                return
        key, position = _varint(message, position)
        number, wire = key >> 3, key & 7
        if number == 0 or key >= _KEY_LIMIT:
            raise _malformed()
        if wire == _VARINT:
            _, position = _varint(message, position)
        elif wire in _FIXED_SIZES:
            position += _FIXED_SIZES[wire]
        elif wire == _BYTES:
            length, position = _varint(message, position)
            if position + length > len(message):
                raise _malformed()
            yield number, message[position : position + length]
            position += length
        else:
            raise _malformed()
    if position > len(message):
        raise _malformed()


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 64, 7):
        if position >= len(message):
            raise _malformed()
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the bit that says that another byte follows
            return value, position
    raise _malformed()


def _malformed() -> ModelLoadFailed:
    return ModelLoadFailed(
        "model.onnx: this is no ONNX file, or a broken one; export the model again"
    )
