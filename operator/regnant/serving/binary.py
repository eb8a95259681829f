"""Tensors as raw bytes behind the JSON that names them: the binary data extension of V2.

Numbers are little-endian and in row-major order, a BOOL is one byte, and an element of BYTES is its
length in four bytes and then its text in UTF-8. The header `Inference-Header-Content-Length` says
where the JSON ends; from there on the tensors follow one another as the JSON lists them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from regnant.serving.messages import bad_request

if TYPE_CHECKING:
    from regnant.serving.datatypes import Array, Datatype
    from regnant.serving.messages import RequestRefused

_LENGTH = 4
"""Bytes that say how long an element of BYTES is."""


class Tail:
    """What follows the JSON, handed out tensor by tensor."""

    def __init__(self, content: memoryview | bytes = b"") -> None:
        self._content = memoryview(content)

    def take(self, size: int, where: str) -> memoryview:
        """Return the next bytes."""
        left = len(self._content)
        if size > left:
            raise bad_request(
                f"{where}: parameters: binary_data_size: {size} bytes are announced, and {left} "
                "follow; the header Inference-Header-Content-Length says where the JSON ends"
            )
        taken, self._content = self._content[:size], self._content[size:]
        return taken

    def check_is_taken(self) -> None:
        """Refuse bytes that belong to no tensor."""
        if self._content:
            raise bad_request(
                f"{len(self._content)} bytes follow the last tensor; each binary tensor has its "
                "size in parameters.binary_data_size"
            )


NO_TAIL = Tail()
"""Of a body that is JSON alone."""


def split(body: bytes | bytearray, json_length: int) -> tuple[memoryview, Tail]:
    """Tell the JSON from what follows it."""
    if json_length > len(body):
        raise bad_request(
            f"Inference-Header-Content-Length: {json_length} is more than the {len(body)} bytes of "
            "the body"
        )
    whole = memoryview(body)
    return whole[:json_length], Tail(whole[json_length:])


def read_elements(content: memoryview, datatype: Datatype, count: int, where: str) -> Array:
    """Return so many elements, in one dimension."""
    if datatype.is_text:
        return _read_texts(content, count, where)
    wanted = count * datatype.numpy.itemsize
    if len(content) != wanted:
        raise bad_request(
            f"{where}: parameters: binary_data_size: {len(content)} is not {wanted}, the bytes of "
            f"{count} {datatype.name} elements"
        )
    if datatype.numpy.kind == "b":
        return np.frombuffer(content, np.uint8).astype(np.bool_)
    elements = np.frombuffer(content, datatype.numpy.newbyteorder("<"))
    # A tensor begins anywhere in a body, and ONNX Runtime reads whole elements.
    return np.require(elements, datatype.numpy, "A")


def write_elements(array: Array, datatype: Datatype) -> bytes:
    """Return the bytes of all elements."""
    if datatype.is_text:
        texts = (text.encode() for text in array.reshape(-1).tolist())
        return b"".join(len(text).to_bytes(_LENGTH, "little") + text for text in texts)
    return array.astype(datatype.numpy.newbyteorder("<"), copy=False).tobytes()


def _read_texts(content: memoryview, count: int, where: str) -> Array:
    if len(content) < count * _LENGTH:
        raise _unlike(f"there are {len(content)} bytes for {count} elements", where)
    texts = np.empty(count, object)
    at = 0
    for index in range(count):
        start = at + _LENGTH
        at = start + int.from_bytes(content[at:start], "little")
        if at > len(content):
            raise _unlike(f"element {index} is longer than what follows", where)
        try:
            texts[index] = str(content[start:at], "utf-8")
        except UnicodeDecodeError as error:
            raise _unlike(f"element {index} is not UTF-8", where) from error
    if at < len(content):
        raise _unlike(f"{len(content) - at} bytes follow the last element", where)
    return texts


def _unlike(difference: str, where: str) -> RequestRefused:
    return bad_request(
        f"{where}: {difference}; an element of BYTES is its length in four bytes, little-endian, "
        "and its text in UTF-8"
    )
