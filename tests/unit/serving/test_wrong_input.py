"""Whatever a client gets wrong is told in a sentence, and is never the server's failure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import helper

from regnant.artifacts.signature import Tensor
from tests.unit.serving.bundles import graph, signature, tensor, value_info, write_bundle
from tests.unit.serving.running_server import INFER, running_server
from tests.unit.serving.test_protocol_v2 import all_inputs

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.serving.running_server import RunningServer

GOOD = tensor("features", "FP64", [1, 3], [1, 2, 3])
NAMED = 'tensor "features"'

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=20,
)


def inputs(**changes: Any) -> dict[str, Any]:
    """A request whose only tensor has other fields; None leaves a field out."""
    changed = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    return {"inputs": [changed]}


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ([], "the body must be a JSON object"),
        ("text", "the body must be a JSON object"),
        ({}, 'inputs: must be a list of tensors: "features" FP64 [-1, 3]'),
        ({"inputs": {}}, "inputs: must be a list of tensors"),
        ({"inputs": []}, f"inputs: {NAMED} is missing; expected FP64 [-1, 3]"),
        ({"inputs": [7]}, "inputs[0]: must be an object with a name"),
        ({"inputs": [GOOD, GOOD]}, f"inputs: {NAMED} is given twice"),
        ({"inputs": [GOOD], "id": 7}, "id: 7 is not a string"),
        ({"inputs": [GOOD], "parameters": []}, "parameters: [] is not an object"),
        ({"inputs": [GOOD], "outputs": 1}, "outputs: must be a list of"),
        ({"inputs": [GOOD], "outputs": [{}]}, "outputs[0]: must be an object with a name"),
        ({"inputs": [GOOD], "outputs": [{"name": "x"}]}, 'outputs: there is no tensor "x"'),
        ({"inputs": [GOOD], "outputs": [{"name": "prediction"}] * 2}, "is asked for twice"),
        (
            {
                "inputs": [GOOD],
                "outputs": [{"name": "prediction", "parameters": {"classification": 2}}],
            },
            "classification extension is not served",
        ),
        (inputs(name="feature"), 'inputs: there is no tensor "feature"; expected "features"'),
        (inputs(name=7), "inputs[0]: must be an object with a name"),
        (inputs(datatype="FP32"), f'{NAMED}: datatype: "FP32" is not FP64'),
        (inputs(datatype=None), f"{NAMED}: datatype: null is not FP64"),
        (inputs(shape=None), f"{NAMED}: shape: null is not a list of sizes; expected [-1, 3]"),
        (inputs(shape=[3]), f"{NAMED}: shape: [3] does not fit; expected [-1, 3]"),
        (inputs(shape=[1, 4]), f"{NAMED}: shape: [1, 4] does not fit"),
        (inputs(shape=[-1, 3]), f"{NAMED}: shape: [-1,3] is not a list of sizes"),
        (inputs(shape=[1.0, 3]), "is not a list of sizes"),
        (inputs(shape=[True, 3]), "is not a list of sizes"),
        (inputs(shape=[10**12, 3]), "3 elements; expected 3000000000000 FP64 elements"),
        (inputs(data=None), f"{NAMED}: data: is missing; expected 3 FP64 elements of shape [1, 3]"),
        (inputs(data=7), f"{NAMED}: data: 7 is not a list"),
        (inputs(data=[1, 2]), f"{NAMED}: data: 2 elements; expected 3 FP64 elements"),
        (inputs(data=[1, 2, 3, 4]), f"{NAMED}: data: 4 elements"),
        (inputs(data=[[1, 2]]), f"{NAMED}: data: a list of 2 at depth 1 instead of 3"),
        (inputs(shape=[2, 3], data=[[1, 2, 3], [4, 5]]), "a list of 2 at depth 1 instead of 3"),
        (inputs(shape=[2, 3], data=[[1, 2, 3]]), "1 rows; expected 6 FP64 elements"),
        (inputs(shape=[2, 3], data=[[1, 2, 3], 4]), "lists and elements are mixed at depth 1"),
        (inputs(data=[[[1], [2], [3]]]), "element 0 is [1]; FP64 holds numbers"),
        (inputs(data=[1, "2", 3]), f'{NAMED}: data: element 1 is "2"; FP64 holds numbers'),
        (inputs(data=[1, True, 3]), "element 1 is true; FP64 holds numbers"),
        (inputs(data=[1, 2, {}]), "element 2 is {}"),
        (inputs(parameters={"binary_data_size": 24}), "data: stands beside binary_data_size"),
        (inputs(parameters={"shared_memory_region": "x"}), "shared memory is not served"),
    ],
)
def test_a_wrong_request_is_told_what_was_expected(
    doubling: RunningServer, document: object, sentence: str
) -> None:
    answer = doubling.infer(document)
    assert (answer.status_code, list(answer.json())) == (400, ["error"])
    assert sentence in answer.json()["error"]


@pytest.mark.parametrize(
    ("datatype", "data", "sentence"),
    [
        ("INT64", [1, None], "element 1 is null; INT64 holds whole numbers"),
        ("INT64", [1, 1.0], "element 1 is 1.0; INT64 holds whole numbers"),
        ("INT64", [1, 2**63], "an element is out of range"),
        ("INT64", [1, 2**64], "holds whole numbers"),
        ("INT8", [1, 128], "out of range; INT8 holds whole numbers from -128 to 127"),
        ("UINT8", [1, -1], "out of range; UINT8 holds whole numbers from 0 to 255"),
        ("UINT64", [1, -1], "out of range"),
        ("BOOL", [1, 0], "element 0 is 1; BOOL holds true or false"),
        ("BOOL", [True, None], "element 1 is null"),
        ("BYTES", ["a", 1], "element 1 is 1; BYTES holds strings"),
        ("BYTES", ["a", None], "element 1 is null"),
        ("FP16", [1, 1e5], "out of range; FP16 holds numbers up to 65504"),
        ("FP32", [1, 1e39], "out of range; FP32 holds numbers up to 3.4028e+38"),
    ],
)
def test_an_element_that_its_type_does_not_hold_is_refused(
    echo: RunningServer, datatype: str, data: list[Any], sentence: str
) -> None:
    answer = echo.infer({"inputs": all_inputs(1, **{datatype: data})})
    assert answer.status_code == 400
    assert f'tensor "in_{datatype.lower()}": data: ' in answer.json()["error"]
    assert sentence in answer.json()["error"]


def test_tensors_that_disagree_on_the_number_of_rows_are_refused(echo: RunningServer) -> None:
    tensors = all_inputs(2)
    tensors[3] = tensor("in_int32", "INT32", [1, 2], [1, 2])
    answer = echo.infer({"inputs": tensors})
    assert answer.status_code == 400
    sentence = 'tensor "in_int32": shape [1, 2] has 1 rows, but tensor "in_bool" has 2'
    assert answer.json() == {"error": sentence}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b"NaN",
        b'{"inputs": [NaN]}',
        json.dumps(inputs(data=[1, 2, float("nan")])).encode(),
        json.dumps(inputs(data=[1, 2, float("inf")])).encode(),
        b"[" * 100_000,
        b'{"id": "\\ud800"}',
    ],
)
def test_a_body_that_is_not_json_is_refused(doubling: RunningServer, body: bytes) -> None:
    answer = doubling.client.post(INFER, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("the body is not JSON: ")


@given(document=json_values)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_json_makes_the_server_fail(doubling: RunningServer, document: object) -> None:
    wholes = [document, {"inputs": document}, inputs(data=document), inputs(shape=document)]
    for whole in wholes:
        assert doubling.infer(whole).status_code in {200, 400}


@given(body=st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_bytes_make_the_server_fail(doubling: RunningServer, body: bytes) -> None:
    assert doubling.client.post(INFER, content=body).status_code == 400


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/v3", "there is nothing at '/v3'; start at /v2"),
        ("/v2/models/other", "model 'other' is not served here; 'churn' is"),
        ("/v2/models/other/infer", "model 'other' is not served here"),
        ("/v2/models/churn/versions/4", "version '4' of model 'churn' is not served here; '3' is"),
        ("/v2/models/churn/versions/4/infer", "version '4' of model 'churn' is not served here"),
        ("/v2/models/churn/versions", "version '' of model 'churn' is not served here"),
        ("/v2/models/churn/nothing", "there is nothing at"),
    ],
)
def test_what_does_not_exist_is_named(doubling: RunningServer, path: str, sentence: str) -> None:
    for answer in (doubling.client.get(path), doubling.client.post(path, json={})):
        assert answer.status_code == 404
        assert sentence in answer.json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", INFER, "POST"),
        ("PUT", INFER, "POST"),
        ("POST", "/v2", "GET, HEAD"),
        ("DELETE", "/v2/health/live", "GET, HEAD"),
        ("OPTIONS", "/v2/models/churn", "GET, HEAD"),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(
    doubling: RunningServer, method: str, path: str, allowed: str
) -> None:
    answer = doubling.client.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert answer.json()["error"] == f"{method} is not allowed here; use {allowed}"


@pytest.mark.parametrize(
    "headers",
    [{"content-type": "application/octet-stream"}, {"content-encoding": "br"}],
)
def test_a_body_that_is_no_plain_json_is_refused(
    doubling: RunningServer, headers: dict[str, str]
) -> None:
    answer = doubling.client.post(INFER, content=b"x", headers=headers)
    assert answer.status_code == 415
    assert next(iter(headers)) in answer.json()["error"]


@pytest.mark.parametrize("shape", [[0, 2**63], [0, 2**62], [2**64 - 1, 0]])
def test_a_shape_of_nothing_that_is_too_large_is_refused(tmp_path: Path, shape: list[int]) -> None:
    """Where both sizes are free, no elements need be sent for a shape that numpy cannot have."""
    ends = [Tensor(name=name, datatype="FP32", shape=(-1, -1)) for name in "xy"]
    model = graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        [value_info("x", "FP32", [None, None])],
        [value_info("y", "FP32", [None, None])],
    )
    golden = {
        "inputs": [tensor("x", "FP32", [1, 1], [1])],
        "outputs": [tensor("y", "FP32", [1, 1], [1])],
    }
    written = write_bundle(tmp_path, model, signature(ends[:1], ends[1:]), golden)
    with running_server(written) as server:
        answer = server.infer({"inputs": [tensor("x", "FP32", shape, [])]})
        empty = server.infer({"inputs": [tensor("x", "FP32", [0, 7], [])]})
    assert answer.status_code == 400
    assert "is too large, though it is of nothing" in answer.json()["error"]
    assert empty.status_code == 200
