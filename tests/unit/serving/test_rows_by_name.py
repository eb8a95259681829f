"""Rows by the names of their columns, to `/v1/models/MODEL:predict`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given

from regnant.artifacts.signature import Column
from tests.unit.serving.bundles import customers_bundle
from tests.unit.serving.running_server import running_server
from tests.unit.serving.test_wrong_input import json_values

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

    from tests.unit.serving.running_server import RunningServer

MODEL = "/v1/models/churn"
ANN = {"the plan": "pro", "age": 40.5, "is member": True}
LISTED = "the plan, age, is member"


@pytest.fixture(scope="module")
def customers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(customers_bundle(tmp_path_factory.mktemp("customers"))) as server:
        yield server


def predict(server: RunningServer, *instances: Any, path: str = MODEL) -> httpx.Response:
    return server.client.post(f"{path}:predict", json={"instances": list(instances)})


def customer(label: str, no: float | None, yes: float | None) -> dict[str, Any]:
    return {"label": label, "probabilities": {"no": no, "yes": yes}}


@pytest.mark.parametrize("path", [MODEL, f"{MODEL}/versions/3"])
def test_a_row_by_name_gets_its_label_and_its_probabilities(
    customers: RunningServer, path: str
) -> None:
    answer = predict(customers, ANN, path=path)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"predictions": [customer("pro", 40.5, 1)]}
    assert answer.headers["x-regnant-version"] == "3"


def test_names_may_come_in_any_order_and_a_list_in_the_columns_order(
    customers: RunningServer,
) -> None:
    bob = {"is member": False, "age": 20, "the plan": "basic"}
    answer = predict(customers, bob, ["plus", 30, 1])
    assert answer.json()["predictions"] == [customer("basic", 20, 0), customer("plus", 30, 1)]


def test_null_is_a_missing_value_of_every_kind(customers: RunningServer) -> None:
    answer = predict(customers, [None, None, None])
    assert answer.json()["predictions"] == [customer("", None, None)]
    assert answer.headers["x-regnant-non-finite"] == "true"


def test_no_rows_are_no_predictions(customers: RunningServer) -> None:
    assert predict(customers).json() == {"predictions": []}


def test_a_model_with_one_output_predicts_values(doubling: RunningServer) -> None:
    answer = predict(doubling, [1, 2, 3], {"features[0]": 4, "features[1]": 5, "features[2]": 6})
    assert answer.json() == {"predictions": [[2, 4, 6], [8, 10, 12]]}


def test_columns_that_are_not_signed_are_called_as_their_tensors(tmp_path: Path) -> None:
    with running_server(customers_bundle(tmp_path, columns=())) as server:
        answer = predict(server, {"plan": "pro", "age": 1, "member": 0})
        assert answer.json()["predictions"] == [customer("pro", 1, 0)]
        assert "true; FP64 holds" in predict(server, ["pro", 1, True]).json()["error"]


@pytest.mark.parametrize("tensor", ["age", "nowhere"])
def test_a_model_whose_columns_do_not_fill_its_inputs_has_no_rows(
    tmp_path: Path, tensor: str
) -> None:
    age = Column(name="age", type="Float", tensor=tensor, index=0)
    with running_server(customers_bundle(tmp_path, columns=[age])) as server:
        answer = predict(server, {"age": 1})
        assert answer.status_code == 400
        assert "no rows of columns; send tensors, to /v2" in answer.json()["error"]


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/v1/models", {"models": ["churn"]}),
        (MODEL, {"name": "churn", "ready": True}),
        (f"{MODEL}/versions/3", {"name": "churn", "ready": True}),
    ],
)
def test_what_is_served_is_told(customers: RunningServer, path: str, told: object) -> None:
    assert customers.client.get(path).json() == told


def test_it_is_counted_as_any_inference(customers: RunningServer) -> None:
    def answered() -> tuple[int, int]:
        counts = customers.client.get("/regnant/v1/stats").json()["requests"]
        return counts["ok"], counts["client_error"]

    before = answered()
    predict(customers, ANN)
    predict(customers, {})
    assert answered() == (before[0] + 1, before[1] + 1)


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ([], "the body must be a JSON object with the list instances"),
        ({"instances": {}}, "with the list instances"),
        ({"inputs": []}, "with the list instances"),
        ({"instances": [7]}, "instances[0]: 7 is neither an object of columns nor a list"),
        ({"instances": [["pro", 1]]}, f"instances[0]: 2 values; expected 3: {LISTED}"),
        ({"instances": [ANN, {**ANN, "x": 1}]}, f'[1]: there is no column "x"; expected {LISTED}'),
        ({"instances": [{"age": 1, "the plan": ""}]}, 'column "is member" is missing; send null'),
        ({"instances": [{**ANN, "age": "40"}]}, 'column "age": element 0 is "40"; FP64 holds'),
        ({"instances": [{**ANN, "age": True}]}, 'column "age": element 0 is true'),
        ({"instances": [ANN, {**ANN, "the plan": 7}]}, 'column "the plan": element 1 is 7'),
        ({"instances": [{**ANN, "age": [1]}]}, 'column "age": element 0 is [1]'),
    ],
)
def test_what_does_not_fit_is_told(
    customers: RunningServer, document: object, sentence: str
) -> None:
    answer = customers.client.post(f"{MODEL}:predict", json=document)
    assert answer.status_code == 400
    assert sentence in answer.json()["error"]


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/v1/models/other:predict", "model 'other' is not served here; 'churn' is"),
        (f"{MODEL}/versions/4:predict", "version '4' of model 'churn' is not served"),
        (f"{MODEL}:explain", "there is nothing at"),
    ],
)
def test_another_path_is_told_apart(customers: RunningServer, path: str, sentence: str) -> None:
    answer = customers.client.post(path, json={"instances": []})
    assert answer.status_code == 404
    assert sentence in answer.json()["error"]


def test_a_body_that_is_no_json_is_told(customers: RunningServer) -> None:
    answer = customers.client.post(f"{MODEL}:predict", content=b"{")
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("the body is not JSON")


@given(instances=json_values)
def test_whatever_the_rows_are_it_is_an_answer_or_a_sentence(
    customers: RunningServer, instances: Any
) -> None:
    answer = customers.client.post(f"{MODEL}:predict", json={"instances": instances})
    assert answer.status_code in {200, 400}
