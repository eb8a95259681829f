"""Triton's own client for Python, as its users have it: unchanged, with bytes on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException, triton_to_np_dtype

from tests.unit.serving.bundles import ONNX_TYPES
from tests.unit.serving.running_server import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.serving.running_server import RunningServer

MODEL = "churn"


@pytest.fixture
def client(echo: RunningServer) -> Iterator[Any]:
    with triton.InferenceServerClient(f"{LOOPBACK}:{echo.port}") as made:
        yield made


def values_of(datatype: str) -> Any:
    if datatype == "BYTES":
        return np.array([["naïve".encode(), b""], [b"x", "☃".encode()]], dtype=object)
    return np.array([[1, 0], [0, 1]], dtype=triton_to_np_dtype(datatype))


def inputs(*, binary: bool) -> list[Any]:
    given = []
    for name in ONNX_TYPES:
        one = triton.InferInput(f"in_{name.lower()}", [2, 2], name)
        # The protocol has no half numbers in JSON, and its client sends none.
        one.set_data_from_numpy(values_of(name), binary_data=binary or name == "FP16")
        given.append(one)
    return given


def test_health_and_metadata(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(MODEL)
    assert client.is_model_ready(MODEL, "3")
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    described = client.get_model_metadata(MODEL)["inputs"]
    assert [one["datatype"] for one in described] == list(ONNX_TYPES)


@pytest.mark.parametrize("compression", [None, "gzip", "deflate"])
@pytest.mark.parametrize("binary", [True, False])
def test_every_datatype(client: Any, binary: bool, compression: str | None) -> None:
    wanted = [
        triton.InferRequestedOutput(f"out_{name.lower()}", binary_data=binary)
        for name in ONNX_TYPES
    ]
    answer = client.infer(
        MODEL,
        inputs(binary=binary),
        outputs=wanted,
        request_id="seven",
        request_compression_algorithm=compression,
    )
    assert answer.get_response()["id"] == "seven"
    for name in ONNX_TYPES:
        expected = values_of(name)
        found = answer.as_numpy(f"out_{name.lower()}")
        if name == "BYTES" and not binary:
            expected = np.vectorize(bytes.decode, otypes=[object])(expected)
        assert np.array_equal(found, expected), name


def test_outputs_that_are_not_named_come_as_bytes(client: Any) -> None:
    answer = client.infer(MODEL, inputs(binary=True))
    assert np.array_equal(answer.as_numpy("out_fp32"), values_of("FP32"))


def test_a_refusal_is_its_exception(client: Any) -> None:
    wrong = triton.InferInput("in_bool", [1, 2], "INT8")
    wrong.set_data_from_numpy(np.ones((1, 2), np.int8))
    with pytest.raises(InferenceServerException, match='"in_bool": datatype') as caught:
        client.infer(MODEL, [wrong])
    assert caught.value.status() == "400"
