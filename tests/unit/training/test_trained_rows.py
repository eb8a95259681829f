"""What users ask a trained model: rows with the columns of its data, as they stand there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.serving.bundles import unpack_bundle
from tests.unit.serving.running_server import RunningServer, running_server
from tests.unit.training.conftest import MakeModel

HEAD = "id,plan,calls,fee,member,churned\n"
ROWS = [
    f"{number},{'basic' if number % 2 else 'pro'},{number % 7},{number / 3:.1f},"
    f"{'true' if number % 3 else 'false'},{'yes' if number % 2 else 'no'}"
    for number in range(300)
]
BASIC = {"plan": "basic", "calls": 3, "fee": 20.5, "member": True}


def predict(server: RunningServer, *instances: Any) -> Any:
    answer = server.client.post("/v1/models/churn:predict", json={"instances": list(instances)})
    assert answer.status_code == 200, answer.text
    return answer.json()["predictions"]


@pytest.mark.parametrize(
    "estimator", ["sklearn.linear_model.LogisticRegression", "sklearn.tree.DecisionTreeClassifier"]
)
def test_rows_by_column_name_get_named_probabilities(
    make_from_csv: MakeModel, tmp_path: Path, estimator: str
) -> None:
    made = make_from_csv(
        HEAD + "\n".join(ROWS),
        target="churned",
        estimator=estimator,
        data={"exclude": ["id"]},
    )
    with running_server(unpack_bundle(tmp_path / "bundle", made.bundle)) as server:
        basic, pro, unknown = predict(server, BASIC, {**BASIC, "plan": "pro"}, dict.fromkeys(BASIC))
        (example,) = server.client.get("/v2/openapi.json").json()["paths"][
            "/v1/models/churn:predict"
        ]["post"]["requestBody"]["content"]["application/json"]["example"]["instances"]
    assert (basic["label"], pro["label"]) == ("yes", "no")
    for prediction in (basic, pro, unknown):
        assert prediction["probabilities"].keys() == {"no", "yes"}
        assert sum(prediction["probabilities"].values()) == pytest.approx(1)
    assert example.keys() == BASIC.keys()


def test_a_regression_predicts_numbers(make_from_csv: MakeModel, tmp_path: Path) -> None:
    made = make_from_csv(
        HEAD + "\n".join(ROWS),
        task="Regression",
        target="fee",
        estimator="sklearn.linear_model.Ridge",
        data={"exclude": ["id", "churned"]},
    )
    with running_server(unpack_bundle(tmp_path / "bundle", made.bundle)) as server:
        (number,) = predict(server, {"plan": "pro", "calls": 2, "member": False})
    assert isinstance(number, float)
