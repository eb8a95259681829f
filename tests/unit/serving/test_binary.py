"""Tensors as raw bytes, both ways: the binary data extension of V2."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.serving.binary_client import JSON_LENGTH, binary, outputs_of, pack, post
from tests.unit.serving.bundles import ONNX_TYPES, tensor
from tests.unit.serving.running_server import INFER
from tests.unit.serving.test_protocol_v2 import VALUES, all_inputs

if TYPE_CHECKING:
    from tests.unit.serving.running_server import RunningServer

ROW = pack("FP64", [1, 2, 3])
FEATURES = binary("features", "FP64", [1, 3], ROW)
NAMED = 'tensor "features"'


def features(**changes: Any) -> dict[str, Any]:
    """A request with one binary tensor; None leaves a field out."""
    changed = {**FEATURES, **changes}
    return {"inputs": [{name: value for name, value in changed.items() if value is not None}]}


def sized(size: object) -> dict[str, Any]:
    return features(parameters={"binary_data_size": size})


def test_the_server_says_that_it_has_the_extension(doubling: RunningServer) -> None:
    assert doubling.client.get("/v2").json()["extensions"] == ["binary_tensor_data"]


@pytest.mark.parametrize("datatype", ONNX_TYPES)
def test_every_datatype_comes_back_as_it_went(echo: RunningServer, datatype: str) -> None:
    values = [math.inf if value is None else value for value in VALUES[datatype]]
    content = pack(datatype, values)
    document = {
        "inputs": [
            binary(one["name"], datatype, [2, 2], content) if one["datatype"] == datatype else one
            for one in all_inputs(2)
        ],
        "outputs": [
            {"name": f"out_{datatype.lower()}", "parameters": {"binary_data": True}},
            {"name": "out_int8"},
        ][: 1 if datatype == "INT8" else 2],
    }
    answer = post(echo, document, content)
    assert answer.headers["content-type"] == "application/octet-stream"
    found = outputs_of(answer)
    assert pack(datatype, found[f"out_{datatype.lower()}"]) == content
    assert len(found["out_int8"]) == 4


def test_many_tensors_follow_in_the_order_of_the_json(echo: RunningServer) -> None:
    given = all_inputs(1)
    contents = [pack(one["datatype"], one["data"]) for one in given]
    document = {
        "inputs": [
            binary(one["name"], one["datatype"], [1, 2], content)
            for one, content in zip(given, contents, strict=True)
        ],
        "parameters": {"binary_data_output": True},
    }
    found = outputs_of(post(echo, document, *contents))
    assert found == {f"out_{one['datatype'].lower()}": one["data"] for one in given}


@pytest.mark.parametrize("prefix", range(9))
def test_a_tensor_may_begin_at_any_byte(doubling: RunningServer, prefix: int) -> None:
    answer = post(doubling, {**features(), "id": "x" * prefix}, ROW)
    assert outputs_of(answer) == {"prediction": [2, 4, 6]}


def test_an_answer_is_json_unless_bytes_are_asked_for(doubling: RunningServer) -> None:
    answer = post(doubling, features(), ROW)
    assert answer.headers["content-type"] == "application/json"
    assert JSON_LENGTH not in answer.headers
    assert answer.json()["outputs"] == [tensor("prediction", "FP64", [1, 3], [2, 4, 6])]


@pytest.mark.parametrize(("own", "expected"), [(None, True), (False, False), (True, True)])
def test_an_output_goes_before_the_whole_request(
    doubling: RunningServer, own: bool | None, expected: bool
) -> None:
    wanted = {"name": "prediction", "parameters": {} if own is None else {"binary_data": own}}
    document = {"parameters": {"binary_data_output": True}, "outputs": [wanted]}
    answer = post(doubling, features() | document, ROW)
    assert (JSON_LENGTH in answer.headers) is expected
    assert outputs_of(answer) == {"prediction": [2, 4, 6]}


def test_json_alone_may_ask_for_bytes(doubling: RunningServer) -> None:
    document = {
        "inputs": [tensor("features", "FP64", [1, 3], [1, 2, 3])],
        "parameters": {"binary_data_output": True},
    }
    assert outputs_of(doubling.infer(document)) == {"prediction": [2, 4, 6]}


def test_no_rows_in_are_no_bytes_out(doubling: RunningServer) -> None:
    document = {
        "inputs": [binary("features", "FP64", [0, 3], b"")],
        "parameters": {"binary_data_output": True},
    }
    assert outputs_of(post(doubling, document)) == {"prediction": []}


@pytest.mark.parametrize("media_type", ["", "application/octet-stream", "image/png", "nonsense"])
def test_bytes_are_taken_by_any_name(doubling: RunningServer, media_type: str) -> None:
    answer = post(doubling, features(), ROW, content_type=media_type)
    assert outputs_of(answer) == {"prediction": [2, 4, 6]}


def test_what_is_no_number_is_counted_in_bytes_too(doubling: RunningServer) -> None:
    content = pack("FP64", [math.nan, 1, math.inf])
    document = {
        "inputs": [binary("features", "FP64", [1, 3], content)],
        "parameters": {"binary_data_output": True},
    }
    before = doubling.client.get("/regnant/v1/stats").json()["nonFinite"]
    answer = post(doubling, document, content)
    assert answer.headers["x-regnant-non-finite"] == "true"
    first, second, third = outputs_of(answer)["prediction"]
    assert (math.isnan(first), second, third) == (True, 2, math.inf)
    assert doubling.client.get("/regnant/v1/stats").json()["nonFinite"] == before + 1
    assert "x-regnant-non-finite" not in post(doubling, features(), ROW).headers


@pytest.mark.parametrize(
    ("document", "content", "sentence"),
    [
        (features(), ROW[:-1], "24 bytes are announced, and 23 follow"),
        (features(), ROW + b"x", "1 bytes follow the last tensor"),
        (sized(16), ROW[:16], f"{NAMED}: parameters: binary_data_size: 16 is not 24, the bytes of"),
        (sized(-1), ROW, f"{NAMED}: parameters: binary_data_size: -1 is not a number of bytes"),
        (sized(True), ROW, "binary_data_size: true is not a number of bytes"),
        (sized("24"), ROW, 'binary_data_size: "24" is not a number of bytes'),
        (sized(2**70), ROW, "binary_data_size: 1.1805916207174113e+21 is not a number of bytes"),
        (features(data=[1, 2, 3]), ROW, f"{NAMED}: data: stands beside binary_data_size"),
        (features(shape=[10**12, 3]), ROW, "24 is not 24000000000000"),
        (features(parameters=None), ROW, f"{NAMED}: data: is missing"),
        (
            {**features(), "parameters": {"binary_data_output": 1}},
            ROW,
            "parameters: binary_data_output: 1 is not true or false",
        ),
        (
            {**features(), "outputs": [{"name": "prediction", "parameters": {"binary_data": 0}}]},
            ROW,
            'tensor "prediction": parameters: binary_data: 0 is not true or false',
        ),
    ],
)
def test_what_does_not_fit_is_told(
    doubling: RunningServer, document: object, content: bytes, sentence: str
) -> None:
    answer = post(doubling, document, content)
    assert answer.status_code == 400
    assert sentence in answer.json()["error"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\x01\0\0\0a", "there are 5 bytes for 2 elements"),
        (b"\x01\0\0\0a\x02\0\0\0b", "element 1 is longer than what follows"),
        (b"\x01\0\0\0\xff\0\0\0\0", "element 0 is not UTF-8"),
        (b"\x01\0\0\0a\0\0\0\0x", "1 bytes follow the last element"),
        (b"\xff\xff\xff\xff\0\0\0\0", "element 0 is longer"),
    ],
)
def test_text_that_is_none_is_told(echo: RunningServer, content: bytes, sentence: str) -> None:
    named = [
        binary("in_bytes", "BYTES", [1, 2], content) if one["datatype"] == "BYTES" else one
        for one in all_inputs(1)
    ]
    answer = post(echo, {"inputs": named}, content)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(f'tensor "in_bytes": {sentence}')


@pytest.mark.parametrize("length", ["1000000", "-1", "x", "1e3", "²", "9" * 30])
def test_a_length_that_is_none_is_told(doubling: RunningServer, length: str) -> None:
    answer = doubling.client.post(
        INFER, content=b"{}", headers={JSON_LENGTH.encode(): length.encode()}
    )
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(JSON_LENGTH)


def test_bytes_without_the_header_are_told(doubling: RunningServer) -> None:
    answer = doubling.infer(features())
    assert answer.status_code == 400
    assert "24 bytes are announced, and 0 follow" in answer.json()["error"]


@given(
    sizes=st.lists(st.integers(-1, 40), min_size=1, max_size=3),
    shape=st.lists(st.integers(0, 3), max_size=3),
    content=st.binary(max_size=64),
)
def test_whatever_follows_is_an_answer_or_a_sentence(
    doubling: RunningServer, sizes: list[int], shape: list[int], content: bytes
) -> None:
    entries = [
        {**FEATURES, "shape": shape, "parameters": {"binary_data_size": size}} for size in sizes
    ]
    answer = post(doubling, {"inputs": entries}, content)
    assert answer.status_code in {200, 400}
    assert answer.status_code == 200 or answer.json()["error"]
