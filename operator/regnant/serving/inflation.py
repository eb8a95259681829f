"""Bodies that were compressed on their way.

A few bytes can hold a great many, so they are let out only as far as a body may go.
"""

from __future__ import annotations

import zlib
from http import HTTPStatus

from regnant.serving.messages import RequestRefused, bad_request

_WINDOWS = {b"gzip": 16 + zlib.MAX_WBITS, b"deflate": zlib.MAX_WBITS}
"""What `zlib` calls the formats, by their names in HTTP."""
_PLAIN = frozenset({b"", b"identity"})
SERVED = _PLAIN | _WINDOWS.keys()


def inflate(body: bytes | bytearray, encoding: bytes, limit: int) -> bytes | bytearray:
    """Return what was compressed, at most `limit` bytes; `encoding` is one that is served."""
    if encoding in _PLAIN:
        return body
    stream = zlib.decompressobj(_WINDOWS[encoding])
    name = encoding.decode()
    try:
        content = stream.decompress(body, limit + 1)
    except zlib.error as error:
        raise bad_request(f"content-encoding: the body is not {name}: {error}") from error
    if len(content) > limit:
        raise RequestRefused(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"the body exceeds {limit} bytes without its {name}; send fewer rows at once",
        )
    if not stream.eof:
        raise bad_request(f"content-encoding: the body ends before its {name} does")
    if stream.unused_data:
        raise bad_request(
            f"content-encoding: {len(stream.unused_data)} bytes follow the {name}; send one stream"
        )
    return content
