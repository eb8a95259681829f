"""The Open Inference Protocol V2, as a client sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.serving.bundles import ONNX_TYPES, tensor

if TYPE_CHECKING:
    from tests.unit.serving.running_server import RunningServer

MODEL = "/v2/models/churn"
VERSION = f"{MODEL}/versions/3"
VALUES: dict[str, list[Any]] = {
    "BOOL": [True, False, False, True],
    "BYTES": ["", "naïve", "a\x00b", "☃"],
    "INT8": [-128, 127, 0, 1],
    "INT16": [-(2**15), 2**15 - 1, 0, 1],
    "INT32": [-(2**31), 2**31 - 1, 0, 1],
    "INT64": [-(2**63), 2**63 - 1, 0, 1],
    "UINT8": [0, 255, 1, 2],
    "UINT16": [0, 2**16 - 1, 1, 2],
    "UINT32": [0, 2**32 - 1, 1, 2],
    "UINT64": [0, 2**64 - 1, 1, 2],
    "FP16": [0.5, -65504.0, None, 1.0],
    "FP32": [0.1, -3.4e38, None, 1.0],
    "FP64": [0.1, -1.7e308, None, 5e-324],
}


def features(*rows: list[float | None]) -> dict[str, Any]:
    return {"inputs": [tensor("features", "FP64", [len(rows), 3], list(rows))]}


def all_inputs(rows: int, **instead: list[Any]) -> list[dict[str, Any]]:
    """Every input of the echo model, with ones where nothing else is asked for."""
    ones: dict[str, Any] = {"BOOL": True, "BYTES": "x"}
    return [
        tensor(
            f"in_{name.lower()}",
            name,
            [rows, 2],
            instead.get(name, [ones.get(name, 1)] * (2 * rows)),
        )
        for name in ONNX_TYPES
    ]


def test_the_server_describes_itself(doubling: RunningServer) -> None:
    answer = doubling.client.get("/v2").json()
    assert answer["name"] == "regnant"
    assert answer["version"]


@pytest.mark.parametrize("path", [MODEL, VERSION])
def test_the_model_describes_its_tensors(doubling: RunningServer, path: str) -> None:
    told = doubling.client.get(path).json()
    assert told.pop("parameters").keys() == {"onnxruntime", "cpu_features"}
    assert told == {
        "name": "churn",
        "versions": ["3"],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": "features", "datatype": "FP64", "shape": [-1, 3]}],
        "outputs": [{"name": "prediction", "datatype": "FP64", "shape": [-1, 3]}],
    }


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v2/health/live", {"live": True}),
        ("/v2/health/ready", {"ready": True}),
        (f"{MODEL}/ready", {"name": "churn", "ready": True}),
        (f"{VERSION}/ready", {"name": "churn", "ready": True}),
    ],
)
def test_health_is_told(doubling: RunningServer, path: str, body: object) -> None:
    answer = doubling.client.get(path)
    head = doubling.client.head(path)
    assert (answer.status_code, answer.json()) == (200, body)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == answer.headers["content-length"]


@pytest.mark.parametrize("path", [f"{MODEL}/infer", f"{VERSION}/infer", "/v2/models/ch%75rn/infer"])
def test_a_model_infers(doubling: RunningServer, path: str) -> None:
    answer = doubling.infer({"id": "seven", **features([1, 2, 3], [4, 5, 6])}, path)
    assert answer.json() == {
        "model_name": "churn",
        "model_version": "3",
        "id": "seven",
        "outputs": [tensor("prediction", "FP64", [2, 3], [2, 4, 6, 8, 10, 12])],
    }


def test_without_an_id_none_is_made_up(doubling: RunningServer) -> None:
    assert "id" not in doubling.infer(features([1, 2, 3])).json()


def test_every_answer_says_which_version_gave_it(doubling: RunningServer) -> None:
    answers = [
        doubling.infer(features([1, 2, 3])),
        doubling.infer({}),
        doubling.client.get("/nowhere"),
        doubling.client.get("/v2/health/live", headers={"x-request-id": "abc"}),
    ]
    for answer in answers:
        assert answer.headers["x-regnant-model"] == "churn"
        assert answer.headers["x-regnant-version"] == "3"
        assert answer.headers["x-regnant-digest"].startswith("sha256:")
        assert answer.headers["content-type"] == "application/json"
    assert answers[-1].headers["x-request-id"] == "abc"
    assert "x-request-id" not in answers[0].headers


@pytest.mark.parametrize("datatype", ONNX_TYPES)
@pytest.mark.parametrize("is_nested", [True, False])
def test_every_datatype_comes_back_as_it_went(
    echo: RunningServer, datatype: str, is_nested: bool
) -> None:
    values = VALUES[datatype]
    data = [values[:2], values[2:]] if is_nested else values
    name = f"out_{datatype.lower()}"
    document = {"inputs": all_inputs(2, **{datatype: data}), "outputs": [{"name": name}]}
    answer = echo.infer(document)
    assert answer.status_code == 200, answer.text
    (output,) = answer.json()["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == (name, datatype, [2, 2])
    expected = pytest.approx(values[:2], rel=1e-3) if datatype in {"FP16", "FP32"} else values[:2]
    assert output["data"][:2] == expected
    assert output["data"][2:] == values[2:]


def test_the_outputs_asked_for_come_in_the_order_asked_for(echo: RunningServer) -> None:
    wanted = ["out_int8", "out_bytes", "out_fp64"]
    answer = echo.infer({"inputs": all_inputs(1), "outputs": [{"name": name} for name in wanted]})
    assert [output["name"] for output in answer.json()["outputs"]] == wanted


def test_with_no_outputs_named_all_come(echo: RunningServer) -> None:
    for document in ({"inputs": all_inputs(1)}, {"inputs": all_inputs(1), "outputs": []}):
        assert len(echo.infer(document).json()["outputs"]) == len(ONNX_TYPES)


def test_no_rows_in_are_no_rows_out(doubling: RunningServer, echo: RunningServer) -> None:
    answer = doubling.infer(features())
    assert answer.json()["outputs"] == [tensor("prediction", "FP64", [0, 3], [])]
    shapes = [one["shape"] for one in echo.infer({"inputs": all_inputs(0)}).json()["outputs"]]
    assert shapes == [[0, 2]] * len(ONNX_TYPES)


def test_null_is_a_missing_number_in_and_a_non_finite_number_out(doubling: RunningServer) -> None:
    answer = doubling.infer(features([None, 1.7e308, -1.7e308]))
    assert answer.json()["outputs"][0]["data"] == [None, None, None]


def test_parameters_that_change_nothing_are_ignored(doubling: RunningServer) -> None:
    document = features([1, 2, 3]) | {
        "parameters": {"priority": 3},
        "outputs": [{"name": "prediction", "parameters": {"priority": 3}}],
    }
    assert doubling.infer(document).status_code == 200


@pytest.mark.parametrize(
    "media_type", ["application/json", "Application/JSON; charset=utf-8", "", None]
)
def test_json_is_taken_by_any_of_its_names(doubling: RunningServer, media_type: str | None) -> None:
    body = b'{"inputs":[{"name":"features","shape":[0,3],"datatype":"FP64","data":[]}]}'
    headers = {} if media_type is None else {"content-type": media_type}
    answer = doubling.client.post(f"{MODEL}/infer", content=body, headers=headers)
    assert answer.status_code == 200


def test_golden_rows_are_handed_out_evenly_spaced(doubling: RunningServer) -> None:
    sample = doubling.client.get("/regnant/v1/golden?rows=4").json()
    assert sample["rows"] == [0, 13, 26, 39]
    assert sample["tolerance"] == {"absolute": 1e-5, "relative": 1e-4}
    assert sample["digest"].startswith("sha256:")
    replayed = doubling.infer(sample["request"])
    assert replayed.json()["outputs"] == sample["response"]["outputs"]


@pytest.mark.parametrize(("asked", "given"), [("", 16), ("?rows=1", 1), ("?rows=99999", 40)])
def test_as_many_golden_rows_as_there_are(doubling: RunningServer, asked: str, given: int) -> None:
    sample = doubling.client.get(f"/regnant/v1/golden{asked}").json()
    assert len(sample["rows"]) == given
    assert sample["request"]["inputs"][0]["shape"] == [given, 3]


@pytest.mark.parametrize("rows", ["0", "-1", "x", "1e3", "²", "9" * 30])
def test_a_number_of_golden_rows_that_is_none_is_refused(
    doubling: RunningServer, rows: str
) -> None:
    answer = doubling.client.get("/regnant/v1/golden", params={"rows": rows})
    assert answer.status_code == 400
    assert "rows:" in answer.json()["error"]
