"""Questions as bytes on the wire, and what the answers to them say.

Everyone is asked the same rows. The heads are those that a router sends: every request has an id of
its own, by which Regnant keeps outcomes; the others have no use for it and pay for reading it.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e2e.bench.closed_loop import LOOPBACK
from e2e.bench.serving.models import Rows
from e2e.bench.serving.peers.onnx_session import INPUT, LABEL, MODEL_NAME, PROBABILITIES

INFER = f"/v2/models/{MODEL_NAME}/infer"
_JSON = {"content-type": "application/json"}
_HEADER_LENGTH = "Inference-Header-Content-Length"
_DATATYPES = {"INT64": np.int64, "FP32": np.float32}
_PEOPLE = 100

Headers = Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """One label and the probabilities of a row after the other."""

    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]

    @classmethod
    def of(cls, labels: Any, probabilities: Any) -> Answer:
        """Arrays or lists of any shape."""
        return cls(np.ravel(labels).astype(np.int64), np.ravel(probabilities).astype(np.float64))

    def equals(self, other: Answer, tolerance: float = 1e-5) -> bool:
        """The same labels, and probabilities that differ by rounding alone."""
        return np.array_equal(self.labels, other.labels) and np.allclose(
            self.probabilities, other.probabilities, rtol=0, atol=tolerance
        )


def batches(rows: Rows, each: int, different: int) -> Iterator[Rows]:
    """Many batches, each of so many rows that follow one another, and the first after the last."""
    for number in range(different):
        yield rows[(np.arange(each) + number * each) % len(rows)]


@dataclass(frozen=True)
class Dialect:
    """How rows are asked, and how the answer is read."""

    name: str
    path: str
    ask: Callable[[Rows], tuple[Headers, bytes]]
    read: Callable[[Headers, bytes], Answer]

    def request(self, rows: Rows, number: int) -> bytes:
        """One request as it goes over the wire, the number-th."""
        headers, body = self.ask(rows)
        lines = [
            f"POST {self.path} HTTP/1.1",
            f"host: {MODEL_NAME}",
            *(f"{name}: {value}" for name, value in headers.items()),
            f"x-user: person-{number % _PEOPLE}",
            f"x-request-id: {number:08x}-8f0d-4f0a-9a53-2d1b7a0c11e2",
            f"content-length: {len(body)}",
        ]
        return "\r\n".join([*lines, "", ""]).encode() + body

    def requests(self, rows: Rows, each: int, different: int) -> Iterator[bytes]:
        """Many requests, each of so many rows."""
        for number, asked in enumerate(batches(rows, each, different)):
            yield self.request(asked, number)

    def answer(self, port: int, rows: Rows) -> Answer:
        """Ask once."""
        headers, body = self.ask(rows)
        connection = http.client.HTTPConnection(LOOPBACK, port, timeout=30)
        connection.request("POST", self.path, body, dict(headers))
        found = connection.getresponse()
        content = found.read()
        connection.close()
        if found.status != http.HTTPStatus.OK:
            raise RuntimeError(f"{self.path} answered {found.status}: {content[:500]!r}")
        return self.read(dict(found.getheaders()), content)


def _ask_json(rows: Rows) -> tuple[Headers, bytes]:
    tensor = {"name": INPUT, "datatype": "FP32", "shape": list(rows.shape), "data": _numbers(rows)}
    return _JSON, json.dumps({"inputs": [tensor]}).encode()


def _ask_binary(rows: Rows) -> tuple[Headers, bytes]:
    data = np.ascontiguousarray(rows, "<f4").tobytes()
    tensor = {
        "name": INPUT,
        "datatype": "FP32",
        "shape": list(rows.shape),
        "parameters": {"binary_data_size": len(data)},
    }
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    return {_HEADER_LENGTH: str(len(head))}, head + data


def _ask_rows(rows: Rows) -> tuple[Headers, bytes]:
    numbers = np.array(_numbers(rows)).reshape(rows.shape).tolist()
    return _JSON, json.dumps({INPUT: numbers}).encode()


def _numbers(rows: Rows) -> list[float]:
    """The digits that the rows were made of."""
    return [round(number, 4) for number in rows.ravel().tolist()]


def _read_tensors(headers: Headers, body: bytes) -> Answer:
    lengths = [value for name, value in headers.items() if name.lower() == _HEADER_LENGTH.lower()]
    head = int(lengths[0]) if lengths else len(body)
    found, at = {}, head
    for output in json.loads(body[:head])["outputs"]:
        size = (output.get("parameters") or {}).get("binary_data_size")
        if size is None:
            found[output["name"]] = output["data"]
        else:
            kind = _DATATYPES[output["datatype"]]
            found[output["name"]] = np.frombuffer(body[at : at + size], kind)
            at += size
    return Answer.of(found[LABEL], found[PROBABILITIES])


def _read_rows(_headers: Headers, body: bytes) -> Answer:
    found = json.loads(body)
    return Answer.of(found[LABEL], found[PROBABILITIES])


JSON = Dialect("json", INFER, _ask_json, _read_tensors)
BINARY = Dialect("binary", INFER, _ask_binary, _read_tensors)
BENTOML = Dialect("bentoml", "/predict", _ask_rows, _read_rows)
