"""Mixed columns, missing values, identifiers: what the default does with a table from the world."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from regnant.training.runtime import open_session
from regnant.training.train import Made
from tests.unit.training.conftest import MakeModel

ROWS = 240


def people() -> pd.DataFrame:
    """Customers: numbers, categories, booleans and an identifier, all with gaps, and odd names."""
    random = np.random.default_rng(5)
    age = random.normal(45, 12, ROWS).round(1)
    plan = random.choice(["basic", "größer", "pro, plus"], ROWS)
    active = random.random(ROWS) < 0.5
    frame = pd.DataFrame(
        {
            "customer id": [f"C-{index:05}" for index in range(ROWS)],
            "age (years)": age,
            "plan": plan,
            "visits": random.integers(0, 9, ROWS),
            "active": active,
            "label": random.choice(["x", "y"], ROWS),
            "churned": np.where((age > 45) ^ active, "yes", "no"),
        }
    )
    frame.loc[::9, "age (years)"] = np.nan
    frame.loc[::11, "plan"] = None
    return frame


@pytest.fixture
def made(make_from_csv: MakeModel) -> Made:
    return make_from_csv(
        people().to_csv(index=False),
        target="churned",
        estimator="sklearn.ensemble.HistGradientBoostingClassifier",
        parameters={"max_iter": 10},
    )


def test_mixed_columns_become_a_tensor_each_under_their_own_names(made: Made) -> None:
    assert {tensor.name: tensor.datatype for tensor in made.signature.inputs} == {
        "age (years)": "FP64",
        "plan": "BYTES",
        "visits": "FP64",
        "active": "FP64",
        "input_label": "BYTES",
    }
    assert all(tensor.shape == (-1, 1) for tensor in made.signature.inputs)
    session = open_session(made.bundle.model)
    assert [argument.name for argument in session.get_inputs()] == [
        tensor.name for tensor in made.signature.inputs
    ]
    assert [argument.name for argument in session.get_outputs()] == ["label", "probabilities"]


def test_columns_are_tied_to_their_tensors(made: Made) -> None:
    columns = {column.name: column for column in made.signature.columns}
    assert columns["label"].tensor == "input_label"
    assert columns["active"].type == "Boolean"
    assert columns["visits"].type == "Integer"
    assert columns["plan"].categories == ("", "basic", "größer", "pro, plus")


def test_an_identifier_is_left_out_and_said_so(made: Made) -> None:
    assert "customer id" not in {column.name for column in made.signature.columns}
    assert made.bundle.card is not None
    assert "not trained on, as no value repeats: customer id" in made.bundle.card.decode()


def test_a_model_answers_rows_with_everything_missing_or_unseen(made: Made) -> None:
    session = open_session(made.bundle.model)
    missing = {
        tensor.name: np.array([[np.nan]])
        if tensor.datatype == "FP64"
        else np.array([[""]], dtype=object)
        for tensor in made.signature.inputs
    }
    unseen = missing | {"plan": np.array([["never heard of"]], dtype=object)}
    for feeds in (missing, unseen):
        label, probabilities = session.run(None, feeds)
        assert label[0] in {"yes", "no"}
        assert np.isfinite(probabilities).all()


def test_the_model_learnt_something(made: Made) -> None:
    auc = next(metric.value for metric in made.metrics if metric.name == "roc_auc")
    assert auc > 0.8


def test_the_profile_counts_every_training_row(made: Made) -> None:
    assert made.bundle.profile is not None
    profile = json.loads(made.bundle.profile)
    rows = profile["rows"]
    age, plan = profile["columns"]["age (years)"], profile["columns"]["plan"]
    assert sum(age["counts"]) + age["missing"] == rows == 192
    assert len(age["counts"]) == len(age["edges"]) + 1
    assert sum(plan["counts"].values()) + plan["other"] == rows
    assert sum(profile["prediction"]["counts"].values()) == ROWS - rows


def test_parquet_and_csv_train_the_same_model(make_model: MakeModel, claim: Path) -> None:
    frame = people()
    frame.to_parquet(claim / "data.parquet")
    frame.to_csv(claim / "data.csv", index=False)
    golden = {
        make_model(f"pvc://claim/data.{ending}", target="churned").bundle.golden
        for ending in ("parquet", "csv")
    }
    assert len(golden) == 1


@pytest.mark.parametrize(
    ("values", "declared", "found"),
    [
        (["true", "false"], None, "Boolean"),
        (["yes", "no"], "Boolean", "Boolean"),
        (["1", "2"], None, "Integer"),
        (["1", "2"], "Category", "Category"),
        (["1.5", "2"], None, "Float"),
        (["", "2"], None, "Float"),
        (["a", "2"], None, "Category"),
        (["NA", "true"], None, "Boolean"),
    ],
)
def test_a_type_is_found_or_declared(
    make_from_csv: MakeModel, values: list[str], declared: str | None, found: str
) -> None:
    rows = "\n".join(f"{values[index % 2]},{index},{'ab'[index % 2]}" for index in range(40))
    rules = [{"name": "x", "type": declared}] if declared else []
    made = make_from_csv(f"x,z,y\n{rows}\n", target="y", data={"columns": rules})
    assert next(column.type for column in made.signature.columns if column.name == "x") == found


def test_numbers_as_categories_are_one_whether_whole_or_with_gaps(
    make_from_csv: MakeModel,
) -> None:
    rows = "\n".join(
        f"{'' if index % 5 == 0 else index % 3},{'ab'[index % 2]}" for index in range(60)
    )
    rules = [{"name": "code", "type": "Category"}]
    made = make_from_csv(f"code,y\n{rows}\n", target="y", data={"columns": rules})
    assert made.signature.columns[0].categories == ("", "0", "1", "2")


def test_numbers_alone_are_one_matrix_in_the_order_of_the_columns(make_model: MakeModel) -> None:
    made = make_model("sklearn://iris")
    assert [tensor.name for tensor in made.signature.inputs] == ["features"]
    assert [(column.name, column.index) for column in made.signature.columns] == [
        ("sepal_length", 0),
        ("sepal_width", 1),
        ("petal_length", 2),
        ("petal_width", 3),
    ]


@pytest.mark.parametrize(("target", "datatype"), [(["0", "1"], "INT64"), (["a", "b"], "BYTES")])
def test_labels_keep_their_kind(make_from_csv: MakeModel, target: list[str], datatype: str) -> None:
    rows = "\n".join(f"{index},{target[index % 2]}" for index in range(40))
    made = make_from_csv(f"x,y\n{rows}\n", target="y")
    assert made.signature.outputs[0].datatype == datatype
    assert made.signature.classes == ((0, 1) if datatype == "INT64" else ("a", "b"))


def test_a_boolean_target_is_nought_and_one(make_model: MakeModel, claim: Path) -> None:
    pd.DataFrame({"x": range(40), "y": [True, False] * 20}).to_parquet(claim / "data.parquet")
    made = make_model("pvc://claim/data.parquet", target="y")
    assert made.signature.classes == (0, 1)


def test_a_secret_in_the_address_stays_out_of_the_bundle() -> None:
    from regnant.training.card import public_uri

    signed = "https://user:word@host.test/data.csv?X-Amz-Signature=abc#part"
    assert public_uri(signed) == "https://host.test/data.csv"
    assert public_uri("s3://lake/a/b.csv") == "s3://lake/a/b.csv"
